import { RUN_FOLDER, temporaryPath } from '../../record/paths.ts';
import { errnoName } from '../kernel/native-errors.ts';
import type { FileSystem, WriteOptions } from './files.ts';

/**
 * The folder that has a file.
 * @param path the file's path
 */
export function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}

/**
 * Makes a file, or replaces it as a whole.
 * @param fs the file system
 * @param path where
 * @param text the whole content
 * @throws Error of the file system when it fails; what was there is then untouched
 */
export function replace(fs: FileSystem, path: string, text: string): void {
  // Files in RUN_FOLDER are gone after a boot anyway, so they need not survive a power loss.
  const stays = !path.startsWith(`${RUN_FOLDER}/`);
  const fresh = temporaryPath(path);
  orGone(fs, fresh, () => {
    writeFresh(fs, fresh, text, { mode: 0o644 });
    if (stays) fs.sync?.(fresh);
    fs.renameSync(fresh, path);
  });
  if (stays) fs.sync?.(folderOf(path));
}

/**
 * Replaces the content of a file that others write too; owner, mode and attributes stay.
 * @param fs the file system
 * @param path the file, or a link to it
 * @param bytes the whole content, a character for each byte
 * @throws Error of the file system when it fails; what was there is then untouched
 */
export function rewrite(fs: FileSystem, path: string, bytes: string): void {
  const file = fs.realpathSync(path);
  const { mode, uid, gid } = fs.statSync(file);
  const fresh = temporaryPath(file);
  orGone(fs, fresh, () => {
    writeFresh(fs, fresh, bytes, { encoding: 'latin1', mode: 0o600 });
    // The order matters: a new owner removes attributes, and an access list sets the group part of the mode.
    fs.chownSync(fresh, uid, gid);
    fs.copyAttributes?.(file, fresh);
    fs.chmodSync(fresh, mode & 0o7777);
    fs.sync?.(fresh);
    fs.renameSync(fresh, file);
  });
  fs.sync?.(folderOf(file));
}

/** A file that could not be finished, as on a full disk, must not stay. */
function orGone(fs: FileSystem, fresh: string, make: () => void): void {
  try {
    make();
  } catch (thrown) {
    try {
      fs.unlinkSync(fresh);
    } catch {
      // The next call that makes it removes it first.
    }
    throw thrown;
  }
}

/** Makes a new file. What a killed run left there is removed first, and a link that somebody made is not followed. */
function writeFresh(fs: FileSystem, path: string, text: string, options: WriteOptions): void {
  try {
    fs.unlinkSync(path);
  } catch (thrown) {
    if (errnoName(thrown) !== 'ENOENT') throw thrown;
  }
  fs.writeFileSync(path, text, { ...options, flag: 'wx' });
}
