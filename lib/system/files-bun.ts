import { CString } from 'bun:ffi';
import { concatBytes, decodeText, encodeText } from '../contract/xenstore-wire.ts';
import type { FileSystem, OpenFiles, WriteOptions } from './files.ts';
import { CallError, checked, cString, lastErrno, libc } from './libc.ts';
import { OPEN } from './native-errors.ts';

const ENOENT = 2;
const EEXIST = 17;
const AT_FDCWD = -100;
const AT_EMPTY_PATH = 0x1000;
const STATX_INO = 0x100;
const [STATX_SIZE, STATX_INO_AT, STATX_DEV_AT] = [256, 32, 136];
/** Where struct dirent has its name, on both machines that Bun runs on. */
const NAME_AT = 19;
/** For whatever is read; nothing is kept in it from one call to the next. */
const buffer = new Uint8Array(65_536);

/** Open files in Bun. */
export const bunOpenFiles: OpenFiles = {
  open: (path, flags, mode) => checked(libc().open(cString(path), flags | OPEN.closeOnExec, mode)),
  read: (fd, buffer) => checked(libc().read(fd, buffer, buffer.length)),
  write: (fd, bytes) => (bytes.length === 0 ? 0 : checked(libc().write(fd, bytes, bytes.length))),
  close: (fd) => void checked(libc().close(fd)),
  isAt(fd, path) {
    const ours = identity(fd, '', AT_EMPTY_PATH);
    return ours !== undefined && ours === identity(AT_FDCWD, path, 0);
  },
};

/** Inode and device of a file, by statx(2), whose structure is the same on every machine. */
function identity(fd: number, path: string, flags: number): string | undefined {
  const stat = new Uint8Array(STATX_SIZE);
  if (libc().statx(fd, cString(path), flags, STATX_INO, stat) !== 0) return undefined;
  const view = new DataView(stat.buffer);
  return `${view.getBigUint64(STATX_INO_AT, true)} ${view.getBigUint64(STATX_DEV_AT, true)}`;
}

function readWhole(path: string): Uint8Array {
  const fd = bunOpenFiles.open(path, 0, 0);
  try {
    for (let whole = buffer, length = 0; ; ) {
      const got = bunOpenFiles.read(fd, whole.subarray(length));
      if (got === 0) return whole.subarray(0, length);
      length += got;
      if (length === whole.length) whole = concatBytes([whole, new Uint8Array(length)]);
    }
  } finally {
    bunOpenFiles.close(fd);
  }
}

function writeWhole(path: string, flags: number, mode: number, bytes: Uint8Array): void {
  const fd = bunOpenFiles.open(path, flags, mode);
  try {
    for (let rest = bytes; rest.length > 0; ) rest = rest.subarray(bunOpenFiles.write(fd, rest));
  } finally {
    bunOpenFiles.close(fd);
  }
}

function writeFile(path: string, text: string, { flag, mode, encoding }: WriteOptions): void {
  const flags = flag === 'r+' ? OPEN.readWrite : OPEN.writeOnly | OPEN.create | OPEN.truncate;
  writeWhole(
    path,
    flags,
    mode ?? 0o666,
    encoding === 'latin1' ? Buffer.from(text, 'latin1') : encodeText(text),
  );
}

function makeFolders(path: string, mode: number): void {
  if (libc().mkdir(cString(path), mode) === 0) return;
  const errno = lastErrno();
  if (errno === EEXIST) return;
  const above = path.slice(0, path.lastIndexOf('/'));
  if (errno !== ENOENT || above === '') throw new CallError(errno);
  makeFolders(above, mode);
  checked(libc().mkdir(cString(path), mode));
}

function namesIn(path: string): string[] {
  const folder = libc().opendir(cString(path));
  if (folder === null) throw new CallError(lastErrno());
  const names: string[] = [];
  for (let entry = libc().readdir(folder); entry !== null; entry = libc().readdir(folder))
    names.push(`${new CString(entry, NAME_AT)}`);
  libc().closedir(folder);
  return names.filter((name) => name !== '.' && name !== '..');
}

function linkTarget(path: string): string {
  return decodeText(buffer.subarray(0, checked(libc().readlink(cString(path), buffer, buffer.length))));
}

/** What hooks do rarely is left to node:fs, which is loaded then. */
const rare = () => process.getBuiltinModule('node:fs');

/** Files in Bun, without node:fs. */
export const bunFiles: FileSystem = {
  readFileSync: (path, encoding) => {
    const bytes = readWhole(path);
    return encoding === 'utf8' ? decodeText(bytes) : Buffer.from(bytes).toString('latin1');
  },
  writeFileSync: writeFile,
  appendFileSync: (path, text) =>
    writeWhole(path, OPEN.writeOnly | OPEN.create | OPEN.append, 0o666, encodeText(text)),
  readdirSync: namesIn,
  readlinkSync: linkTarget,
  existsSync: (path) => libc().access(cString(path), 0) === 0,
  mkdirSync: (path, { mode }) => makeFolders(path, mode ?? 0o777),
  renameSync: (path, to) => void checked(libc().rename(cString(path), cString(to))),
  unlinkSync: (path) => void checked(libc().unlink(cString(path))),
  statSync: (path) => rare().statSync(path),
  chmodSync: (path, mode) => rare().chmodSync(path, mode),
  chownSync: (path, uid, gid) => rare().chownSync(path, uid, gid),
  realpathSync: (path) => rare().realpathSync(path),
};
