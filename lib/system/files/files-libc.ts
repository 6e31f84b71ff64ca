import { concatBytes, decodeText, encodeText } from '../../wire/xenstore.ts';
import { CallError, checked, cString, lastErrno, libc, uninterrupted } from '../kernel/libc.ts';
import { OPEN } from '../kernel/native-errors.ts';
import type { FileStat, FileSystem, OpenFiles, WriteOptions } from './files.ts';

const [ENOENT, EINTR, EEXIST, ENOTDIR] = [2, 4, 17, 20];
const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_EMPTY_PATH = 0x1000;
// struct statx, the same on every machine: the masks of the wanted fields, and the fields' offsets.
const [STATX_MODE, STATX_UID, STATX_GID, STATX_MTIME, STATX_INO] = [0x2, 0x8, 0x10, 0x40, 0x100];
const STATX_SIZE = 256;
const STATX_AT = { uid: 20, gid: 24, mode: 28, inode: 32, mtime: 112, mtimeNs: 120, device: 136 } as const;
/** The offsets of an entry's length and name in struct linux_dirent64, the same on every machine. */
const [LENGTH_AT, NAME_AT] = [16, 19];
const PATH_MAX = 4096;
/** How many bytes are decoded at once: each becomes one argument of a call. */
const CHARACTERS = 4096;
/** A buffer for every read; it keeps nothing from one call to the next. Not in the snapshot, which each call copies. */
let made: Uint8Array | undefined;

function sharedBuffer(): Uint8Array {
  made ??= new Uint8Array(65_536);
  return made;
}

/** Open files by the C library. */
export const libcOpenFiles: OpenFiles = {
  open: (path, flags, mode) =>
    uninterrupted(() => libc().open(cString(path), flags | OPEN.closeOnExec, mode)),
  read: (fd, buffer) => uninterrupted(() => libc().read(fd, buffer, buffer.length)),
  write: (fd, bytes) => (bytes.length === 0 ? 0 : uninterrupted(() => libc().write(fd, bytes, bytes.length))),
  close(fd) {
    // Linux closes a file also where a signal came meanwhile; after a second call another file may be closed (close(2)).
    if (libc().close(fd) !== 0 && lastErrno() !== EINTR) throw new CallError(lastErrno());
  },
  isAt(fd, path) {
    const ours = identity(fd, '', AT_EMPTY_PATH);
    return ours !== undefined && ours === identity(AT_FDCWD, path, 0);
  },
};

/** Inode and device of a file; undefined when there is no such file. */
function identity(fd: number, path: string, flags: number): string | undefined {
  const stat = statx(fd, path, flags, STATX_INO);
  return stat && `${stat.getBigUint64(STATX_AT.inode, true)} ${stat.getBigUint64(STATX_AT.device, true)}`;
}

function statx(fd: number, path: string, flags: number, wanted: number): DataView | undefined {
  const stat = new Uint8Array(STATX_SIZE);
  return libc().statx(fd, cString(path), flags, wanted, stat) === 0 ? new DataView(stat.buffer) : undefined;
}

function statOf(path: string, flags = 0): FileStat {
  const stat = statx(AT_FDCWD, path, flags, STATX_MODE | STATX_UID | STATX_GID | STATX_MTIME);
  if (stat === undefined) throw new CallError(lastErrno());
  const seconds = Number(stat.getBigInt64(STATX_AT.mtime, true));
  return {
    mtimeMs: seconds * 1000 + stat.getUint32(STATX_AT.mtimeNs, true) / 1e6,
    mode: stat.getUint16(STATX_AT.mode, true),
    uid: stat.getUint32(STATX_AT.uid, true),
    gid: stat.getUint32(STATX_AT.gid, true),
  };
}

/** The kernel gives a whole file of these at the first read: what does not fill the buffer is all. */
const AT_ONCE = ['/sys/class/net/', '/proc/sys/'] as const;

