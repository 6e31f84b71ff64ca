import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  loggedElement,
  type StrictGuest,
  strictBase,
  strictElements,
  strictExtras,
} from '../../lib/filter/strict.ts';
import { STRICT_TABLE } from '../../lib/filter/strict-rules.ts';
import { parseAddressList } from '../../lib/request/addresses.ts';

const guest = (ip: string, more: Partial<StrictGuest> = {}): StrictGuest => ({
  port: 'vif1.0',
  mac: '00:16:3e:00:00:01',
  addresses: parseAddressList(ip),
  mode: 'locked',
  ...more,
});

/** The commands that give a guest its rights. */
function commands(elements: readonly string[]): string[] {
  return [...strictExtras(elements), ...elements.map((element) => `add element ${STRICT_TABLE} ${element}`)];
}

const TEXTS: Readonly<Record<string, readonly string[]>> = {
  table: strictBase(),
  addresses: commands(strictElements(guest('192.0.2.1 198.51.100.9 2001:db8::1'))),
  ranges: commands(
    strictElements(guest('198.51.100.0/24 198.51.100.128/25 0.0.0.0/0 2001:db8:1::/64 2001:db8::/33')),
  ),
  'no-addresses': commands(strictElements(guest(''))),
  'odd-name': commands(strictElements(guest('192.0.2.1', { port: '0_a-b.c@9' }))),
  unlocked: commands(strictElements(guest('192.0.2.1', { mode: 'unlocked' }))),
  disabled: commands(strictElements(guest('192.0.2.1', { mode: 'disabled' }))),
  untracked: commands(
    strictElements(guest('', { untrackedBut: ['02:00:00:00:00:01', 'fe:ff:ff:ff:ff:ff'] })),
  ),
  logged: commands([loggedElement('vif1.0')]),
};

/** What nft says to a text, in a network namespace of its own. */
function nft(lines: readonly string[]): string {
  const ran = spawnSync('unshare', ['-n', 'nft', '-f', '-'], {
    input: `${lines.join('\n')}\n`,
    encoding: 'utf8',
  });
  return `${ran.status} ${ran.stderr}`;
}

describe.each(Object.entries(TEXTS))('the nft text: %s', (name, lines) => {
  test('is as it was', async () => {
    await expect(`${lines.join('\n')}\n`).toMatchFileSnapshot(
      join(import.meta.dirname, 'strict', `${name}.nft`),
    );
  });

  test('is taken by nft, and a second time, and taken out again', () => {
    const base = name === 'table' ? [] : strictBase();
    const out = lines
      .filter((line) => line.startsWith('add element'))
      .map((line) => line.replace('add', 'delete'));
    expect(nft([...base, ...lines])).toBe('0 ');
    expect(nft([...base, ...lines, ...lines, ...out, ...lines])).toBe('0 ');
  });
});

test('each chain is defined before it is used, and each is used', () => {
  const rules = strictBase().filter((line) => line.startsWith('add rule'));
  const used = new Set(
    rules.flatMap((line) => [...line.matchAll(/(?:jump|goto) ([\w-]+)/g)].map(([, name]) => name)),
  );
  const verdicts = Object.values(TEXTS)
    .flat()
    .flatMap((line) => /: (?:jump|goto) ([\w-]+) \}$/.exec(line)?.[1] ?? []);
  const chains = strictBase().flatMap((line) => /^add chain bridge xen_network (\S+)$/.exec(line)?.[1] ?? []);
  expect(chains.filter((name) => !used.has(name) && !verdicts.includes(name))).toEqual([]);
});
