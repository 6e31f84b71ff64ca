// Gets the engine's source: QuickJS as Debian has it, which one sha256 pins, wherever the file comes from.

import { createHash } from 'node:crypto';
import { copyFile, mkdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { BuildError, root, run } from './runtime.ts';

/** A file that is pinned. */
export interface Pinned {
  readonly file: string;
  readonly sha256: string;
}

export const QUICKJS = {
  version: '2025-04-26',
  file: 'quickjs_2025.04.26.orig.tar.xz',
  sha256: 'ec81da5b3249ed648dbc7df4a1654988910e66a118d9b71cb63534216efcfbbe',
};
/** The variable that names the file by hand. */
const BY_HAND = 'XEN_NETWORK_ENGINE';
const POOL = 'pool/main/q/quickjs/';
const APT_HELPER = '/usr/lib/apt/apt-helper';

/** Not in node_modules, which npm ci empties, nor in dist, which anybody may remove. */
const KEPT = join(root, '.engine');

/** The folder of the source once engineSource has been called; named by its sha256, so that another pin is unpacked anew. */
export const quickjs = join(KEPT, `quickjs-${QUICKJS.version}-${QUICKJS.sha256.slice(0, 16)}`);

/** A place that may have the file, and how to get it from there. */
export interface Place {
  readonly name: string;
  /** Writes the file; throws when the place does not have it or cannot be reached. */
  readonly get: (to: string) => Promise<void>;
}

/**
 * Makes sure that the engine's source is unpacked in the folder `quickjs`; fetches it unless it was kept.
 * @throws BuildError with the ways out when no place has it, when a file is another one, or when it cannot be unpacked
 */
export async function engineSource(): Promise<void> {
  if (await exists(quickjs)) return;
  const archive = await pinnedFile(QUICKJS, KEPT, process.env[BY_HAND], places);
  const work = join(KEPT, `.unpacked-${process.pid}`);
  await mkdir(work);
  try {
    const done = await run({
      nothrow: true,
      quiet: true,
    })`tar -xJf ${archive} -C ${work} --strip-components=1`;
    if (done.exitCode !== 0)
      throw new BuildError(
        `${archive} cannot be unpacked (${done.stderr.trim()}): tar needs xz for it, apt-get install xz-utils.`,
      );
    await rename(work, quickjs).catch(async (failed) => {
      // Another build was faster.
      if (!(await exists(quickjs))) throw failed;
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/**
 * Finds a pinned file: the one that was named by hand, else the one that was kept, else from the first place that has it.
 * @param pinned which
 * @param kept the folder to keep it in
 * @param byHand the path that was named by hand
 * @param from the places to try in turn, asked for only when they are needed
 * @returns the path of the file, whose sha256 is the pinned one
 * @throws BuildError as engineSource
 */
export async function pinnedFile(
  pinned: Pinned,
  kept: string,
  byHand: string | undefined,
  from: () => Promise<readonly Place[]>,
): Promise<string> {
  await mkdir(kept, { recursive: true });
  const path = join(kept, pinned.file);
  if (byHand !== undefined && byHand !== '') {
    const found = await digest(byHand);
    if (found === pinned.sha256) {
      if (resolve(byHand) !== path) await copyFile(byHand, path);
      return path;
    }
    const why = found === undefined ? 'which cannot be read' : `whose sha256 is ${found}`;
    throw new BuildError(
      `${BY_HAND} names ${byHand}, ${why}; the engine's source ${pinned.file} has ${pinned.sha256}. Name that file, or leave the variable out to have it fetched.`,
    );
  }
  if ((await digest(path)) === pinned.sha256) return path;
  const failures: string[] = [];
  const work = join(kept, `.fetched-${process.pid}`);
  for (const place of await from()) {
    const why = await fetched(place, work, pinned.sha256);
    if (why === undefined) {
      await rename(work, path);
      return path;
    }
    failures.push(`${place.name}: ${why}`);
    await rm(work, { force: true });
  }
  throw new BuildError(
    `The engine's source ${pinned.file} could not be fetched${failures.length === 0 ? ': apt has no mirror' : ''}.\n${failures.map((why) => `  ${why}\n`).join('')}Any Debian mirror has it in ${POOL}, and so has Debian's archive of snapshots. Copy it from there and name it: ${BY_HAND}=/path/to/${pinned.file} npm run build`,
  );
}

/** @returns why the place does not have the file; undefined when it is there now */
async function fetched(place: Place, to: string, sha256: string): Promise<string | undefined> {
  try {
    await place.get(to);
  } catch (failed) {
    return failed instanceof Error ? failed.message : String(failed);
  }
  const found = await digest(to);
  return found === sha256 ? undefined : `what it has is another file, whose sha256 is ${found ?? 'unknown'}`;
}

/**
 * The mirrors that this machine's apt uses, whatever release is installed: each has one pool for all. Asked for without
 * regard to package lists, which a machine may not have yet.
 */
async function places(): Promise<Place[]> {
  const format = '$(REPO_URI)';
  const asked = await run({
    nothrow: true,
    quiet: true,
  })`apt-get indextargets --no-release-info --format ${format}`;
  const uris = asked.stdout.split('\n').filter((uri) => uri !== '');
  return [...new Set(uris)].map((uri) => ({
    name: `${uri}${POOL}`,
    get: (to: string) => getByApt(`${uri}${POOL}${QUICKJS.file}`, to),
  }));
}

/** By apt's own program, which knows the machine's proxies; what it downloads has nothing to do with what is installed. */
async function getByApt(uri: string, to: string): Promise<void> {
  const done = await run({ nothrow: true, quiet: true })`${APT_HELPER} -q download-file ${uri} ${to}`;
  if (done.exitCode !== 0) {
    const [why = `it ended with status ${done.exitCode}`] = done.stderr.match(/(?<=^E: ).*$/m) ?? [];
    throw new Error(why);
  }
}

/** The sha256 of a file; undefined when it cannot be read. */
async function digest(path: string): Promise<string | undefined> {
  const bytes = await readFile(path).catch(() => undefined);
  return bytes === undefined ? undefined : createHash('sha256').update(bytes).digest('hex');
}

/**
 * Whether a path is there.
 * @param path of a file or folder
 */
export async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
