import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { strictBase, strictElements } from '../../../lib/filter/strict.ts';
import { elementLine } from '../../../lib/filter/strict-elements.ts';
import { parseAddressList } from '../../../lib/request/addresses.ts';
import { BLOCKS_4, BLOCKS_6, boundsOf } from '../../../lib/request/blocks.ts';
import { borrowedFrames } from '../../support/frames/borrowed.ts';
import { forgedFrames, UNFILTERED } from '../../support/frames/forged.ts';
import { honestFrames } from '../../support/frames/honest.ts';
import { ether, inTag, TYPE, zeros } from '../../support/frames/packets.ts';
import { arrivingNames, type NamedFrames, namesOf } from '../../support/frames/passing.ts';
import { randomFrames } from '../../support/frames/random.ts';
import type { Identity } from '../../support/frames/sender.ts';
import type { End } from '../../support/frames/wire.ts';
import { xlEnv } from '../../support/hosts/host.ts';
import { guestMac, StrictHost } from '../../support/hosts/strict-host.ts';
import { NftModel } from '../../support/models/nft-model.ts';

const SELF: Identity = { mac: guestMac(1), v4: '192.0.2.1', v6: '2001:db8::1' };
const OTHER: Identity = { mac: guestMac(2), v4: '192.0.2.2', v6: '2001:db8::2' };

let host: StrictHost;

beforeAll(async () => {
  host = await StrictHost.create();
  host.marker();
});

afterAll(() => host.vif.host.close());

/** Sends frames as guest 1, by one of its cards, and gives the names of those that arrive. */
function passing(frames: NamedFrames, card?: End): string[] {
  return arrivingNames(frames, (sent) => host.send(1, sent, card));
}

describe.each([
  ['single addresses', '192.0.2.1 2001:db8::1'],
  ['ranges', '192.0.2.0/31 2001:db8::/127'],
  ['both, one within another', '192.0.2.1 192.0.2.0/31 2001:db8::/127 2001:db8::1/128'],
])('a guest with %s', (_what, ip) => {
  beforeAll(() => {
    host.guest(2, { ip: '192.0.2.2 2001:db8::2' });
    host.guest(1, { ip });
  });

  test('may send what it is configured to be', () => {
    const frames = honestFrames(SELF);
    expect(passing(frames)).toEqual(namesOf(frames));
  });

  test('may send nothing else, and each frame is counted', () => {
    const frames = { ...forgedFrames(SELF, OTHER), ...borrowedFrames(SELF, OTHER) };
    const before = host.drops('vif1.0');
    expect(passing(frames)).toEqual([]);
    expect(host.drops('vif1.0') - before).toBe(Object.keys(frames).length - UNFILTERED.length);
    expect(host.drops('vif2.0')).toBe(0);
  });

  test('teaches the bridge no forged address', () => {
    const groups = Array.from({ length: 16 }, (_, i) => `01:80:c2:00:00:0${i.toString(16)}`);
    const frames = groups.map((to) => ether(OTHER.mac, TYPE.lldp, zeros(40), { to }));
    expect(host.send(1, frames)).toEqual([]);
    const learned = host.vif.host.ok('bridge', 'fdb', 'show', 'dev', 'vif1.0');
    expect(learned).toContain(SELF.mac);
    expect(learned).not.toContain(OTHER.mac);
  });
});

/** The first and the last address of a range, and those beside it. */
function edges(range: string): {
  readonly own: readonly [string, string];
  readonly others: readonly string[];
} {
  const [from, to] = boundsOf(range);
  const text = (value: bigint) => (range.includes(':') ? BLOCKS_6 : BLOCKS_4).text(value);
  return { own: [text(from), text(to)], others: [text(from - 1n), text(to + 1n)] };
}

const LENGTHS_4 = [4, 8, 13, 16, 22, 24, 28, 31];
const LENGTHS_6 = [32, 39, 48, 50, 56, 64, 96, 127];
/** These are from addresses next to the guest's own, which may be in its range. */
const NEAR = new Set(['an address nearly its own', 'an IPv6 source of nobody']);

