/** The part of node:fs that hooks need; memfs fits it as well. Failures are Errors with a code such as ENOENT. */
export interface FileSystem {
  readFileSync(path: string, encoding: 'utf8' | 'latin1'): string;
  /**
   * At most `bytes` bytes from the beginning of a file, each as one character; where this is absent files are read as a
   * whole.
   */
  readStart?(path: string, bytes: number): string;
  writeFileSync(path: string, text: string, options: WriteOptions): void;
  appendFileSync(path: string, text: string): void;
  readdirSync(path: string): string[];
  readlinkSync(path: string, encoding: 'utf8'): string;
  /** False only where there is no file; fails where nobody can tell. */
  existsSync(path: string): boolean;
  mkdirSync(path: string, options: { readonly recursive: true; readonly mode?: number }): unknown;
  renameSync(path: string, to: string): void;
  symlinkSync(target: string, path: string): void;
  unlinkSync(path: string): void;
  statSync(path: string): FileStat;
  /** As statSync, but for a link itself. */
  lstatSync(path: string): FileStat;
  chmodSync(path: string, mode: number): void;
  chownSync(path: string, uid: number, gid: number): void;
  realpathSync(path: string): string;
  /**
   * Copies the extended attributes of a file (xattr(7)), which include its access lists and its SELinux label; absent
   * where the file system has none.
   */
  copyAttributes?(from: string, to: string): void;
  /**
   * Waits until a file or folder is on the disk, so that it survives a power loss; absent where nothing survives one.
   */
  sync?(path: string): void;
}

/** Facts about a file; links are followed. */
export interface FileStat {
  readonly mtimeMs: number;
  /** The mode with the kind of the file (inode(7)). */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export type FileKind = 'file' | 'folder' | 'other';

/** The bits of a mode that tell the kind of the file (inode(7)). */
const [KIND, FOLDER, REGULAR] = [0o170000, 0o040000, 0o100000];

/**
 * The kind of a file; 'other' is a device, a pipe, a socket or, for lstat, a link.
 * @param stat the file's facts
 */
export function kindOf({ mode }: FileStat): FileKind {
  const kind = mode & KIND;
  return kind === FOLDER ? 'folder' : kind === REGULAR ? 'file' : 'other';
}

export interface WriteOptions {
  /** r+ for a file that must exist; wx for one that must not exist, not even as a link. */
  readonly flag?: 'r+' | 'wx';
  readonly mode?: number;
  /** UTF-8 where it is not given. */
  readonly encoding?: 'latin1';
}

/** Calls on open files by their descriptors. They fail as the calls of FileSystem do. */
export interface OpenFiles {
  open(path: string, flags: number, mode: number): number;
  /** Returns how many bytes were read, 0 at the end. */
  read(fd: number, buffer: Uint8Array): number;
  /** Returns how many bytes were written. */
  write(fd: number, bytes: Uint8Array): number;
  close(fd: number): void;
  /** Whether the file at a path is the open one. */
  isAt(fd: number, path: string): boolean;
}

/**
 * A file's text without its last newline.
 * @param text the text; a regular expression would look at each of its characters
 */
export function withoutNewline(text: string | undefined): string | undefined {
  return text?.endsWith('\n') ? text.slice(0, -1) : text;
}