function readWhole(path: string, most = Number.POSITIVE_INFINITY): Uint8Array {
  const isAtOnce = path.startsWith(AT_ONCE[0]) || path.startsWith(AT_ONCE[1]);
  const fd = libcOpenFiles.open(path, 0, 0);
  try {
    for (let whole = sharedBuffer(), length = 0; ; ) {
      const got = libcOpenFiles.read(fd, whole.subarray(length, Math.min(whole.length, most)));
      length += got;
      if (got === 0 || length >= most || (isAtOnce && length < whole.length))
        return whole.subarray(0, Math.min(length, most));
      if (length === whole.length) whole = concatBytes([whole, new Uint8Array(length)]);
    }
  } finally {
    libcOpenFiles.close(fd);
  }
}

function writeWhole(path: string, flags: number, mode: number, bytes: Uint8Array): void {
  const fd = libcOpenFiles.open(path, flags, mode);
  try {
    for (let rest = bytes; rest.length > 0; ) rest = rest.subarray(libcOpenFiles.write(fd, rest));
  } finally {
    libcOpenFiles.close(fd);
  }
}

function writeFile(path: string, text: string, { flag, mode, encoding }: WriteOptions): void {
  const fresh = OPEN.writeOnly | OPEN.create;
  const flags = flag === 'r+' ? OPEN.readWrite : fresh | (flag === 'wx' ? OPEN.exclusive : OPEN.truncate);
  writeWhole(path, flags, mode ?? 0o666, encoding === 'latin1' ? encodeLatin1(text) : encodeText(text));
}

/** What stands for bytes that are no UTF-8. */
const REPLACEMENT = '\ufffd';

