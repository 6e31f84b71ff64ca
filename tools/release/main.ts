// Makes a release of the project in the present folder: npm run release -- 1.0.0. The version is set and committed in a
// worktree of its own, where everything is built from what git has and the packages are tested. Only when all of that is
// done does the branch get the commit and its tag; a failure leaves nothing behind.

import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { $ } from 'zx';
import { type Files, refusalOf, releasedFiles, VERSION_FILES } from './version.ts';

const root = process.cwd();
const version = process.argv[2] ?? '';
const git = $({ cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });

async function read(folder: string): Promise<Files> {
  const texts = VERSION_FILES.map(
    async (file) => [file, await readFile(join(folder, file), 'utf8')] as const,
  );
  return Object.fromEntries(await Promise.all(texts));
}

const status = (await git`git status --porcelain`).stdout;
const refusal = refusalOf(await read(root), version, status);
if (refusal !== undefined) {
  process.stderr.write(`release: ${refusal}\n`);
  process.exit(1);
}

const work = await mkdtemp(join(tmpdir(), 'xen-network-release-'));
const tree = join(work, 'tree');
const inTree = $({ cwd: tree, stdio: ['ignore', 'inherit', 'inherit'] });
try {
  await git`git worktree add --quiet --detach ${tree}`;
  const day = new Date().toISOString().slice(0, 10);
  for (const [file, text] of Object.entries(releasedFiles(await read(tree), version, day)))
    await writeFile(join(tree, file), text);
  await inTree`git commit --quiet --all --message ${`Release ${version}`}`;
  await inTree`npm ci --no-audit --no-fund --loglevel=error`;
  await inTree`npm run -s test:package`;
  for (const name of await readdir(join(tree, 'dist')))
    if (/^(xen-network[-_].*|SHA256SUMS)$/.test(name))
      await cp(join(tree, 'dist', name), join(root, 'dist', name), { recursive: true });
  const commit = (await $({ cwd: tree })`git rev-parse HEAD`).stdout.trim();
  await git`git merge --quiet --ff-only ${commit}`;
  await git`git tag --annotate ${`v${version}`} --message ${`v${version}`}`;
  process.stdout.write(
    `Version ${version} is committed and tagged; its packages are in dist. Nothing was pushed.\n`,
  );
} catch (thrown) {
  const why = thrown instanceof Error ? thrown.message : String(thrown);
  process.stderr.write(`release: version ${version} was not made, and nothing was changed: ${why}\n`);
  process.exitCode = 1;
} finally {
  await git({ nothrow: true })`git worktree remove --force ${tree}`;
  await rm(work, { recursive: true, force: true });
}
