/** The part of node:fs that hooks need; memfs fits it as well. Failures are Errors with a code such as ENOENT. */
export interface FileSystem {
  readFileSync(path: string, encoding: 'utf8' | 'latin1'): string;
  /** The first bytes of a file as characters, at most so many; where it is absent files are read as a whole. */
  readStart?(path: string, bytes: number): string;
  writeFileSync(path: string, text: string, options: WriteOptions): void;
  appendFileSync(path: string, text: string): void;
  readdirSync(path: string): string[];
  readlinkSync(path: string, encoding: 'utf8'): string;
  existsSync(path: string): boolean;
  mkdirSync(path: string, options: { readonly recursive: true; readonly mode?: number }): unknown;
  renameSync(path: string, to: string): void;
  symlinkSync(target: string, path: string): void;
  unlinkSync(path: string): void;
  statSync(path: string): FileStat;
  /** As statSync, but of a link itself. */
  lstatSync(path: string): FileStat;
  chmodSync(path: string, mode: number): void;
  chownSync(path: string, uid: number, gid: number): void;
  realpathSync(path: string): string;
  /**
   * Gives a file the extended attributes of another (xattr(7)), which hold its access lists and its SELinux label as well;
   * absent where there are none.
   */
  copyAttributes?(from: string, to: string): void;
  /** Waits until a file or folder would outlive a power loss as it is; absent where nothing does. */
  sync?(path: string): void;
}

/** What is known of a file, wherever links at its path lead. */
export interface FileStat {
  readonly mtimeMs: number;
  /** With the kind of file (inode(7)). */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export type FileKind = 'file' | 'folder' | 'other';

/** Which kind of file a mode tells (inode(7)). */
const [KIND, FOLDER, REGULAR] = [0o170000, 0o040000, 0o100000];

/**
 * What kind of file it is; other is a device, a pipe, a socket or, for lstat, a link.
 * @param stat what is known of it
 */
export function kindOf({ mode }: FileStat): FileKind {
  const kind = mode & KIND;
  return kind === FOLDER ? 'folder' : kind === REGULAR ? 'file' : 'other';
}

export interface WriteOptions {
  /** r+ for a file that has to be there already, wx for one that must not be, a link included. */
  readonly flag?: 'r+' | 'wx';
  readonly mode?: number;
  /** UTF-8 unless told. */
  readonly encoding?: 'latin1';
}

/** Calls on open files, by their numbers. Failures as above. */
export interface OpenFiles {
  open(path: string, flags: number, mode: number): number;
  /** How many bytes were read, 0 at the end. */
  read(fd: number, buffer: Uint8Array): number;
  /** How many of the bytes were written. */
  write(fd: number, bytes: Uint8Array): number;
  close(fd: number): void;
  /** Whether the file at a path is the open one. */
  isAt(fd: number, path: string): boolean;
}
