import type { System } from '../../system/system.ts';
import { decodeText } from '../../wire/xenstore.ts';

/** The content of a configuration file, or why it cannot be read. */
export type ConfigFile =
  | { readonly text: string }
  | {
      /** A sentence. */
      readonly problem: string;
      readonly isMissing: boolean;
      /** This user may not read the file, so nobody knows whether it is one. */
      readonly isUnreadable: boolean;
    };

/** No configuration file is this long. */
const MOST_BYTES = 4 * 1024 * 1024;

/**
 * Reads a configuration file that somebody named, of whatever kind that file is.
 * @param system the way to it
 * @param path the file
 * @returns its text, unchanged, or a sentence that says why there is none
 */
export function readConfigFile(system: System, path: string): ConfigFile {
  const kind = system.kindOf(path);
  const isLink = system.linkTarget(path) !== undefined;
  const problem = (text: string, why?: 'missing' | 'unreadable') => ({
    problem: `${path} ${text}`,
    isMissing: why === 'missing',
    isUnreadable: why === 'unreadable',
  });
  if (kind === undefined && isLink)
    return problem('is a link that leads nowhere, or not to where you may look.');
  if (kind === undefined) return problem('is not there, or lies where you may not look.', 'missing');
  if (kind === 'folder') return problem('is a folder; name a file.');
  if (kind === 'other') return problem('is a device, a pipe or a socket; name a file.');
  const bytes = system.readStart(path, MOST_BYTES + 1);
  if (bytes === undefined) return problem('cannot be read; try it as root.', 'unreadable');
  if (bytes.length > MOST_BYTES) return problem('is larger than 4 MB, which no file of settings is.');
  if (bytes.includes('\0')) return problem('is no text: it has bytes that are 0.');
  return { text: decodeText(Uint8Array.from(bytes, (character) => character.charCodeAt(0))) };
}

/**
 * This host's name.
 * @param system the way to the kernel's settings
 */
export function hostName(system: System): string {
  return system.readText('/proc/sys/kernel/hostname') ?? '';
}
