import { XenNetworkError } from '../errors.ts';
import type { TableLine } from '../filter/nf-rules.ts';
import { RUN_FOLDER, temporaryPath } from '../record/paths.ts';
import type { Family } from '../request/addresses.ts';
import { type FileKind, type FileSystem, kindOf, withoutNewline } from './files/files.ts';
import { folderOf, replace, rewrite } from './files/rewrite.ts';
import { kernelWays } from './kernel/kernel-ways.ts';
import type { Native } from './kernel/native.ts';
import { errnoName, errnoWords } from './kernel/native-errors.ts';
import type { ListedTable, SetTypes } from './kernel/nf-table-listing.ts';
import type * as nfTables from './kernel/nf-tables.ts';
import type { RtOutcome } from './kernel/rtnetlink.ts';
import type { DeviceAddress } from './kernel/rtnetlink-addresses.ts';
import { changePort, type PortOutcome } from './openvswitch/change-port.ts';
import {
  type Environment,
  type PassResult,
  type RunOptions,
  type RunResult,
  wholeListings,
} from './processes/exec.ts';
import { hasteOf } from './processes/haste.ts';

/** Every effect that a hook has on the outside, and every look at it; tests pass one that fails on demand. */
export interface System {
  /** A file's text without a final newline; undefined where there is none. Throws XenNetworkError where nobody can tell. */
  readText(path: string): string | undefined;
  /** A file's bytes, each as one character, for writing them again unchanged; undefined as in readText. */
  readBytes(path: string): string | undefined;
  /** The first `bytes` bytes of a long file, each as one character; undefined as in readText. */
  readStart(path: string, bytes: number): string | undefined;
  /** When a file or folder was last changed, in milliseconds since 1970; undefined when it does not exist. */
  modifiedAt(path: string): number | undefined;
  /** Writes to an existing file, such as a kernel setting; throws XenNetworkError with the kernel's reason. */
  writeText(path: string, text: string): void;
  /** Writes a file in one atomic step, and makes its folders. */
  replaceFile(path: string, text: string): void;
  /**
   * Gives an existing file new content in one atomic step, so that after a power loss it has the old or the new
   * content. Owner, mode, access lists and label stay, and a link to the file stays a link.
   */
  rewriteFile(path: string, bytes: string): void;
  appendText(path: string, text: string): void;
  /** Renames a file within its file system, and makes the folders of the new path. */
  rename(path: string, to: string): void;
  /** Makes a symbolic link and its folders. */
  link(path: string, target: string): void;
  remove(path: string): void;
  /** The names in a folder, sorted by bytes; empty when there is no such folder. */
  list(path: string): string[];
  linkTarget(path: string): string | undefined;
  /** Whether something is at a path, links followed. Throws XenNetworkError where nobody can tell. */
  exists(path: string): boolean;
  /** The kind of the file at a path, links followed; 'other' is a device, a pipe or a socket; undefined for no file. */
  kindOf(path: string): FileKind | undefined;
  run(argv: readonly string[], options?: RunOptions): RunResult;
  /** The name of the program that run() starts for this name, where that differs. */
  program?(name: string): string;
  /** Writes to this process's standard output or standard error. Never throws. */
  print(text: string, to: 'out' | 'err'): void;
  /**
   * Runs a program in this process's place, with its standard streams and the given environment. `waiting` is called
   * repeatedly while it runs, after pending signals were handled.
   */
  pass(argv: readonly string[], env: Environment, waiting?: (pid: number) => void): Promise<PassResult>;
  /**
   * Starts a program in a session of its own, without a terminal, under the given name, and does not wait for it.
   * Throws XenNetworkError when it cannot be started.
   */
  startDetached(argv: readonly string[], name: string): void;
  /** Asks a process to end (SIGTERM) or kills it (SIGKILL); no error where it is already gone. */
  endProcess(pid: number, how?: 'asked' | 'killed'): void;
  /** Logs something that was noticed on the way; absent where there is no log. */
  notice?(sentence: string): void;
  /** The effective user id of this process. */
  userId(): number;
  /** The width in characters of the terminal that is standard input or output; undefined where it is no terminal. */
  terminalWidth(of: 'in' | 'out'): number | undefined;
  /** Does `ip` commands by messages to the kernel; undefined, with nothing done, where `ip` has to run. */
  rtnetlink?(commands: readonly (readonly string[])[], force: boolean): RtOutcome | undefined;
  /**
   * Adds rules by messages to the kernel, without iptables, all or none; undefined, with nothing done, where the kernel
   * cannot be asked and iptables has to run.
   */
  nfTables?(family: Family, lines: readonly TableLine[]): nfTables.NfOutcome | undefined;
  /** Changes elements and chains by messages to the kernel, all or none; false, with nothing done, where nft has to run. */
  changeTables?(lines: readonly string[]): boolean;
  /** The chains of nf_tables that what is forwarded goes through; undefined where nft has to be asked. */
  forwardingChains?(family: Family): readonly nfTables.ForwardingChain[] | undefined;
  /** The generation of nf_tables' rulesets, which each change raises by one; undefined where it does not tell. */
  rulesGeneration?(): number | undefined;
  /** The table of nf_tables with its chains, and the sets that are asked for; undefined where nft has to be asked. */
  listTable?(table: string, sets: SetTypes): ListedTable | undefined;
  /** The verdict for a device in a map of nf_tables; undefined where the kernel cannot tell. */
  mapVerdict?(table: string, map: string, device: string): nfTables.FoundVerdict | undefined;
  /**
   * Does what a command of ovs-vsctl would do with a port, by the database's socket; undefined, with nothing done, where
   * ovs-vsctl has to run.
   */
  changePort?(socket: string, argv: readonly string[]): Promise<PortOutcome | undefined>;
  /** Gives this process real-time priority while the host is without network, or its normal priority again. */
  hurry?(on: boolean): void;
  native(): Promise<Native>;
  sleep(ms: number): Promise<void>;
  /** The IPv4 addresses of a device in the kernel's order: primary addresses before secondary ones. */
  ipv4Addresses(device: string): readonly string[];
  /** The IPv4 addresses of this host's devices; with `among` only those that are in it. */
  ownIpv4(among?: readonly string[]): readonly DeviceAddress[];
}

