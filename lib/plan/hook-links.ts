import { HostError } from '../errors.ts';
import type { HookLinks, HookPlace } from '../observe/host/hook-links.ts';
import { STOCK_FOLDER } from '../record/paths.ts';

const FRESH_LINK = '.xen-network-new';

/** One change, with words for it that follow "to". */
export interface LinkChange {
  readonly what: string;
  readonly commands: readonly (readonly string[])[];
  /** The command to use where the file system does not support the last one. */
  readonly instead?: readonly string[];
}

/** The changes of links. */
export interface LinkPlan {
  readonly changes: readonly LinkChange[];
  /** A sentence for each name that is left alone. */
  readonly left: readonly string[];
}

/**
 * Plans the replacement of hooks by links to this program, and the removal of links of hooks that the program no longer
 * has. At every moment a hook's name is either the old script or our link; the next run completes one that was killed.
 * @param links the present state
 * @param hooks the names of all hooks
 * @throws HostError where a folder has a hook's name
 */
export function planLinks(links: HookLinks, hooks: readonly string[]): LinkPlan {
  const wanted = links.places.filter(({ name }) => hooks.includes(name));
  const folder = wanted.find(({ what }) => what === 'folder');
  if (folder !== undefined)
    throw new HostError(`${folder.path} is a folder; move it away and enable the hooks again.`, {
      exitCode: 2,
    });
  const make = {
    what: `make the directory ${links.folder}`,
    commands: [['mkdir', '-p', '--', links.folder]],
  };
  const dropped = links.places.filter(({ name, what }) => !hooks.includes(name) && what !== 'folder');
  const parts = [...wanted.map((place) => linkIn(place, links)), ...dropped.map(takeBack)];
  return {
    changes: [...(links.isThere ? [] : [make]), ...parts.flatMap(({ changes }) => changes)],
    left: parts.flatMap(({ left }) => left),
  };
}

function linkIn(place: HookPlace, { folder, target }: HookLinks): LinkPlan {
  const { path, stock, what, diverted } = place;
  const changes: LinkChange[] = [];
  const makeFolder = ['mkdir', '-p', '--', `${folder}/${STOCK_FOLDER}`];
  // The folder must exist before dpkg unpacks a package with the script.
  if (diverted === false)
    changes.push({
      what: `divert ${path} to ${stock}`,
      commands: [makeFolder, ['dpkg-divert', '--local', '--no-rename', '--divert', stock, '--add', path]],
    });
  if (what === 'ours') return { changes, left: [] };
  if (what === 'other' && place.hasStock && !place.isStock)
    return {
      changes,
      left: [`${path} is no longer our link and is left alone; move it away and enable the hooks again.`],
    };
  if (what === 'other' && !place.hasStock)
    changes.push({
      what: `keep ${path} as ${stock}`,
      commands: [makeFolder, ['ln', '-P', '--', path, stock]],
      instead: ['mv', '-nT', '--', path, stock],
    });
  const fresh = `${folder}/${FRESH_LINK}`;
  changes.push({
    what: `link ${path} to ${target}`,
    commands: [
      ['ln', '-sfn', '--', target, fresh],
      ['mv', '-fT', '--', fresh, path],
    ],
  });
  return { changes, left: [] };
}

/**
 * Plans the restoration of all hooks' names.
 * @param links the present state
 */
export function planNoLinks(links: HookLinks): LinkPlan {
  const parts = links.places.map(takeBack);
  return { changes: parts.flatMap(({ changes }) => changes), left: parts.flatMap(({ left }) => left) };
}

/**
 * The commands that remove the folders with the last link; a failure does not matter.
 * @param folder the folder of hooks
 */
export function sweepCommands(folder: string): readonly (readonly string[])[] {
  return [
    ['rm', '-f', '--', `${folder}/${FRESH_LINK}`],
    ['rmdir', '--', `${folder}/${STOCK_FOLDER}`],
  ];
}

function takeBack({ path, stock, what, hasStock, isStock, diverted }: HookPlace): LinkPlan {
  const changes: LinkChange[] = [];
  const isForeign = what === 'folder' || (what === 'other' && !isStock);
  if (isForeign && hasStock)
    return {
      changes,
      left: [
        `${path} is not our link and is left alone; move it away and disable the hooks again, which puts the stock script back from ${stock}.`,
      ],
    };
  if (diverted === true)
    changes.push({
      what: `end the diversion of ${path}`,
      commands: [['dpkg-divert', '--local', '--no-rename', '--remove', path]],
    });
  if (hasStock && isStock)
    changes.push({ what: `remove ${stock}, which ${path} is too`, commands: [['rm', '-f', '--', stock]] });
  else if (hasStock)
    changes.push({ what: `put the stock script ${path} back`, commands: [['mv', '-fT', '--', stock, path]] });
  else if (what === 'ours') changes.push({ what: `remove ${path}`, commands: [['rm', '-f', '--', path]] });
  return { changes, left: [] };
}

/** The state of a hook's name. replaced: somebody, such as an upgrade of Xen's package, put a file over our link. */
export type HookState = 'enabled' | 'replaced' | 'interrupted' | 'stock' | 'missing';

/**
 * The state of a hook's name.
 * @param place what is there
 */
export function hookState({ what, hasStock, isStock, diverted }: HookPlace): HookState {
  if (what === 'ours') return diverted === false ? 'interrupted' : 'enabled';
  if (what === 'none') return hasStock || diverted === true ? 'interrupted' : 'missing';
  if (isStock || (diverted === true && !hasStock)) return 'interrupted';
  return hasStock ? 'replaced' : 'stock';
}