describe('a guest with a range', () => {
  test.each(
    LENGTHS_4.map((length, i) => [`32.0.0.0/${length}`, `2001:db8::/${LENGTHS_6[i] ?? 64}`] as const),
  )('%s or %s may be each of it, and no neighbour, to whom the ranges beside it belong', (four, six) => {
    const [v4, v6] = [edges(four), edges(six)];
    host.guest(2, {
      ip: [...v4.others, ...v6.others]
        .map((address) => `${address}/${address.includes(':') ? 127 : 31}`)
        .join(' '),
    });
    host.guest(1, { ip: `${four} ${six}` });
    const [one, last] = ([0, 1] as const).map((i) => ({ mac: SELF.mac, v4: v4.own[i], v6: v6.own[i] }));
    for (const self of [one ?? SELF, last ?? SELF]) {
      const frames = honestFrames(self);
      expect(passing(frames)).toEqual(namesOf(frames));
      for (const i of [0, 1]) {
        const other = { mac: OTHER.mac, v4: v4.others[i] ?? '', v6: v6.others[i] ?? '' };
        expect(passing(borrowedFrames(self, other)).filter((name) => !NEAR.has(name))).toEqual([]);
      }
    }
  });
});

/** Gives guest 1 tags of its own, as vif-bridge does where this kernel keeps VLANs apart on bridges. */
function mayTag(...vlans: readonly string[]): void {
  const flushes = ['tags', 'tag_blocks'].map((set) => `flush set bridge xen_network ${set}`);
  const adds = vlans.map((vlan) => elementLine('add', `vlans { "vif1.0" . ${vlan} }`));
  host.vif.host.ok('nft', [...flushes, ...adds].join('; '));
}

describe.each([
  ['addresses', '192.0.2.1 2001:db8::/127'],
  ['no addresses', ''],
])('a guest with VLANs of its own and %s', (_what, ip) => {
  const honest = honestFrames(SELF);
  const forged = { ...forgedFrames(SELF, OTHER), ...(ip === '' ? {} : borrowedFrames(SELF, OTHER)) };

  beforeAll(() => {
    host.guest(1, ip === '' ? {} : { ip });
    mayTag('10-12', '100-613', '4094');
  });

  test.each([
    ['10', 10],
    ['12, of the highest priority', 0xf00c],
    ['100', 100],
    ['175', 175],
    ['511', 511],
    ['613', 613],
    ['4094', 4094],
  ])('is held in VLAN %s as without a tag', (_vlan, tag) => {
    expect(passing(inTag(honest, tag))).toEqual(namesOf(honest));
    const before = host.drops('vif1.0');
    expect(passing(inTag(forged, tag))).toEqual([]);
    expect(host.drops('vif1.0') - before).toBe(Object.keys(forged).length - UNFILTERED.length);
  });

  test('has no other tags, of no other kind, and no two', () => {
    const all = [0, 1, 9, 13, 99, 614, 4093, 4095]
      .map((tag) => inTag(honest, tag))
      .concat(inTag(honest, 10, TYPE.qinq), inTag(inTag(honest, 10), 10), inTag(inTag(honest, 10), 0))
      .concat(inTag(inTag(honest, 0), 10), inTag(inTag(honest, 10), 10, TYPE.qinq));
    for (const frames of all) expect(passing(frames)).toEqual([]);
    expect(passing(honest)).toEqual(namesOf(honest));
    expect(passing(forged)).toEqual([]);
  });
});

test('a guest has the tags that vlan= in xenstore gives it, once its filter is set again, and counts on', () => {
  const values = { mac: SELF.mac, ip: '192.0.2.1 2001:db8::1' };
  host.guest(1, values);
  const honest = honestFrames(SELF);
  const refilter = () => expect(host.vif.host.hook('xen-network', ['refilter']).status).toBe(0);
  expect(passing(inTag(honest, 20))).toEqual([]);
  const dropped = host.drops('vif1.0');
  host.vif.store.vif(1, 0, { ...values, vlan: '10p/20/30u' });
  refilter();
  expect(passing(inTag(honest, 20))).toEqual(namesOf(honest));
  expect(host.drops('vif1.0')).toBe(dropped);
  expect(passing({ ...inTag(honest, 10), ...inTag(honest, 30) })).toEqual([]);
  host.vif.store.remove('/local/domain/0/backend/vif/1/0/vlan');
  refilter();
  expect(passing(inTag(honest, 20))).toEqual([]);
  expect(host.elements().join()).not.toContain('tag');
});

describe('a guest without addresses', () => {
  beforeAll(() => {
    host.guest(1);
  });

  test('may use any, with its own MAC address', () => {
    const frames = { ...honestFrames(SELF), ...borrowedFrames(SELF, OTHER) };
    expect(passing(frames)).toEqual(namesOf(frames));
  });

  test('is neither another card nor a router nor a server', () => {
    const frames = forgedFrames(SELF, OTHER);
    const before = host.drops('vif1.0');
    expect(passing(frames)).toEqual([]);
    expect(host.drops('vif1.0') - before).toBe(Object.keys(frames).length - UNFILTERED.length);
  });
});

