// Freezes what a build leaves on a host. Run with Bun: tools/bun.sh test/formats/freeze.ts PROGRAM VERSION SCENARIO...
// PROGRAM is the released program. The devices are the only part that is written by hand, into the file links, as lines for
// ip(8); what differs between the host that was frozen and the host that comes of it is printed.

import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { NetHost } from '../support/hosts/net-host.ts';
import type { Snapshot } from '../support/models/snapshot.ts';
import { folderOf, freeze, thaw } from './frozen.ts';
import { SCENARIOS } from './scenarios.ts';

const [, , program = '', version = '', ...names] = process.argv;
if (program === '' || names.length === 0) throw new Error('usage: freeze.ts PROGRAM VERSION SCENARIO...');

for (const name of names) {
  const scenario = SCENARIOS[name];
  if (scenario === undefined)
    throw new Error(`There is no scenario ${name}: ${Object.keys(SCENARIOS).join(' ')}`);
  const folder = folderOf(version, name);
  const links = join(folder, 'links');
  const net = await NetHost.create();
  net.host.ok('sh', '-c', 'for hook in /etc/xen/scripts/*; do ln -sfn "$1" "$hook"; done', 'sh', program);
  scenario.prepare(net);
  const before = await net.host.settled();
  await scenario.make(net);
  const made = await net.host.settled();
  const shown = net.host.ok('sh', '-c', 'ip -d link; ip address; ip route; ip -6 route');
  freeze(net, folder, before);
  await net.host.close();
  if (!existsSync(links)) {
    writeFileSync(links, '');
    console.log(`${shown}\nSay in ${links} how ip(8) makes that, and freeze it again.`);
    continue;
  }
  const thawed = await thaw(version, name, scenario);
  print(name, made, await thawed.host.settled());
  await thawed.host.close();
}

function print(name: string, made: Snapshot, thawed: Snapshot): void {
  for (const [topic, lines] of Object.entries(made)) {
    for (const line of lines)
      if (thawed[topic]?.includes(line) !== true) console.log(`${name} ${topic} - ${line}`);
    for (const line of thawed[topic] ?? [])
      if (!lines.includes(line)) console.log(`${name} ${topic} + ${line}`);
  }
}
