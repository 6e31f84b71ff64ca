import { describe, expect, test } from 'vitest';
import { prometheusText } from '../../../lib/desk/traffic/prometheus.ts';
import { trafficReport } from '../../../lib/desk/traffic/report.ts';
import { humanBytes } from '../../../lib/desk/traffic/traffic-text.ts';
import { withRuns } from '../../../lib/record/hook-runs.ts';
import { type DeviceCount, isFlow, NO_TOTALS, type Totals, withCounts } from '../../../lib/record/traffic.ts';
import { randomNumbers } from '../../support/random.ts';

const flow = (n: number) => ({
  sentPackets: n,
  sentBytes: 100 * n,
  receivedPackets: 2 * n,
  receivedBytes: 200 * n,
});
const count = (id: string, n: number, card = 0, guest = 'web'): DeviceCount => ({
  id,
  uuid: 'u',
  guest,
  card,
  flow: flow(n),
});
const all = () => true;
const sent = ({ guests }: Totals, card = '0') => guests['u']?.cards[card]?.sentPackets;

describe('totals', () => {
  test('have each packet once, in whatever order and however often counters are read', () => {
    const random = randomNumbers(5);
    for (let round = 0; round < 200; round++) {
      let totals: Totals = NO_TOTALS;
      let [real, now, id] = [0, 0, 0];
      for (let act = 0; act < 30; act++) {
        const what = random(4);
        if (what < 2) {
          const more = random(1000);
          [real, now] = [real + more, now + more];
        }
        if (what === 2) totals = withCounts(totals, [count(`c${id}`, now)], all, 'today');
        if (what === 3) {
          // The device ends: its last count may be read beside its counter, and again.
          const last = count(`c${id}`, now);
          totals = withCounts(totals, random(2) === 0 ? [last] : [last, last], all, 'today');
          if (random(2) === 0) totals = withCounts(totals, [last], all, 'today');
          [id, now] = [id + 1, 0];
        }
      }
      totals = withCounts(totals, [count(`c${id}`, now)], (other) => other === `c${id}`, 'today');
      expect(sent(totals) ?? 0).toBe(real);
      expect(Object.keys(totals.included)).toEqual([`c${id}`]);
    }
  });

  test('take the guest under its last name, and a vif and its tap as one card', () => {
    const first = withCounts(
      NO_TOTALS,
      [count('vif', 3), count('tap', 4), count('other', 5, 1)],
      all,
      '2026-01-01',
    );
    const totals = withCounts(first, [count('vif', 4, 0, 'shop')], all, '2026-02-02');
    expect(totals.guests['u']).toMatchObject({ name: 'shop', since: '2026-01-01' });
    expect([sent(totals), sent(totals, '1')]).toEqual([8, 5]);
  });

  test.each([
    [flow(3), true],
    [{ ...flow(3), sentBytes: -1 }, false],
    [{ sentPackets: 1 }, false],
    [{ ...flow(3), sentBytes: '3' }, false],
    [null, false],
  ])('%j: is a flow: %s', (value, is) => expect(isFlow(value)).toBe(is));
});

test('calls of hooks add up, and a line that was cut off counts for nothing', () => {
  const once = withRuns({}, 'vif-bridge online 0 0.005\nvif-bridge online 1 0.5\nvif-bri');
  expect(once).toEqual({ 'vif-bridge online': { runs: 2, failures: 1, seconds: 0.505 } });
  expect(withRuns(once, 'vif-bridge online 0 0.001\n')).toMatchObject({ 'vif-bridge online': { runs: 3 } });
});

test.each([
  [0, '0 B'],
  [1023, '1023 B'],
  [1536, '1.5 KiB'],
  [250 * 1024 ** 2, '250 MiB'],
  [9e18, '7994 PiB'],
])('%d bytes are %s', (bytes, text) => expect(humanBytes(bytes)).toBe(text));

test('a name cannot break a line of the text for Prometheus', () => {
  const totals = withCounts(NO_TOTALS, [count('vif', 1, 0, 'a"\\\nb')], all, 'today');
  const facts = {
    host: 'h',
    totals,
    cards: [],
    uuids: new Map(),
    strict: new Map(),
    drops: new Map(),
    runs: {},
    warnings: [],
  };
  expect(prometheusText(trafficReport(facts))).toContain('{guest="a\\"\\\\\\nb",uuid="u",card="0"} 1\n');
});
