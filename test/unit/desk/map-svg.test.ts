import { describe, expect, test } from 'vitest';
import type { GuestPort, HostMap, Network } from '../../../lib/desk/map/map.ts';
import { mapSvg } from '../../../lib/desk/map/map-svg.ts';

const WEB: GuestPort = {
  guest: 'web',
  domid: 1,
  device: 'vif1.0',
  mac: '00:16:3e:00:00:11',
  addresses: ['192.0.2.11'],
  vlans: '10',
  mtu: 1500,
  filter: 'strict locked',
  dropped: 7,
  hotplug: 'connected',
  error: undefined,
  isUp: true,
};

const BRIDGE: Network = {
  kind: 'bridge',
  name: 'xenbr0',
  startedBy: 'network-bridge',
  mtu: 1500,
  isUp: true,
  antispoof: 'strict',
  hasSpanningTree: false,
  cards: [{ device: 'peth0', driver: 'e1000e', speed: 1000, hasCarrier: true }],
  dom0: { device: 'eth0', port: 'vif0.0', addresses: ['192.0.2.2/24'] },
  guests: [WEB],
  others: [],
};

const MAP: HostMap = { version: 1, host: 'dom0', networks: [BRIDGE], loose: [], warnings: [] };
const WRONG = '#b5443a';

/** The lines of text in a picture, from the top. */
function words(svg: string): string[] {
  return [...svg.matchAll(/<text [^>]*>([^<]*)<\/text>/g)].map(([, text = '']) => text);
}

describe('the map as a picture', () => {
  test('names the bridge, the card, dom0 and the guest, and the ports between them', () => {
    expect(words(mapSvg(MAP))).toEqual([
      'xenbr0: bridge by network-bridge, antispoof=strict, MTU 1500',
      ...['peth0', 'card', 'e1000e, 1000 Mbit/s'],
      ...['vif0.0', 'dom0: eth0', '192.0.2.2/24'],
      'xenbr0',
      ...['vif1.0', 'web (1)', '192.0.2.11', '00:16:3e:00:00:11, VLANs 10, strict locked, 7 dropped'],
    ]);
    expect(mapSvg(MAP)).not.toContain(WRONG);
  });

  test.each([
    ['a guest that is down', { ...MAP, networks: [{ ...BRIDGE, guests: [{ ...WEB, isUp: false }] }] }],
    ['a guest whose hook failed', { ...MAP, networks: [{ ...BRIDGE, guests: [{ ...WEB, error: 'No.' }] }] }],
    ['a bridge that is down', { ...MAP, networks: [{ ...BRIDGE, isUp: false }] }],
    ['a guest on no network', { ...MAP, loose: [WEB] }],
    ['a warning', { ...MAP, warnings: ['A record is damaged.'] }],
  ])('%s is red', (_, map) => {
    expect(mapSvg(map)).toContain(WRONG);
  });

  test('what is not ours has a dashed frame', () => {
    expect(mapSvg(MAP)).not.toContain('stroke-dasharray');
    expect(mapSvg({ ...MAP, networks: [{ ...BRIDGE, startedBy: undefined }] })).toContain('stroke-dasharray');
    expect(mapSvg({ ...MAP, networks: [{ ...BRIDGE, others: ['eth5'] }] })).toContain('stroke-dasharray');
  });

  test('every text is inside the picture, whatever is in it', () => {
    const long = { ...WEB, guest: 'x'.repeat(60), addresses: Array(9).fill('2001:db8:ffff:ffff::ffff') };
    const warnings = [`${'word '.repeat(60)}${'y'.repeat(200)}`];
    const svg = mapSvg({ ...MAP, networks: [{ ...BRIDGE, guests: [long, WEB] }], loose: [long], warnings });
    const [, width, height] = /<svg [^>]*width="(\d+)" height="(\d+)"/.exec(svg)?.map(Number) ?? [];
    for (const [, x, y, text = ''] of svg.matchAll(/<text x="(.*?)" y="(.*?)"[^>]*>([^<]*)</g)) {
      expect(Number(x) + text.length * 7.3).toBeLessThanOrEqual(Number(width));
      expect(Number(y)).toBeLessThanOrEqual(Number(height));
    }
  });

  test('a name makes no element, no attribute, and no character that XML does not allow', () => {
    const evil = { ...WEB, guest: '</text><script>"&\u001b\u202e\ud800\ufffe' };
    const svg = mapSvg({ ...MAP, networks: [{ ...BRIDGE, guests: [evil] }] });
    expect(svg).not.toContain('<script');
    expect(svg).toContain('&lt;/text>&lt;script>&quot;&amp;\\u001b\\u202e\ufffd\ufffd (1)');
  });

  test('nothing there is said', () => {
    expect(words(mapSvg({ ...MAP, networks: [] }))).toEqual(['There is no bridge, no switch and no guest.']);
  });
});