function indexIn(fs: FileSystem, look: Look, name: string): number | undefined {
  const path = `/sys/class/net/${name}/ifindex`;
  const index = look(() => fs.readFileSync(path, 'utf8'), path);
  return index === undefined ? undefined : Number(index);
}

const [SIGKILL, SIGTERM] = [9, 15];

/**
 * The real system.
 * @param native the port to this runtime
 * @param fs the file system, the runtime's own where it is not given
 */
export function openSystem(native: Native, fs = native.files): System {
  const { print, pass, startDetached, userId, terminalWidth, openNetlink, hurry } = native;
  const run = wholeListings(native.run);
  const look: Look = (read, path) => attempt(read, path, userId);
  const trust = folderTrust(fs, look);
  const haste = hasteOf(hurry);
  const makeFolder = (path: string) => {
    fs.mkdirSync(folderOf(path), { recursive: true, mode: 0o755 });
    trust(folderOf(path));
  };
  const read = (path: string, encoding: 'utf8' | 'latin1') => {
    trust(folderOf(path));
    return look(() => fs.readFileSync(path, encoding), path);
  };
  return {
    run,
    print,
    pass,
    startDetached,
    userId,
    terminalWidth,
    readText: (path) => withoutNewline(read(path, 'utf8')),
    readBytes: (path) => read(path, 'latin1'),
    readStart: (path, bytes) =>
      look(() => fs.readStart?.(path, bytes) ?? fs.readFileSync(path, 'latin1').slice(0, bytes), path),
    modifiedAt: (path) => look(() => fs.statSync(path).mtimeMs, path),
    endProcess: (pid, how) => endProcess(native, pid, how === 'killed' ? SIGKILL : SIGTERM),
    rewriteFile: (path, bytes) => inWords(path, 'written', () => rewrite(fs, path, bytes)),
    writeText: (path, text) =>
      inWords(path, 'set', () => haste.yielding(() => fs.writeFileSync(path, text, { flag: 'r+' }))),
    replaceFile(path, text) {
      inWords(path, 'written', () => {
        makeFolder(path);
        replace(fs, path, text);
      });
    },
    appendText(path, text) {
      trust(folderOf(path));
      inWords(path, 'written', () => fs.appendFileSync(path, text));
    },
    rename(path, to) {
      inWords(to, 'written', () => {
        makeFolder(to);
        fs.renameSync(path, to);
      });
    },
    link(path, target) {
      inWords(path, 'made', () => {
        makeFolder(path);
        fs.symlinkSync(target, path);
      });
    },
    remove(path) {
      for (const file of [path, temporaryPath(path)])
        inWords(file, 'removed', () => fs.existsSync(file) && fs.unlinkSync(file));
    },
    list: (path) => (trust(path) ? (look(() => fs.readdirSync(path), path) ?? []).map(String).sort() : []),
    linkTarget: (path) => look(() => fs.readlinkSync(path, 'utf8'), path),
    exists: (path) => look(() => fs.existsSync(path), path) ?? false,
    kindOf: (path) => look(() => kindOf(fs.statSync(path)), path),
    native: async () => native,
    ...(openNetlink === undefined
      ? waysByIp(run)
      : kernelWays(openNetlink, (name) => indexIn(fs, look, name))),
    changePort: (socket, argv) => changePort(native, socket, argv),
    ...(hurry === undefined ? {} : { hurry: haste.set }),
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  };
}

