import { expect, test } from 'vitest';
import { dropTables } from '../../../lib/hook/network/tables.ts';
import { TABLES_RECORD } from '../../../lib/record/paths.ts';
import { seal } from '../../../lib/record/sealed.ts';
import { nodeNative } from '../../../lib/system/node/native-node.ts';
import { openSystem, type System } from '../../../lib/system/system.ts';

/** The tables that go when nft lists the table `ip raw` with these lines in its chain. */
function dropped(heading: string, ...lines: readonly string[]): string[] {
  const gone: string[] = [];
  const chain = ['\tchain PREROUTING {', ...lines.map((line) => `\t\t${line}`), '\t}'];
  const listing = [heading, 'table ip raw {', ...chain, '}', ''].join('\n');
  const system: System = {
    ...openSystem(nodeNative),
    exists: (path) => path === '/usr/sbin/iptables-restore',
    linkTarget: (path) => (path === '/usr/sbin/iptables-restore' ? 'xtables-nft-multi' : undefined),
    readText: (path) => (path === TABLES_RECORD ? seal('[]') : undefined),
    remove: () => undefined,
    run(argv) {
      const [, verb, , family, name] = argv;
      if (family !== 'ip' || name !== 'raw') return { status: 1, stdout: '', stderr: 'No such file' };
      if (verb === 'delete') gone.push(`${family} ${name}`);
      return { status: 0, stdout: verb === 'list' ? listing : '', stderr: '' };
    },
  };
  dropTables(system);
  return gone;
}

const BASE = 'type filter hook prerouting priority raw; policy accept;';
const WARNING = '# Warning: table ip raw is managed by iptables-nft, do not touch!';

test.each([WARNING, ''])('an empty table that iptables made is removed, below "%s"', (heading) => {
  expect(dropped(heading, BASE)).toEqual(['ip raw']);
});

test.each([
  // As nft 0.9.8 of Debian 11 shows a rule of iptables.
  '# PHYSDEV match --physdev-in peth0 fib daddr type != local counter packets 0 bytes 0 notrack',
  'xt match "physdev" counter packets 0 bytes 0 xt target "CT"',
])('a table with a rule stays: %s', (rule) => {
  expect(dropped(WARNING, BASE, rule)).toEqual([]);
});
