import { HostError } from '../../errors.ts';
import { STOCK_FOLDER } from '../../record/paths.ts';
import type { System } from '../../system/system.ts';

/** The state of one hook's name in the folder of hooks. */
export interface HookPlace {
  readonly name: string;
  readonly path: string;
  /** The path of the stock script that is kept. */
  readonly stock: string;
  /** Our link, nothing, a folder, or somebody else's file or link. */
  readonly what: 'ours' | 'none' | 'folder' | 'other';
  readonly hasStock: boolean;
  /** Whether the file is the kept script itself, as after an interrupted run. */
  readonly isStock: boolean;
  /** Whether dpkg diverts this name to the kept scripts; undefined where dpkg does not manage files. */
  readonly diverted: boolean | undefined;
}

/** The present state of the folder of hooks. */
export interface HookLinks {
  readonly folder: string;
  readonly isThere: boolean;
  /** The target of our links. */
  readonly target: string;
  readonly places: readonly HookPlace[];
}

/** Which folder of hooks, and which program and hooks to look for. */
export interface LinksWanted {
  /** A tree to treat as if it were /; empty for / itself. */
  readonly root: string;
  /** The path of the folder of hooks below that root. */
  readonly folder: string;
  /** The path of the program below that root. */
  readonly program: string;
  /** The names of all hooks. */
  readonly hooks: readonly string[];
}

/**
 * Reads a folder of hooks: the hooks' names, other links to the program, and the kept scripts.
 * @param system the way to the files, and to dpkg's list of diversions
 * @param wanted the folder, the program and the hooks
 * @throws HostError where a link leads out of the tree, or dpkg could not tell
 */
export function readHookLinks(system: System, { root, folder, program, hooks }: LinksWanted): HookLinks {
  const real = resolved(system, `${root}${folder}`);
  if (root !== '' && !real.startsWith(`${resolved(system, root)}/`))
    throw new HostError(`A link leads out of ${root} to ${real}, so nothing was changed.`, { exitCode: 2 });
  const asksDpkg = (...words: string[]) =>
    system.run(['dpkg-query', ...words], { isListing: true }).status === 0;
  const byDpkg = root === '' && asksDpkg('-W', 'dpkg');
  // dpkg-divert needs the path as the package has it, without resolved links.
  const isPackaged = byDpkg && asksDpkg('-S', real);
  const own = isPackaged ? real : `${root}${folder}`;
  const diversions = byDpkg ? listDiversions(system, own) : undefined;
  const target = relativePath(real, resolved(system, `${root}${program}`));
  const isOurs = (path: string) => {
    const link = system.linkTarget(path);
    if (link === undefined) return false;
    const full = link.startsWith('/') ? `${root}${link}` : `${real}/${link}`;
    return link === target || normal(full) === normal(`${root}${program}`);
  };
  const stockFolder = `${own}/${STOCK_FOLDER}`;
  const kept = system.list(stockFolder);
  const links = system.list(own).filter((name) => isOurs(`${own}/${name}`));
  const diverted = [...(diversions ?? [])].filter(([, to]) => to.startsWith(`${stockFolder}/`));
  const names = new Set([...hooks, ...links, ...kept, ...diverted.map(([path]) => baseName(path))]);
  const placeOf = (name: string): HookPlace => {
    const path = `${own}/${name}`;
    const stock = `${stockFolder}/${name}`;
    const hasStock = kept.includes(name);
    const what = isOurs(path) ? 'ours' : whatIsAt(system, path);
    const isStock = what === 'other' && hasStock && isSameFile(system, path, stock);
    const to = diversions?.get(path);
    const isDiverted = diversions === undefined ? undefined : to !== undefined;
    return { name, path, stock, what, hasStock, isStock, diverted: isDiverted };
  };
  return {
    folder: own,
    isThere: system.kindOf(own) === 'folder',
    target,
    places: [...names].sort().map(placeOf),
  };
}

/** Links are compared themselves, not their targets. */
function isSameFile(system: System, one: string, other: string): boolean {
  const { stdout } = system.run(['stat', '-c', '%d:%i', '--', one, other]);
  const [first, second] = stdout.trim().split('\n');
  return first !== '' && first === second;
}

function whatIsAt(system: System, path: string): 'none' | 'folder' | 'other' {
  if (system.linkTarget(path) !== undefined) return 'other';
  const kind = system.kindOf(path);
  return kind === undefined ? 'none' : kind === 'folder' ? 'folder' : 'other';
}

/** By the diverted path; dpkg prints "local diversion of PATH to PATH", or "diversion of … by PACKAGE". */
function listDiversions(system: System, folder: string): Map<string, string> {
  const { stdout } = system.run(['dpkg-divert', '--list', `${folder}/*`], { isListing: true });
  const lines = stdout.matchAll(/^(?:local )?diversion of (.+) to (.+?)(?: by \S+)?$/gm);
  return new Map([...lines].map(([, path = '', to = '']) => [path, to]));
}

/** A path with its links resolved; its last parts need not exist. */
function resolved(system: System, path: string): string {
  let head = path;
  while (head !== '' && system.kindOf(head) !== 'folder') head = head.slice(0, head.lastIndexOf('/'));
  const real = head === '' ? '' : system.run(['readlink', '-f', '--', head]).stdout.trim();
  return `${real === '/' ? '' : real}${path.slice(head.length)}`;
}

/** The relative path from a folder to a file, both absolute and without links. */
function relativePath(folder: string, file: string): string {
  const from = folder.split('/');
  const to = file.split('/');
  let same = 0;
  while (same < from.length && same < to.length - 1 && from[same] === to[same]) same++;
  return [...from.slice(same).map(() => '..'), ...to.slice(same)].join('/');
}

/** A path without ".." and ".". */
function normal(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '.' && part !== '') parts.push(part);
  }
  return `/${parts.join('/')}`;
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
