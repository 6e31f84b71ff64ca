import type { System } from '../../system/system.ts';

/** Where Xen's tools and people keep their files. */
export const XEN_FOLDER = '/etc/xen';

/** How deep folders are gone into; people keep guests in /etc/xen/vm and links to them in /etc/xen/auto. */
const MOST_DEPTH = 4;
const MOST_FILES = 20_000;
/** What editors and package managers leave beside a file. */
const LEFT = /^\.|~$|\.(bak|old|orig|save|swp|dpkg-\w+|ucf-\w+|rpm\w+|pacnew|pacsave)$/;
/** What lies there and sets nothing of guests. */
const OTHERS = /^(scripts|README.*|.*\.(xml|md|txt|sh|d)|oxenstored\.conf|cpupool|xlexample.*|xmexample.*)$/;

/**
 * The files below a folder that may set something of Xen's network, each once, whatever links lead to it.
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

/** A link counts as what it leads to. */
function realPath(system: System, path: string): string {
  if (system.linkTarget(path) === undefined) return path;
  const { status, stdout } = system.run(['readlink', '-f', '--', path]);
  return status === 0 ? stdout.trim() : path;
}

/** Whose settings a file holds. */
export type ConfigKind = 'guest' | 'xl-conf' | 'xend' | 'multi-bridge';

const GUEST_SETTING = /^[ \t]*(name|memory|kernel|disk|vif|builder|type|bootloader|firmware)[ \t]*=/m;

/**
 * Whose settings a file holds, by its name and what is in it.
 * @param path the file
 * @param text what is in it
 * @returns undefined where it looks like none of them
 */
export function configKind(path: string, text: string): ConfigKind | undefined {
  const name = path.slice(path.lastIndexOf('/') + 1);
  if (name === 'xl.conf') return 'xl-conf';
  if (/\.sxp$/.test(name))
    return name === 'xend-config.sxp' || /\((network|vif)-script/.test(text) ? 'xend' : undefined;
  if (/multi-bridge.*\.conf$/.test(name)) return 'multi-bridge';
  return GUEST_SETTING.test(text) || /\.(cfg|hvm|pv|pvh)$/.test(name) ? 'guest' : undefined;
}
