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
import { elementLine } from '../../lib/filter/strict-elements.ts';
import { parseAddressList } from '../../lib/request/addresses.ts';
import { parseVlans, taggedRanges, vlanRanges } from '../../lib/request/vlan.ts';

const guest = (ip: string, more: Partial<StrictGuest> = {}): StrictGuest => ({
  port: 'vif1.0',
  place: 'bridged',
  mac: '00:16:3e:00:00:01',
  addresses: parseAddressList(ip),
  mode: 'locked',
  ...more,
});

/** The commands that give a guest its rights. */
function commands(elements: readonly string[]): string[] {
  return [...strictExtras(elements), ...elements.map((element) => elementLine('add', element))];
}

/** What nft says to a text, in a network namespace of its own. */
function nft(lines: readonly string[]): string {
  const ran = spawnSync('unshare', ['-n', 'nft', '-f', '-'], {
    input: `${lines.join('\n')}\n`,
    encoding: 'utf8',
  });
  return `${ran.status} ${ran.stderr}`;
}

/** nft takes a text, twice as well, and what takes it out again. */
function isTaken(lines: readonly string[], base: readonly string[]): void {
  const out = lines
    .filter((line) => line.startsWith('add element'))
    .map((line) => line.replace('add', 'delete'));
  expect(nft([...base, ...lines])).toBe('0 ');
  expect(nft([...base, ...lines, ...lines, ...out, ...lines])).toBe('0 ');
}

describe('the nft text: table', () => {
  test('is as it was', async () => {
    await expect(`${strictBase().join('\n')}\n`).toMatchFileSnapshot(
      join(import.meta.dirname, 'strict/table.nft'),
    );
  });

  test('is taken by nft, and a second time, and taken out again', () => isTaken(strictBase(), []));
});

describe('the nft text: addresses', () => {
  const lines = commands(strictElements(guest('192.0.2.1 198.51.100.9 2001:db8::1')));

  test('is as it was', () => {
    expect(lines.join('\n')).toMatchInlineSnapshot(`
      "add element bridge xen_network refused { "vif1.0" }
      add element bridge xen_network macs { "vif1.0" . 00:16:3e:00:00:01 }
      add element bridge xen_network hw { "vif1.0" . 0x00163e000001 }
      add element bridge xen_network own4 { "vif1.0" . 00:16:3e:00:00:01 . 192.0.2.1 }
      add element bridge xen_network leases { "vif1.0" . 0xc0000201 }
      add element bridge xen_network own4 { "vif1.0" . 00:16:3e:00:00:01 . 198.51.100.9 }
      add element bridge xen_network leases { "vif1.0" . 0xc6336409 }
      add element bridge xen_network own6 { "vif1.0" . 00:16:3e:00:00:01 . 2001:db8::1 }
      add element bridge xen_network targets { "vif1.0" . 0x20010db8000000000000000000000001 }
      add element bridge xen_network own6 { "vif1.0" . 00:16:3e:00:00:01 . fe80::216:3eff:fe00:1 }
      add element bridge xen_network targets { "vif1.0" . 0xfe8000000000000002163efffe000001 }
      add element bridge xen_network guests { "vif1.0" : jump guest }
      add element netdev xen_network refused { "vif1.0" }
      add chain netdev xen_network groups/vif1.0 { type filter hook ingress device "vif1.0" priority -500; policy accept; }; flush chain netdev xen_network groups/vif1.0; add rule netdev xen_network groups/vif1.0 ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00 goto refuse"
    `);
  });

  test('is taken by nft, and a second time, and taken out again', () => isTaken(lines, strictBase()));
});

