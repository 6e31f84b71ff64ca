import type { System } from '../../system/system.ts';

/** The folder in which Xen's tools and administrators keep their files. */
export const XEN_FOLDER = '/etc/xen';

/** The maximum depth of folders; guests are usually in /etc/xen/vm, with links in /etc/xen/auto. */
const MOST_DEPTH = 4;
const MOST_FILES = 20_000;
/** Copies that editors and package managers leave beside a file. */
const LEFT = /^\.|~$|\.(bak|old|orig|save|swp|dpkg-\w+|ucf-\w+|rpm\w+|pacnew|pacsave)$/;
/** Files in this folder that do not concern guests. */
const OTHERS = /^(scripts|README.*|.*\.(xml|md|txt|sh|d)|oxenstored\.conf|cpupool|xlexample.*|xmexample.*)$/;

/**
 * The files below a folder that may configure Xen's network, each once, however many links lead to it.
 * @param system the way to the files
 * @param folder the folder
 */
export function filesBelow(system: System, folder: string): string[] {
  const found = new Map<string, string>();
  const look = (path: string, depth: number) => {
    for (const name of system.list(path).filter((each) => !LEFT.test(each) && !OTHERS.test(each))) {
      const full = `${path.replace(/\/$/, '')}/${name}`;
      const kind = system.kindOf(full);
      if (kind === 'folder' && depth < MOST_DEPTH && system.linkTarget(full) === undefined)
        look(full, depth + 1);
      if (kind !== 'file' || found.size >= MOST_FILES) continue;
      const own = realPath(system, full);
      if (!found.has(own)) found.set(own, full);
    }
  };
  look(folder, 0);
  return [...found.values()].sort();
}

/** The target of a link; any other path as it is. */
function realPath(system: System, path: string): string {
  if (system.linkTarget(path) === undefined) return path;
  const { status, stdout } = system.run(['readlink', '-f', '--', path]);
  return status === 0 ? stdout.trim() : path;
}

/** The program or guest that a file configures. */
export type ConfigKind = 'guest' | 'xl-conf' | 'xend' | 'multi-bridge';

const GUEST_SETTING = /^[ \t]*(name|memory|kernel|disk|vif|builder|type|bootloader|firmware)[ \t]*=/m;

/**
 * Tells what a file configures, by its name and content.
 * @param path the file's path
 * @param text the file's content
 * @returns undefined where it looks like none of these kinds
 */
export function configKind(path: string, text: string): ConfigKind | undefined {
  const name = path.slice(path.lastIndexOf('/') + 1);
  if (name === 'xl.conf') return 'xl-conf';
  if (/\.sxp$/.test(name))
    return name === 'xend-config.sxp' || /\((network|vif)-script/.test(text) ? 'xend' : undefined;
  if (/multi-bridge.*\.conf$/.test(name)) return 'multi-bridge';
  return GUEST_SETTING.test(text) || /\.(cfg|hvm|pv|pvh)$/.test(name) ? 'guest' : undefined;
}
