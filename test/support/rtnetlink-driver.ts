// Does the `ip` commands on its standard input (JSON: a list of lists of words) by asking the kernel, run by Bun in a
// test's namespaces; the first argument "force" goes on after a failure. Prints what came of it as JSON.
import { readFileSync } from 'node:fs';
import { loadNative } from '../../lib/system/native.ts';
import { openSystem } from '../../lib/system/system.ts';

const commands: string[][] = JSON.parse(readFileSync(0, 'utf8'));
const system = openSystem(await loadNative());
process.stdout.write(JSON.stringify(system.rtnetlink?.(commands, process.argv[2] === 'force') ?? null));