describe('the nft text: ranges', () => {
  const lines = commands(
    strictElements(guest('198.51.100.0/24 198.51.100.128/25 0.0.0.0/0 2001:db8:1::/64 2001:db8::/34')),
  );

  test('is as it was', () => {
    expect(lines.join('\n')).toMatchInlineSnapshot(`
      "add element bridge xen_network refused { "vif1.0" }
      add element bridge xen_network macs { "vif1.0" . 00:16:3e:00:00:01 }
      add element bridge xen_network hw { "vif1.0" . 0x00163e000001 }
      add element bridge xen_network ranged4 { "vif1.0" }
      add element bridge xen_network blocks4 { "vif1.0" . 8.0.0.0, "vif1.0" . 24.0.0.0, "vif1.0" . 40.0.0.0, "vif1.0" . 56.0.0.0, "vif1.0" . 72.0.0.0, "vif1.0" . 88.0.0.0, "vif1.0" . 104.0.0.0, "vif1.0" . 120.0.0.0, "vif1.0" . 136.0.0.0, "vif1.0" . 152.0.0.0, "vif1.0" . 168.0.0.0, "vif1.0" . 184.0.0.0, "vif1.0" . 200.0.0.0, "vif1.0" . 216.0.0.0, "vif1.0" . 232.0.0.0, "vif1.0" . 248.0.0.0 }
      add element bridge xen_network lease_blocks { "vif1.0" . 0x08000000, "vif1.0" . 0x18000000, "vif1.0" . 0x28000000, "vif1.0" . 0x38000000, "vif1.0" . 0x48000000, "vif1.0" . 0x58000000, "vif1.0" . 0x68000000, "vif1.0" . 0x78000000, "vif1.0" . 0x88000000, "vif1.0" . 0x98000000, "vif1.0" . 0xa8000000, "vif1.0" . 0xb8000000, "vif1.0" . 0xc8000000, "vif1.0" . 0xd8000000, "vif1.0" . 0xe8000000, "vif1.0" . 0xf8000000 }
      add element bridge xen_network own6 { "vif1.0" . 00:16:3e:00:00:01 . fe80::216:3eff:fe00:1 }
      add element bridge xen_network targets { "vif1.0" . 0xfe8000000000000002163efffe000001 }
      add element bridge xen_network ranged6 { "vif1.0" }
      add element bridge xen_network blocks6 { "vif1.0" . 2001:db8:800::, "vif1.0" . 2001:db8:1800::, "vif1.0" . 2001:db8:2800::, "vif1.0" . 2001:db8:3800:: }
      add element bridge xen_network target_blocks { "vif1.0" . 0x20010db8080000000000000000000000, "vif1.0" . 0x20010db8180000000000000000000000, "vif1.0" . 0x20010db8280000000000000000000000, "vif1.0" . 0x20010db8380000000000000000000000 }
      add element bridge xen_network guests { "vif1.0" : jump guest }
      add element netdev xen_network refused { "vif1.0" }
      add chain netdev xen_network groups/vif1.0 { type filter hook ingress device "vif1.0" priority -500; policy accept; }; flush chain netdev xen_network groups/vif1.0; add rule netdev xen_network groups/vif1.0 ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00 goto refuse"
    `);
  });

  test('is taken by nft, and a second time, and taken out again', () => isTaken(lines, strictBase()));
});

describe('the nft text: VLANs of its own', () => {
  const vlans = taggedRanges(vlanRanges(parseVlans('10p/20/30-39/50u/100+10x2')));
  const places = (['bridged', 'routed'] as const).map((place) => strictElements(guest('', { place, vlans })));

  test('are those that leave the port with a tag', () => {
    const lines = commands(places.flat()).filter((line) => / tags | tag_blocks /.test(line));
    expect(lines.join('\n')).toMatchInlineSnapshot(`
      "add element bridge xen_network tags { "vif1.0" . 20 }
      add element bridge xen_network tags { "vif1.0" . 30, "vif1.0" . 31, "vif1.0" . 32, "vif1.0" . 33, "vif1.0" . 34, "vif1.0" . 35, "vif1.0" . 36, "vif1.0" . 37, "vif1.0" . 38, "vif1.0" . 39 }
      add element bridge xen_network tags { "vif1.0" . 100 }
      add element bridge xen_network tags { "vif1.0" . 110 }
      add element bridge xen_network tags { "vif1.0" . 120 }
      add element netdev xen_network tags { "vif1.0" . 20 }
      add element netdev xen_network tags { "vif1.0" . 30, "vif1.0" . 31, "vif1.0" . 32, "vif1.0" . 33, "vif1.0" . 34, "vif1.0" . 35, "vif1.0" . 36, "vif1.0" . 37, "vif1.0" . 38, "vif1.0" . 39 }
      add element netdev xen_network tags { "vif1.0" . 100 }
      add element netdev xen_network tags { "vif1.0" . 110 }
      add element netdev xen_network tags { "vif1.0" . 120 }"
    `);
  });

  test('are taken by nft, and a second time, and taken out again', () => {
    for (const elements of places)
      isTaken(
        commands(elements).filter((line) => !line.startsWith('add chain netdev')),
        strictBase(),
      );
  });
});

