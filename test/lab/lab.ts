import { execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statfsSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startMachine } from './machine.ts';

const HERE = import.meta.dirname;
const PROJECT = join(HERE, '../..');
const IMAGES = join(PROJECT, 'node_modules/.cache/xen-lab');
const LOGS = join(PROJECT, 'dist/xen-lab');
/** How long the images may take, and dom0's start. */
const BUILD_MS = 15 * 60_000;
const START_MS = 8 * 60_000;
/** What must be free: in GiB on disk for the images, in MiB of memory beside the machine's own. */
const DISK_GIB = 3;
const MEMORY_MARGIN = 512;

/** image/build.sh's status where the machine has no way to Debian's packages. */
const NO_MIRROR = 75;

/** This machine cannot run the lab; the message says why. */
export class NoLabError extends Error {}

/** A running dom0 on a real Xen. */
export interface Lab {
  /**
   * Runs test/lab/scenarios/NAME.sh, for so many seconds at most.
   * @throws Error with the scenario's reason, and what the console printed since it began, when it fails
   */
  readonly run: (name: string, seconds: number) => Promise<void>;
  /** Switches the machine off. */
  readonly end: () => Promise<void>;
}

/**
 * Why this machine cannot run the lab.
 * @param memory what the lab's machine has, in MiB
 * @returns a sentence, or undefined when it can
 */
export function whyNoLab(memory: number): string | undefined {
  if (process.arch !== 'x64') return `the Xen lab needs an x86-64 machine, and this one is ${process.arch}.`;
  const commands = ['qemu-system-x86_64', 'mmdebstrap', 'mke2fs', 'xz', 'setpriv'];
  const missing = commands.filter((command) => spawnSync('which', [command]).status !== 0);
  if (missing.length > 0) return `the Xen lab needs ${missing.join(', ')}, which apt did not install.`;
  const needed = memory + MEMORY_MARGIN;
  const free = Math.round(process.availableMemory() / 2 ** 20);
  if (free < needed) return `the Xen lab needs ${needed} MiB of memory, and ${free} MiB are free.`;
  const { bavail, bsize } = statfsSync(PROJECT);
  if (!existsSync(join(IMAGES, 'disk.stamp')) && bavail * bsize < DISK_GIB * 2 ** 30)
    return `the Xen lab needs ${DISK_GIB} GiB of disk for its images in ${IMAGES}, and there is less.`;
  return undefined;
}

/**
 * Makes the images, unless they are there, and boots them with the build in dist/ installed.
 * @param memory of the machine, in MiB
 * @throws NoLabError where the images cannot be made on this machine; Error when there is no dom0 in the end
 */
export async function startLab(memory: number): Promise<Lab> {
  mkdirSync(LOGS, { recursive: true });
  buildImages();
  const folder = mkdtempSync(join(tmpdir(), 'xen-lab-'));
  const payload = makePayload(folder);
  const log = join(LOGS, 'console.log');
  let said: string[] = [];
  let listener: (line: string) => void = () => undefined;
  const machine = startMachine(IMAGES, payload, memory, log, (line) => {
    said.push(line);
    listener(line);
  });
  const off = machine.off.finally(() => rmSync(folder, { recursive: true, force: true }));
  const hear = (pattern: RegExp): Promise<string> =>
    new Promise((resolve, reject) => {
      listener = (line) => void (pattern.test(line) && resolve(line));
      const gone = () => reject(new Error(`dom0 is gone; its console (${log}):\n${said.join('\n')}`));
      off.then(gone, gone);
    });
  const started = setTimeout(machine.kill, START_MS);
  await hear(/^lab: ready$/).finally(() => clearTimeout(started));
  return {
    run: async (name, seconds) => {
      said = [];
      machine.type(`${name} ${seconds}`);
      const line = await hear(/^lab: (ok|FAILED) /);
      if (!line.startsWith('lab: ok')) throw new Error(`${line}\n${said.join('\n')}`);
    },
    end: async () => {
      machine.type('end');
      const patience = setTimeout(machine.kill, START_MS);
      await off.finally(() => clearTimeout(patience));
    },
  };
}

function buildImages(): void {
  const log = join(LOGS, 'build.log');
  const file = openSync(log, 'w');
  // In namespaces of its own, so that neither a process nor a mount of it outlives it, whoever kills it.
  const alone = ['unshare', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
  const build = [...alone, join(HERE, 'image/build.sh'), IMAGES];
  const { status } = spawnSync('setpriv', ['--pdeathsig', 'KILL', ...build], {
    stdio: ['ignore', file, file],
    timeout: BUILD_MS,
    killSignal: 'SIGKILL',
  });
  closeSync(file);
  if (status === 0) return;
  const lines = readFileSync(log, 'utf8').trimEnd().split('\n');
  if (status === NO_MIRROR)
    throw new NoLabError(`the Xen lab's images are still to be made, and ${lines.at(-1)}`);
  const end = lines.slice(-20).join('\n');
  throw new Error(`The images of the Xen lab could not be made (${log}):\n${end}`);
}

/** The disk with what this run brings along: the scenarios, and the project as install.sh wants it. */
function makePayload(folder: string): string {
  const tree = join(folder, 'payload');
  const disk = join(folder, 'payload.img');
  for (const part of ['dom0', 'scenarios']) cpSync(join(HERE, part), join(tree, part), { recursive: true });
  for (const part of ['install.sh', 'dist/xen-network', 'dist/share'])
    cpSync(join(PROJECT, part), join(tree, 'project', part), { recursive: true });
  writeFileSync(disk, '');
  truncateSync(disk, 2 ** 28);
  execFileSync('mke2fs', ['-q', '-F', '-t', 'ext4', '-O', '^has_journal', '-m', '0', '-d', tree, disk]);
  return disk;
}
