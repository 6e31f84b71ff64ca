import { XenNetworkError } from '../errors.ts';
import { type PassResult, pass, type RunOptions, type RunResult, run } from './exec.ts';
import type { FileSystem } from './files.ts';
import { loadNative, type Native } from './native.ts';
import { errnoWords } from './native-errors.ts';
import { type RtOutcome, runRtnetlink } from './rtnetlink.ts';

/** Every way to the outside that a hook has; tests hand in one that fails at will. */
export interface System {
  /** A file's text without a closing newline; undefined when it cannot be read. */
  readText(path: string): string | undefined;
  /** A file's bytes, each as one character, so that they can be written again whatever they mean; undefined as above. */
  readBytes(path: string): string | undefined;
  /** When a file or folder was last changed, in milliseconds since 1970; undefined when it is not there. */
  modifiedAt(path: string): number | undefined;
  /** Writes into a file that is there (a kernel setting); throws XenNetworkError with what the kernel answers. */
  writeText(path: string, text: string): void;
  /** Puts a file in place in one move, with its folders. */
  replaceFile(path: string, text: string): void;
  /** Gives a file that is there other bytes in one move; it keeps its owner and mode, and a link to it stays one. */
  rewriteFile(path: string, bytes: string): void;
  appendText(path: string, text: string): void;
  /** Gives a file another name, in the same file system, in one move, with its folders. */
  rename(path: string, to: string): void;
  remove(path: string): void;
  /** The names in a folder, sorted by bytes; none when it is not there. */
  list(path: string): string[];
  linkTarget(path: string): string | undefined;
  exists(path: string): boolean;
  run(argv: readonly string[], options?: RunOptions): RunResult;
  /** What a program is called that run() runs under this name, where that differs. */
  program?(name: string): string;
  /** Writes to this process's standard output or error. Never throws. */
  print(text: string, to: 'out' | 'err'): void;
  /** Runs a program in this process's place: with its standard streams, and the environment given. */
  pass(argv: readonly string[], env: Readonly<Record<string, string | undefined>>): PassResult;
  /** Asks a process to end. */
  endProcess(pid: number): void;
  /**
   * Does `ip` commands without a child, by asking the kernel itself; undefined, with nothing done, where that cannot be
   * and `ip` has to be run.
   */
  rtnetlink?(commands: readonly (readonly string[])[], force: boolean): RtOutcome | undefined;
  native(): Promise<Native>;
  sleep(ms: number): Promise<void>;
  /** The addresses of each running device by its name, in the kernel's order: IPv4 first, no secondary before a primary. */
  addresses(): Readonly<Record<string, readonly string[]>>;
}

/**
 * The real system.
 * @param fs the file system, node's own unless told
 * @param short shorter ways than node's, where this runtime has them
 */
export function openSystem(
  fs: FileSystem = process.getBuiltinModule('node:fs'),
  short: Pick<Native, 'run' | 'print'> = {},
): System {
  const makeFolder = (path: string) =>
    fs.mkdirSync(path.slice(0, path.lastIndexOf('/')), { recursive: true, mode: 0o755 });
  let native: Promise<Native> | undefined;
  let loaded: Native | undefined;
  return {
    run: short.run ?? run,
    print: short.print ?? printByNode,
    pass,
    readText: (path) => attempt(() => fs.readFileSync(path, 'utf8').replace(/\n$/, '')),
    readBytes: (path) => attempt(() => fs.readFileSync(path, 'latin1')),
    modifiedAt: (path) => attempt(() => fs.statSync(path).mtimeMs),
    endProcess: (pid) => void process.kill(pid, 'SIGTERM'),
    rewriteFile(path, bytes) {
      inWords(path, 'written', () => {
        const file = fs.realpathSync(path);
        const { mode, uid, gid } = fs.statSync(file);
        fs.writeFileSync(`${file}${FRESH}`, bytes, { encoding: 'latin1', mode: 0o600 });
        fs.chownSync(`${file}${FRESH}`, uid, gid);
        fs.chmodSync(`${file}${FRESH}`, mode & 0o7777);
        fs.renameSync(`${file}${FRESH}`, file);
      });
    },
    writeText: (path, text) => inWords(path, 'set', () => fs.writeFileSync(path, text, { flag: 'r+' })),
    replaceFile(path, text) {
      inWords(path, 'written', () => {
        makeFolder(path);
        fs.writeFileSync(`${path}${FRESH}`, text, { mode: 0o644 });
        fs.renameSync(`${path}${FRESH}`, path);
      });
    },
    appendText: (path, text) => inWords(path, 'written', () => fs.appendFileSync(path, text)),
    rename(path, to) {
      inWords(to, 'written', () => {
        makeFolder(to);
        fs.renameSync(path, to);
      });
    },
    // Not rmSync: Bun takes seven milliseconds to load it.
    remove(path) {
      for (const file of [path, `${path}${FRESH}`].filter((name) => fs.existsSync(name)))
        inWords(file, 'removed', () => fs.unlinkSync(file));
    },
    list: (path) => (attempt(() => fs.readdirSync(path)) ?? []).map(String).sort(),
    linkTarget: (path) => attempt(() => fs.readlinkSync(path, 'utf8')),
    exists: (path) => fs.existsSync(path),
    native: () => (native ??= loadNative().then((port) => (loaded = port))),
    rtnetlink(commands, force) {
      const open = loaded?.openRtnetlink;
      const indexOf = (name: string) => {
        const index = attempt(() => fs.readFileSync(`/sys/class/net/${name}/ifindex`, 'utf8'));
        return index === undefined ? undefined : Number(index);
      };
      return open === undefined ? undefined : runRtnetlink(open, commands, indexOf, force);
    },
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    addresses() {
      const devices = Object.entries(process.getBuiltinModule('node:os').networkInterfaces());
      return Object.fromEntries(
        devices.map(([name, list = []]) => [name, list.map(({ address }) => address)]),
      );
    },
  };
}

/** The terminal may be gone (network-bridge over ssh): a message that nobody can read must not end the run. */
function printByNode(text: string, to: 'out' | 'err'): void {
  try {
    (to === 'out' ? process.stdout : process.stderr).write(text);
  } catch {
    return;
  }
}

/** What a killed run may leave of a file that it was about to put in place. */
const FRESH = '.new';

/** Lets a file be changed; throws XenNetworkError with the reason when that fails. */
function inWords(path: string, what: string, change: () => void): void {
  try {
    change();
  } catch (thrown) {
    throw new XenNetworkError(`${path} cannot be ${what}: ${errnoWords(thrown)}.`, { cause: thrown });
  }
}

/** Sysfs files vanish under a reader and some answer EINVAL: what cannot be read is not there. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
