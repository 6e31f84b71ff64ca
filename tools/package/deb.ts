import { chmod, copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import manifest from '../../package.json' with { type: 'json' };
import { root, run } from '../runtime.ts';
import { fixTimes, makeTree, type Site, VERSION } from './source.ts';

const own = join(root, 'packaging/debian');
const REVISION = 1;

/**
 * Makes the Debian package.
 * @param site of which machine
 * @returns its path
 */
export async function makeDeb(site: Site): Promise<string> {
  const { machine, work, date, to } = site;
  const tree = join(work, 'deb');
  const version = `${VERSION}-${REVISION}`;
  await makeTree(site, tree);
  const doc = join(tree, 'usr/share/doc/xen-network');
  // Debian has it for all packages together; the notices of glibc say where.
  await rm(join(doc, 'LGPL-2.1'), { force: true });
  await writeFile(
    join(doc, 'changelog.gz'),
    gzipSync(await readFile(join(root, 'CHANGELOG.md')), { level: 9 }),
  );
  await writeFile(join(doc, 'changelog.Debian.gz'), gzipSync(changelog(version, date), { level: 9 }));
  await mkdir(join(tree, 'usr/share/lintian/overrides'), { recursive: true });
  await copyFile(join(own, 'lintian-overrides'), join(tree, 'usr/share/lintian/overrides/xen-network'));
  const size = (await run`du -k -s --apparent-size ${tree}`).stdout.split('\t')[0] ?? '';
  const sums = (await run({ cwd: tree })`find usr -type f | sort | xargs md5sum`).stdout;
  const about = join(tree, 'DEBIAN');
  await mkdir(about);
  await writeFile(join(about, 'md5sums'), sums);
  const control = (await readFile(join(own, 'control'), 'utf8'))
    .replace('@VERSION@', version)
    .replace('@ARCHITECTURE@', machine.debian)
    .replace('@MAINTAINER@', manifest.author)
    .replace('@SIZE@', size);
  await writeFile(join(about, 'control'), control);
  await fixTimes(tree, date);
  for (const script of ['postinst', 'prerm', 'postrm']) {
    await copyFile(join(own, script), join(about, script));
    await chmod(join(about, script), 0o755);
  }
  const made = join(to, `xen-network_${version}_${machine.debian}.deb`);
  const env = { ...process.env, SOURCE_DATE_EPOCH: `${date}` };
  await run({ env })`dpkg-deb --root-owner-group -Zxz --build ${tree} ${made}`;
  return made;
}

function changelog(version: string, date: number): string {
  const when = new Date(date * 1000).toUTCString().replace('GMT', '+0000');
  return `xen-network (${version}) unstable; urgency=medium

  * What is new is in /usr/share/doc/xen-network/changelog.gz.

 -- ${manifest.author}  ${when}
`;
}