describe('the nft text: no-addresses', () => {
  const lines = commands(strictElements(guest('')));

  test('is as it was', () => {
    expect(lines.join('\n')).toMatchInlineSnapshot(`
      "add element bridge xen_network refused { "vif1.0" }
      add element bridge xen_network macs { "vif1.0" . 00:16:3e:00:00:01 }
      add element bridge xen_network hw { "vif1.0" . 0x00163e000001 }
      add element bridge xen_network anyaddress { "vif1.0" }
      add element bridge xen_network guests { "vif1.0" : jump anyguest }
      add element netdev xen_network refused { "vif1.0" }
      add chain netdev xen_network groups/vif1.0 { type filter hook ingress device "vif1.0" priority -500; policy accept; }; flush chain netdev xen_network groups/vif1.0; add rule netdev xen_network groups/vif1.0 ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00 goto refuse"
    `);
  });

  test('is taken by nft, and a second time, and taken out again', () => isTaken(lines, strictBase()));
});

describe('the nft text: odd-name', () => {
  const lines = commands(strictElements(guest('192.0.2.1', { port: '0_a-b.c@9' })));

  test('is as it was', () => {
    expect(lines.join('\n')).toMatchInlineSnapshot(`
      "add element bridge xen_network refused { "0_a-b.c@9" }
      add element bridge xen_network macs { "0_a-b.c@9" . 00:16:3e:00:00:01 }
      add element bridge xen_network hw { "0_a-b.c@9" . 0x00163e000001 }
      add element bridge xen_network own4 { "0_a-b.c@9" . 00:16:3e:00:00:01 . 192.0.2.1 }
      add element bridge xen_network leases { "0_a-b.c@9" . 0xc0000201 }
      add element bridge xen_network own6 { "0_a-b.c@9" . 00:16:3e:00:00:01 . fe80::216:3eff:fe00:1 }
      add element bridge xen_network targets { "0_a-b.c@9" . 0xfe8000000000000002163efffe000001 }
      add element bridge xen_network guests { "0_a-b.c@9" : jump guest }
      add element netdev xen_network refused { "0_a-b.c@9" }
      add chain netdev xen_network groups/0_a/2db.c/409 { type filter hook ingress device "0_a-b.c@9" priority -500; policy accept; }; flush chain netdev xen_network groups/0_a/2db.c/409; add rule netdev xen_network groups/0_a/2db.c/409 ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00 goto refuse"
    `);
  });

  test('is taken by nft, and a second time, and taken out again', () => isTaken(lines, strictBase()));
});

describe('the nft text: unlocked', () => {
  const lines = commands(strictElements(guest('192.0.2.1', { mode: 'unlocked' })));

  test('is as it was', () => {
    expect(lines.join('\n')).toMatchInlineSnapshot(
      `"add element bridge xen_network guests { "vif1.0" : jump xen-network-custom }"`,
    );
  });

  test('is taken by nft, and a second time, and taken out again', () => isTaken(lines, strictBase()));
});

describe('the nft text: disabled', () => {
  const lines = commands(strictElements(guest('192.0.2.1', { mode: 'disabled' })));

  test('is as it was', () => {
    expect(lines.join('\n')).toMatchInlineSnapshot(`
      "add chain bridge xen_network to_guests { type filter hook postrouting priority 300; policy accept; }
      flush chain bridge xen_network to_guests
      add rule bridge xen_network to_guests oifname @disabled drop
      add element bridge xen_network refused { "vif1.0" }
      add element bridge xen_network disabled { "vif1.0" }
      add element bridge xen_network guests { "vif1.0" : goto refuse }
      add element netdev xen_network refused { "vif1.0" }
      add chain netdev xen_network groups/vif1.0 { type filter hook ingress device "vif1.0" priority -500; policy accept; }; flush chain netdev xen_network groups/vif1.0; add rule netdev xen_network groups/vif1.0 ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00 goto refuse"
    `);
  });

  test('is taken by nft, and a second time, and taken out again', () => isTaken(lines, strictBase()));
});