function endProcess(native: Native, pid: number, signal: number): void {
  try {
    native.kill(pid, signal);
  } catch (thrown) {
    if (errnoName(thrown) === 'ESRCH') return;
    throw new XenNetworkError(`Process ${pid} cannot be ended: ${errnoWords(thrown)}.`, { cause: thrown });
  }
}

const OTHERS_WRITE = 0o022;

/**
 * What lies in our folder is carried out as root, so root alone may write there. Each folder is checked once.
 * @returns a function that returns false where one of our folders does not exist
 */
function folderTrust(fs: FileSystem, look: Look): (folder: string) => boolean {
  const trusted = new Set<string>();
  const trust = (folder: string): boolean => {
    if (trusted.has(folder) || !(folder === RUN_FOLDER || folder.startsWith(`${RUN_FOLDER}/`))) return true;
    if (!trust(folderOf(folder))) return false;
    const stat = look(() => fs.lstatSync(folder), folder);
    if (stat === undefined) return false;
    const isFolder = kindOf(stat) === 'folder';
    if (!isFolder || stat.uid !== 0 || (stat.mode & OTHERS_WRITE) !== 0) {
      const what = isFolder
        ? `belongs to user ${stat.uid} and has the mode ${(stat.mode & 0o7777).toString(8)}`
        : 'is no folder';
      throw new XenNetworkError(
        `${folder} ${what}: it must be a folder that root alone can write, or others could command this host by it. ` +
          'Look at what is in it, and remove it.',
      );
    }
    trusted.add(folder);
    return true;
  };
  return trust;
}

type AddressWays = Pick<System, 'ipv4Addresses' | 'ownIpv4'>;

function waysByIp(run: Native['run']): AddressWays {
  const list = (...which: string[]): DeviceAddress[] => {
    const { stdout } = run(['ip', '-4', '-o', 'address', 'show', ...which], { isListing: true });
    const lines = stdout.matchAll(/^\d+: (\S+) +inet ([\d.]+)/gm);
    return [...lines].map(([, device = '', address = '']) => ({ device, address }));
  };
  return {
    ipv4Addresses: (device) => list('dev', device).map(({ address }) => address),
    ownIpv4: (among) => list().filter(({ address }) => among?.includes(address) !== false),
  };
}

/** Does something with a file; throws XenNetworkError with the reason when it fails. */
function inWords<T>(path: string, what: string, work: () => T): T {
  try {
    return work();
  } catch (thrown) {
    throw new XenNetworkError(`${path} cannot be ${what}: ${errnoWords(thrown)}.`, { cause: thrown });
  }
}

/** What a path answers where nothing is: it is not there, or not any more. */
const MISSING: readonly (string | undefined)[] = ['ENOENT', 'ENOTDIR'];
/**
 * What files of the kernel answer besides where they have nothing to tell: the device or process has gone meanwhile, or
 * has no such value.
 */
const EMPTY: readonly (string | undefined)[] = ['ENODEV', 'ENXIO', 'ESRCH', 'EINVAL', 'EOPNOTSUPP', 'EISDIR'];
/** What root alone may see is not there for other users; and a process that not even root may see does not matter here. */
const HIDDEN: readonly (string | undefined)[] = ['EACCES', 'EPERM'];

function hasNothing(path: string, name: string | undefined, userId: () => number): boolean {
  if (MISSING.includes(name)) return true;
  if (path.startsWith(`${RUN_FOLDER}/`)) return false;
  // The kernel's answer until somebody sets the secret (net/ipv6/addrconf.c).
  const isUnset = name === 'EIO' && path.endsWith('/stable_secret');
  const isHidden = HIDDEN.includes(name) && (userId() !== 0 || /^\/proc\/\d+\//.test(path));
  return EMPTY.includes(name) || isUnset || isHidden;
}

/** Looks at a file; undefined where there is nothing. */
type Look = <T>(read: () => T, path: string) => T | undefined;

/**
 * Reads a file; undefined where there is nothing to read. Any other error is told: what was read of the host would be
 * wrong, and somebody else be blamed for it. An unreadable record would be forgotten.
 */
function attempt<T>(read: () => T, path: string, userId: () => number): T | undefined {
  try {
    return read();
  } catch (thrown) {
    if (hasNothing(path, errnoName(thrown), userId)) return undefined;
    throw new XenNetworkError(`${path} cannot be read: ${errnoWords(thrown)}.`, { cause: thrown });
  }
}
