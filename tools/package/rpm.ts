import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import manifest from '../../package.json' with { type: 'json' };
import { root, run } from '../runtime.ts';
import { fixTimes, makeTree, type Site, VERSION } from './source.ts';

/**
 * Makes the RPM package.
 * @param site of which machine
 * @returns its path
 */
export async function makeRpm(site: Site): Promise<string> {
  const { machine, work, date, to } = site;
  const [tree, top] = [join(work, 'rpm'), join(work, 'rpmbuild')];
  await makeTree(site, tree);
  await fixTimes(tree, date);
  await mkdir(top, { recursive: true });
  const spec = (await readFile(join(root, 'packaging/rpm/xen-network.spec'), 'utf8'))
    .replaceAll('@VERSION@', VERSION)
    .replaceAll('@MAINTAINER@', manifest.author)
    .replace('@DAY@', dayOf(date))
    .replace('@TREE@', tree);
  await writeFile(join(top, 'xen-network.spec'), spec);
  const env = { ...process.env, SOURCE_DATE_EPOCH: `${date}`, LC_ALL: 'C' };
  const words = ['--target', `${machine.rpm}-linux`, '--define', `_topdir ${top}`];
  await run({ env, quiet: true })`rpmbuild -bb ${words} ${join(top, 'xen-network.spec')}`;
  const name = `xen-network-${VERSION}-1.${machine.rpm}.rpm`;
  await rename(join(top, 'RPMS', machine.rpm, name), join(to, name));
  return join(to, name);
}

/** As a spec file has it: Fri Nov 27 2026. */
function dayOf(date: number): string {
  const [name, day, month, year] = new Date(date * 1000).toUTCString().replace(',', '').split(' ');
  return [name, month, day, year].join(' ');
}