describe('the nft text: untracked', () => {
  const lines = commands(
    strictElements(guest('', { untrackedBut: ['02:00:00:00:00:01', 'fe:ff:ff:ff:ff:ff'] })),
  );

  test('is as it was', () => {
    expect(lines.join('\n')).toMatchInlineSnapshot(`
      "add chain bridge xen_network untrack { type filter hook prerouting priority -290; policy accept; }
      flush chain bridge xen_network untrack
      add rule bridge xen_network untrack ether daddr @untracked_macs notrack
      add rule bridge xen_network untrack iifname . ether daddr @host_macs return
      add rule bridge xen_network untrack iifname @untracked notrack
      add element bridge xen_network refused { "vif1.0" }
      add element bridge xen_network macs { "vif1.0" . 00:16:3e:00:00:01 }
      add element bridge xen_network hw { "vif1.0" . 0x00163e000001 }
      add element bridge xen_network anyaddress { "vif1.0" }
      add element bridge xen_network guests { "vif1.0" : jump anyguest }
      add element bridge xen_network untracked { "vif1.0" }
      add element bridge xen_network host_macs { "vif1.0" . 02:00:00:00:00:01 }
      add element bridge xen_network host_macs { "vif1.0" . fe:ff:ff:ff:ff:ff }
      add element bridge xen_network untracked_macs { 00:16:3e:00:00:01 }
      add element netdev xen_network refused { "vif1.0" }
      add chain netdev xen_network groups/vif1.0 { type filter hook ingress device "vif1.0" priority -500; policy accept; }; flush chain netdev xen_network groups/vif1.0; add rule netdev xen_network groups/vif1.0 ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00 goto refuse"
    `);
  });

  test('is taken by nft, and a second time, and taken out again', () => isTaken(lines, strictBase()));
});

describe.each([
  ['routed', guest('192.0.2.1 2001:db8::/64', { place: 'routed' })],
  ['routed, without addresses', guest('', { place: 'routed', port: 'odd-name@9' })],
  ['routed, disabled', guest('192.0.2.1', { place: 'routed', mode: 'disabled' })],
  ['routed, unlocked', guest('192.0.2.1', { place: 'routed', mode: 'unlocked' })],
  ['switched', guest('192.0.2.1', { place: 'switched' })],
  ['switched, without addresses', guest('', { place: 'switched', port: 'odd-name@9' })],
  ['switched, disabled', guest('192.0.2.1', { place: 'switched', mode: 'disabled' })],
  ['switched, unlocked', guest('192.0.2.1', { place: 'switched', mode: 'unlocked' })],
])('the nft text: %s', (_what, held) => {
  const elements = strictElements(held);
  const lines = commands(elements);

  test('is as it was', () =>
    expect(`${lines.join('\n')}\n`).toMatchFileSnapshot(
      join(
        import.meta.dirname,
        `strict/${held.port === 'vif1.0' ? held.mode : 'no-addresses'}-${held.place}.nft`,
      ),
    ));

  test('is taken by nft, and a second time, and taken out again', () => {
    const base = strictBase();
    const out = elements.map((element) => elementLine('delete', element));
    expect(nft([...base, ...lines, ...lines, ...out, ...lines])).toBe('0 ');
  });
});

describe('the nft text: logged', () => {
  const lines = commands([loggedElement('vif1.0', [])]);

  test('is as it was', () => {
    expect(lines.join('\n')).toMatchInlineSnapshot(`"add element bridge xen_network logged { "vif1.0" }"`);
  });

  test('is taken by nft, and a second time, and taken out again', () => isTaken(lines, strictBase()));
});

const MODES = ['locked', 'unlocked', 'disabled'] as const;

test('each chain is defined before it is used, and each is used', () => {
  const rules = strictBase().filter((line) => line.startsWith('add rule'));
  const used = new Set(
    rules.flatMap((line) => [...line.matchAll(/(?:jump|goto) ([\w-]+)/g)].map(([, name]) => name)),
  );
  const guests = [guest(''), ...MODES.map((mode) => guest('192.0.2.1', { mode }))];
  const verdicts = guests
    .flatMap((each) => strictElements(each))
    .flatMap((line) => /: (?:jump|goto) ([\w-]+) \}$/.exec(line)?.[1] ?? []);
  const chains = strictBase().flatMap((line) => /^add chain bridge xen_network (\S+)$/.exec(line)?.[1] ?? []);
  expect(chains.filter((name) => !used.has(name) && !verdicts.includes(name))).toEqual([]);
});