describe('the emulated card of an HVM guest', () => {
  const tap: End = { netns: 'dom0', device: 'tap:vif1.0-emu' };

  beforeAll(async () => {
    host.vif.host.ok('ln', '-s', '/proc/1/ns/net', '/run/netns/dom0');
    host.guest(1, { ip: '192.0.2.1 2001:db8::1' });
    host.vif.host.tap(1);
    const env = xlEnv(1, 0, { INTERFACE: 'vif1.0-emu' });
    expect(host.vif.host.hook('vif-bridge', ['add', 'type_if=tap', 'antispoof=strict'], env).status).toBe(0);
  });

  test('may send what the guest may', () => {
    const frames = honestFrames(SELF);
    expect(passing(frames, tap)).toEqual(namesOf(frames));
  });

  test('may send nothing else, and each frame is counted', () => {
    const frames = { ...forgedFrames(SELF, OTHER), ...borrowedFrames(SELF, OTHER) };
    const [before, beside] = [host.drops('vif1.0-emu'), host.drops('vif1.0')];
    expect(passing(frames, tap)).toEqual([]);
    expect(host.drops('vif1.0-emu') - before).toBe(Object.keys(frames).length - UNFILTERED.length);
    expect(host.drops('vif1.0')).toBe(beside);
  });
});

describe('a bridge with a spanning tree', () => {
  const read = (file: string) => host.vif.host.ok('cat', `/sys/class/net/xenbr0/bridge/${file}`).trim();
  // A root of the highest priority, by its configuration BPDU.
  const root = `0000${OTHER.mac.replaceAll(':', '')}`;
  const bpdu = `4242030000000000${root}00000000${root}8001000014000200${'0f00'}`;
  const frames = [SELF, OTHER].map(({ mac }, i) =>
    ether(mac, 38, `${bpdu}${zeros(7)}0${i}`, { to: '01:80:c2:00:00:00' }),
  );

  beforeAll(() => {
    host.guest(1, { ip: '192.0.2.1' });
    host.vif.host.ip('link set xenbr0 type bridge stp_state 1 forward_delay 200');
  });

  afterAll(() => host.vif.host.ip('link set xenbr0 type bridge stp_state 0'));

  test('hears none of a guest, and learns nothing of it', () => {
    expect(read('stp_state')).toBe('1');
    const before = host.drops('vif1.0');
    expect(host.send(1, frames)).toEqual([]);
    expect(read('root_id')).toBe(read('bridge_id'));
    expect(host.vif.host.ok('bridge', 'fdb', 'show', 'dev', 'vif1.0')).not.toContain(OTHER.mac);
    expect(host.drops('vif1.0') - before).toBe(frames.length);
  });

  test('hears those of a guest that may send everything', () => {
    expect(host.vif.host.hook('xen-network', ['vif', 'vif1.0', 'unlocked']).status).toBe(0);
    host.send(1, frames);
    expect(read('root_id')).not.toBe(read('bridge_id'));
  });
});

describe('the model of the filter', () => {
  test.each([
    ['single addresses', '192.0.2.1 2001:db8::1', []],
    ['ranges', '192.0.2.0/31 2001:db8::/127', []],
    ['larger ranges', '192.0.2.0/30 192.0.0.0/24 2001:db8::/126 2001:db8:1::/60', []],
    ['no addresses', '', []],
    ['single addresses and VLANs', '192.0.2.1 2001:db8::1', [10, 11]],
    ['VLANs and no addresses', '', [10, 11]],
  ])('agrees with the kernel on frames of every kind, for %s', (_what, ip, vlans) => {
    host.guest(1, ip === '' ? {} : { ip });
    if (vlans.length > 0) mayTag('10-11', '64-127');
    const elements = strictElements({
      place: 'bridged',
      port: 'vif1.0',
      mac: SELF.mac,
      addresses: parseAddressList(ip),
      mode: 'locked',
      vlans:
        vlans.length === 0
          ? []
          : [
              { from: 10, to: 11 },
              { from: 64, to: 127 },
            ],
    });
    const model = new NftModel([...strictBase(), ...elements.map((element) => elementLine('add', element))]);
    const frames = randomFrames(
      SELF,
      OTHER,
      4000,
      1,
      vlans.length === 0 ? [] : [...vlans, 0, 12, 63, 64, 127],
    );
    const expected = frames.filter((frame) => model.fate(frame, 'vif1.0').verdict === 'accept');
    const arrived = new Set(host.send(1, frames));
    expect(expected.filter((frame) => !arrived.has(frame))).toEqual([]);
    expect(arrived.size).toBe(expected.length);
    // Neither all nor nothing passes: the frames are near what is allowed.
    expect(expected.length).toBeGreaterThan(frames.length / 20);
    expect(expected.length).toBeLessThan(frames.length / 2);
  });
});
