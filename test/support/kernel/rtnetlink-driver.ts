// Does the `ip` commands on its standard input (JSON: a list of lists of words) by asking the kernel, run by Bun in a
// test's namespaces; the first argument "force" goes on after a failure. Prints what came of it as JSON. With
// "addresses" and a device, or "own" and addresses: which IPv4 addresses the kernel tells, and which ip does.
import { readFileSync } from 'node:fs';
import { loadNative } from '../../../lib/system/kernel/load-native.ts';
import { nodeNative } from '../../../lib/system/node/native-node.ts';
import { openSystem } from '../../../lib/system/system.ts';

const [mode, ...words] = process.argv.slice(2);
const system = openSystem(await loadNative());

function run(): unknown {
  const both = [system, openSystem(nodeNative)];
  if (mode === 'addresses') return both.map((each) => each.ipv4Addresses(words[0] ?? ''));
  if (mode === 'own') return both.map((each) => each.ownIpv4(words));
  const commands: string[][] = JSON.parse(readFileSync(0, 'utf8'));
  return system.rtnetlink?.(commands, mode === 'force') ?? null;
}

process.stdout.write(JSON.stringify(run()));
