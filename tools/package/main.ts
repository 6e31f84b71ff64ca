// Makes the packages in dist, for this machine and for arm64: a Debian and an RPM package and a tar archive each, the list
// of what is linked in, and the checksums of all. Run by `npm run package`, with Bun.

import { createHash } from 'node:crypto';
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { root, sourceDate } from '../runtime.ts';
import { makeDeb } from './deb.ts';
import { makeRpm } from './rpm.ts';
import { MACHINES, type Machine, makeArchive, makeSource, out, VERSION } from './source.ts';

const date = await sourceDate();
const folder = join(out, `.package-${process.pid}`);
const made: string[] = [];

try {
  for (const machine of MACHINES) {
    const work = join(folder, machine.debian);
    const site = { machine, work, source: join(work, `xen-network-${VERSION}`), date, to: out };
    await mkdir(work, { recursive: true });
    await makeSource(site);
    made.push(await makeDeb(site), await makeRpm(site), await makeArchive(site), await listOf(machine));
  }
  const sums = await Promise.all(
    made.sort().map(async (file) => `${await digest(file)}  ${basename(file)}\n`),
  );
  await writeFile(join(out, 'SHA256SUMS'), sums.join(''));
  process.stdout.write(`${made.map((file) => file.slice(root.length + 1)).join('\n')}\ndist/SHA256SUMS\n`);
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function listOf(machine: Machine): Promise<string> {
  const file = join(out, `xen-network-${VERSION}-${machine.rpm}.cdx.json`);
  await copyFile(join(root, machine.built, 'share/doc/xen-network/xen-network.cdx.json'), file);
  return file;
}

async function digest(file: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(file))
    .digest('hex');
}
