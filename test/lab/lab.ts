import { execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeDeb } from '../../tools/package/deb.ts';
import { MACHINES, makeSource } from '../../tools/package/source.ts';
import { sourceDate } from '../../tools/runtime.ts';
import { buildPreload } from '../support/xenstore/xenstored.ts';
import { type Place, startMachine } from './machine.ts';
import { type SuiteName, suiteSettings } from './suites.ts';

const HERE = import.meta.dirname;
const PROJECT = join(HERE, '../..');
/** How long the images may take, and dom0's start. */
const BUILD_MS = 15 * 60_000;
const START_MS = 8 * 60_000;
/** What dom0 has to say that a scenario took too long. */
const MARGIN_MS = 30_000;
/** What must be free: in GiB on disk for the images, in MiB of memory beside the machine's own. */
const DISK_GIB = 4;
const MEMORY_MARGIN = 512;

/** image/build.sh's status where the machine has no way to Debian's packages. */
const NO_MIRROR = 75;

/** Where a release's images are kept, and the logs of its last run. */
const imagesOf = (suite: SuiteName) => join(PROJECT, 'node_modules/.cache/xen-lab', suite);
const logsOf = (suite: SuiteName) => join(PROJECT, 'dist/xen-lab', suite);

/** This machine cannot run the lab; the message says why. */
export class NoLabError extends Error {}

/** A running dom0 on a real Xen. */
export interface Lab {
  /**
   * Runs test/lab/scenarios/NAME.sh, for so many seconds at most.
   * @returns its notes
   * @throws Error with the scenario's reason, and what the console printed since it began, when it fails
   */
  readonly run: (name: string, seconds: number) => Promise<string[]>;
  /** Switches the machine off. */
  readonly end: () => Promise<void>;
}

/**
 * Why this machine cannot run the lab.
 * @param suite the Debian release that Xen is to run on
 * @param memory what the lab's machine has, in MiB
 * @returns a sentence, or undefined when it can
 */
export function whyNoLab(suite: SuiteName, memory: number): string | undefined {
  if (process.arch !== 'x64') return `the Xen lab needs an x86-64 machine, and this one is ${process.arch}.`;
  const commands = ['qemu-system-x86_64', 'mmdebstrap', 'mke2fs', 'xz', 'zstd', 'setpriv'];
  const missing = commands.filter((command) => spawnSync('which', [command]).status !== 0);
  if (missing.length > 0) return `the Xen lab needs ${missing.join(', ')}, which apt did not install.`;
  const needed = memory + MEMORY_MARGIN;
  const free = Math.round(process.availableMemory() / 2 ** 20);
  if (free < needed) return `the Xen lab needs ${needed} MiB of memory, and ${free} MiB are free.`;
  const { bavail, bsize } = statfsSync(PROJECT);
  const images = imagesOf(suite);
  if (!existsSync(join(images, 'disk.stamp')) && bavail * bsize < DISK_GIB * 2 ** 30)
    return `the Xen lab needs ${DISK_GIB} GiB of disk for its images in ${images}, and there is less.`;
  return undefined;
}

/**
 * Makes the images, unless they are there, and boots them with the build in dist/ installed.
 * @param suite the Debian release that Xen runs on
 * @param memory of the machine, in MiB
 * @param place of the machine, where there are two
 * @throws NoLabError where the images cannot be made on this machine; Error when there is no dom0 in the end
 */
export async function startLab(suite: SuiteName, memory: number, place: Place = { number: 1 }): Promise<Lab> {
  const logs = logsOf(suite);
  mkdirSync(logs, { recursive: true });
  const settings = join(logs, 'settings');
  writeFileSync(settings, suiteSettings(suite));
  buildImages(suite, settings);
  buildPreload(); // dom0 has no compiler for the tests that it runs
  const folder = mkdtempSync(join(tmpdir(), 'xen-lab-'));
  const system = join(folder, 'dom0.img');
  execFileSync('cp', ['--sparse=always', '--reflink=auto', join(imagesOf(suite), 'dom0.img'), system]);
  const own = `${readFileSync(settings, 'utf8')}number=${place.number}\n`;
  const disks = [system, await makePayload(folder, own)] as const;
  const log = join(logs, place.number === 1 ? 'console.log' : 'console-2.log');
  const parts = { images: imagesOf(suite), disks, shared: PROJECT, memory, log, place };
  let said: string[] = [];
  let listener: (line: string) => void = () => undefined;
  const machine = startMachine(parts, (line) => {
    said.push(line);
    listener(line);
  });
  rmSync(folder, { recursive: true });
  const hear = (pattern: RegExp): Promise<string> =>
    new Promise((resolve, reject) => {
      listener = (line) => void (pattern.test(line) && resolve(line));
      const gone = () => reject(new Error(`dom0 is gone; its console (${log}):\n${said.join('\n')}`));
      machine.off.then(gone, gone);
    });
  const started = setTimeout(machine.kill, START_MS);
  await hear(/^lab: ready$/).finally(() => clearTimeout(started));
  return {
    run: async (name, seconds) => {
      said = [];
      machine.type(`${name} ${seconds}`);
      const patience = setTimeout(machine.kill, seconds * 1000 + MARGIN_MS);
      // A dom0 that is ready once more has started again unasked.
      const line = await hear(/^lab: (ok |FAILED |ready$)/).finally(() => clearTimeout(patience));
      if (!line.startsWith('lab: ok')) throw new Error(`${line}\n${said.join('\n')}`);
      const note = 'lab: note ';
      return said.filter((text) => text.startsWith(note)).map((text) => text.slice(note.length));
    },
    end: async () => {
      machine.type('end');
      const patience = setTimeout(machine.kill, START_MS);
      await machine.off.finally(() => clearTimeout(patience));
    },
  };
}

function buildImages(suite: SuiteName, settings: string): void {
  const log = join(logsOf(suite), 'build.log');
  const file = openSync(log, 'w');
  // In namespaces of its own, so that neither a process nor a mount of it outlives it, whoever kills it.
  const alone = ['unshare', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
  const build = [...alone, join(HERE, 'image/build.sh'), imagesOf(suite), settings];
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

/**
 * The disk with what this run brings along: the settings' text, the scenarios, the project as install.sh wants it, and its
 * Debian package.
 */
async function makePayload(folder: string, settings: string): Promise<string> {
  const tree = join(folder, 'payload');
  const disk = join(folder, 'payload.img');
  mkdirSync(tree);
  writeFileSync(join(tree, 'settings'), settings);
  for (const part of ['dom0', 'scenarios']) cpSync(join(HERE, part), join(tree, part), { recursive: true });
  for (const part of ['install.sh', 'init', 'dist/xen-network', 'dist/share'])
    cpSync(join(PROJECT, part), join(tree, 'project', part), { recursive: true });
  await makePackage(folder, join(tree, 'packages'));
  writeFileSync(disk, '');
  truncateSync(disk, 2 ** 28);
  execFileSync('mke2fs', ['-q', '-F', '-t', 'ext4', '-O', '^has_journal', '-m', '0', '-d', tree, disk]);
  return disk;
}

/** Makes xen-network.deb of the build in dist/, without manual pages where they are not made. */
async function makePackage(folder: string, to: string): Promise<void> {
  const work = join(folder, 'package');
  for (const made of [work, to]) mkdirSync(made, { recursive: true });
  const [machine] = MACHINES;
  const site = { machine, work, source: join(work, 'source'), date: await sourceDate(), to };
  await makeSource(site);
  renameSync(await makeDeb(site), join(to, 'xen-network.deb'));
}