function encodeLatin1(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function decodeLatin1(bytes: Uint8Array): string {
  // The engine decodes UTF-8 by itself. What has neither become shorter nor been replaced is ASCII, where both are the same.
  const ascii = decodeText(bytes);
  if (ascii.length === bytes.length && !ascii.includes(REPLACEMENT)) return ascii;
  let text = '';
  for (let at = 0; at < bytes.length; at += CHARACTERS)
    text += String.fromCharCode(...bytes.subarray(at, at + CHARACTERS));
  return text;
}

function makeFolders(path: string, mode: number): void {
  if (libc().mkdir(cString(path), mode) === 0) return;
  const errno = lastErrno();
  if (errno === EEXIST) return;
  const above = path.slice(0, path.lastIndexOf('/'));
  if (errno !== ENOENT || above === '') throw new CallError(errno);
  makeFolders(above, mode);
  // Another hook may have made it meanwhile: many start together after a boot.
  if (libc().mkdir(cString(path), mode) !== 0 && lastErrno() !== EEXIST) throw new CallError(lastErrno());
}

function namesIn(path: string): string[] {
  // Of what is no folder nothing can be listed: that is an error then (ENOTDIR).
  const fd = libcOpenFiles.open(path, OPEN.nonBlocking, 0);
  const buffer = sharedBuffer();
  const names: string[] = [];
  try {
    for (;;) {
      const got = uninterrupted(() => libc().getdents64(fd, buffer, buffer.length));
      if (got === 0) return names;
      addNames(names, buffer.subarray(0, got));
    }
  } finally {
    libcOpenFiles.close(fd);
  }
}

/** Adds the names in entries of getdents64(2), but for the folder itself and the one above. */
function addNames(names: string[], entries: Uint8Array): void {
  const fields = new DataView(entries.buffer, entries.byteOffset, entries.length);
  for (let at = 0; at < entries.length; at += fields.getUint16(at + LENGTH_AT, true)) {
    const begin = at + NAME_AT;
    const name = decodeText(entries.subarray(begin, entries.indexOf(0, begin)));
    if (name !== '.' && name !== '..') names.push(name);
  }
}

function isThere(path: string): boolean {
  if (libc().access(cString(path), 0) === 0) return true;
  const errno = lastErrno();
  if (errno === ENOENT || errno === ENOTDIR) return false;
  throw new CallError(errno);
}

function linkTarget(path: string): string {
  const target = sharedBuffer();
  return decodeText(target.subarray(0, checked(libc().readlink(cString(path), target, target.length))));
}

/** The path with all links resolved. */
function realPath(path: string): string {
  const found = new Uint8Array(PATH_MAX);
  if (libc().realpath(cString(path), found) === null) throw new CallError(lastErrno());
  return decodeText(found.subarray(0, found.indexOf(0)));
}

/** Attributes that the kernel computes from a file's content; they would be wrong for another content. */
const OF_THE_CONTENT: ReadonlySet<string> = new Set(['security.ima', 'security.evm']);
const [ENODATA, ENOTSUP] = [61, 95];

function copyAttributes(from: string, to: string): void {
  for (const name of attributeNames(from).filter((each) => !OF_THE_CONTENT.has(each))) {
    const value = attribute(from, name);
    // Some programs may make a file but not set a label, not even the one that the file already has.
    if (value === undefined || sameBytes(value, attribute(to, name))) continue;
    const bytes = value.length === 0 ? sharedBuffer() : value;
    checked(libc().setxattr(cString(to), cString(name), bytes, value.length, 0));
  }
}

function attributeNames(path: string): string[] {
  const buffer = sharedBuffer();
  const length = Number(libc().listxattr(cString(path), buffer, buffer.length));
  if (length >= 0) return decodeText(buffer.subarray(0, length)).split('\0').slice(0, -1);
  if (lastErrno() === ENOTSUP) return [];
  throw new CallError(lastErrno());
}

function attribute(path: string, name: string): Uint8Array | undefined {
  const buffer = sharedBuffer();
  const length = Number(libc().getxattr(cString(path), cString(name), buffer, buffer.length));
  if (length >= 0) return buffer.slice(0, length);
  if (lastErrno() === ENODATA) return undefined;
  throw new CallError(lastErrno());
}

function sameBytes(one: Uint8Array, other: Uint8Array | undefined): boolean {
  return one.length === other?.length && one.every((byte, at) => byte === other[at]);
}

function syncFile(path: string): void {
  const fd = libcOpenFiles.open(path, 0, 0);
  try {
    uninterrupted(() => libc().fsync(fd));
  } finally {
    libcOpenFiles.close(fd);
  }
}

/** Files by the C library. */
export const libcFiles: FileSystem = {
  readFileSync: (path, encoding) => {
    const bytes = readWhole(path);
    return encoding === 'utf8' ? decodeText(bytes) : decodeLatin1(bytes);
  },
  readStart: (path, bytes) => decodeLatin1(readWhole(path, bytes)),
  writeFileSync: writeFile,
  appendFileSync: (path, text) =>
    // Without blocking: a fifo in the log's place would stop the hook.
    writeWhole(path, OPEN.writeOnly | OPEN.create | OPEN.append | OPEN.nonBlocking, 0o666, encodeText(text)),
  readdirSync: namesIn,
  readlinkSync: linkTarget,
  existsSync: isThere,
  mkdirSync: (path, { mode }) => makeFolders(path, mode ?? 0o777),
  renameSync: (path, to) => void checked(libc().rename(cString(path), cString(to))),
  symlinkSync: (target, path) => void checked(libc().symlink(cString(target), cString(path))),
  unlinkSync: (path) => void checked(libc().unlink(cString(path))),
  statSync: (path) => statOf(path),
  lstatSync: (path) => statOf(path, AT_SYMLINK_NOFOLLOW),
  chmodSync: (path, mode) => void checked(libc().chmod(cString(path), mode)),
  chownSync: (path, uid, gid) => void checked(libc().chown(cString(path), uid, gid)),
  realpathSync: realPath,
  copyAttributes,
  sync: syncFile,
};
