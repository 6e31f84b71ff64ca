import * as nodeFs from 'node:fs';
import { type RunOptions, type RunResult, run } from './exec.ts';
import { loadNative, type Native } from './native.ts';
import { type RtOutcome, runRtnetlink } from './rtnetlink.ts';

/** The part of node:fs that hooks need; memfs fits it as well. */
export type FileSystem = Pick<
  typeof nodeFs,
  | 'readFileSync'
  | 'writeFileSync'
  | 'appendFileSync'
  | 'readdirSync'
  | 'readlinkSync'
  | 'existsSync'
  | 'mkdirSync'
  | 'renameSync'
  | 'unlinkSync'
>;

/** Every way to the outside that a hook has; tests hand in one that fails at will. */
export interface System {
  /** A file's text without a closing newline; undefined when it cannot be read. */
  readText(path: string): string | undefined;
  /** Writes into a file that is there (a kernel setting); throws what the kernel answers. */
  writeText(path: string, text: string): void;
  /** Puts a file in place in one move, with its folders. */
  replaceFile(path: string, text: string): void;
  appendText(path: string, text: string): void;
  remove(path: string): void;
  /** The names in a folder, sorted by bytes; none when it is not there. */
  list(path: string): string[];
  linkTarget(path: string): string | undefined;
  exists(path: string): boolean;
  run(argv: readonly string[], options?: RunOptions): RunResult;
  /**
   * Does `ip` commands without a child, by asking the kernel itself; undefined, with nothing done, where that cannot be
   * and `ip` has to be run.
   */
  rtnetlink?(commands: readonly (readonly string[])[], force: boolean): RtOutcome | undefined;
  native(): Promise<Native>;
  sleep(ms: number): Promise<void>;
}

/**
 * The real system.
 * @param fs the file system, node's own unless told
 */
export function openSystem(fs: FileSystem = nodeFs): System {
  let native: Promise<Native> | undefined;
  let loaded: Native | undefined;
  return {
    run,
    readText: (path) => attempt(() => fs.readFileSync(path, 'utf8').replace(/\n$/, '')),
    writeText: (path, text) => fs.writeFileSync(path, text, { flag: 'r+' }),
    replaceFile(path, text) {
      fs.mkdirSync(path.slice(0, path.lastIndexOf('/')), { recursive: true, mode: 0o755 });
      const fresh = `${path}.${process.pid}.new`;
      fs.writeFileSync(fresh, text, { mode: 0o644 });
      fs.renameSync(fresh, path);
    },
    appendText: (path, text) => fs.appendFileSync(path, text),
    // Not rmSync: Bun takes seven milliseconds to load it.
    remove(path) {
      if (fs.existsSync(path)) fs.unlinkSync(path);
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
  };
}

/** Sysfs files vanish under a reader and some answer EINVAL: what cannot be read is not there. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
