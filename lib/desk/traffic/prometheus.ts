import type { Flow } from '../../wire/traffic/nf-counters-listing.ts';
import type { TrafficReport } from './report.ts';

type Labels = Readonly<Record<string, string | undefined>>;
/** A value; with `part` the name's ending, as of a summary. */
type Sample = readonly [labels: Labels, value: number, part?: string];

/**
 * The report in Prometheus's text format, version 0.0.4.
 * @param report the report
 */
export function prometheusText(report: TrafficReport): string {
  const hotplug = [...report.hotplug].map(([state, count]): Sample => [{ hotplug_status: state }, count]);
  return [
    ...trafficMetrics(report),
    ...refusedMetrics(report),
    metric('guest_cards', 'gauge', 'Network cards of guests, by their hotplug-status in xenstore.', hotplug),
    ...hookMetrics(report),
    metric('traffic_warnings', 'gauge', 'Sentences that "xen-network traffic" would warn by.', [
      [{}, report.warnings.length],
    ]),
  ].join('');
}

function trafficMetrics({ guests }: TrafficReport): string[] {
  const cards = guests.flatMap(({ name: guest, uuid, cards: own }) =>
    own.map((card) => ({ labels: { guest, uuid, card: `${card.card}` }, card })),
  );
  const counter = (name: string, help: string, field: keyof Flow) =>
    metric(
      `guest_${name}_total`,
      'counter',
      help,
      cards.map(({ labels, card }): Sample => [labels, card[field]]),
    );
  return [
    counter('received_bytes', 'Bytes of the Ethernet frames that a guest received.', 'receivedBytes'),
    counter('received_packets', 'Packets that a guest received.', 'receivedPackets'),
    counter(
      'sent_bytes',
      'Bytes of the Ethernet frames that a guest sent, refused ones as well.',
      'sentBytes',
    ),
    counter('sent_packets', 'Packets that a guest sent, refused ones as well.', 'sentPackets'),
  ];
}

function refusedMetrics({ refused }: TrafficReport): string[] {
  const counter = (field: 'packets' | 'bytes', help: string) =>
    metric(
      `guest_refused_${field}_total`,
      'counter',
      help,
      refused.map(
        ({ guest, uuid, card, ...drops }): Sample => [{ guest, uuid, card: `${card}` }, drops[field]],
      ),
    );
  return [
    counter('bytes', 'Bytes that the strict filter refused since the card of a guest came.'),
    counter('packets', 'Packets that the strict filter refused since the card of a guest came.'),
  ];
}

function hookMetrics({ runs }: TrafficReport): string[] {
  const calls = Object.entries(runs).map(([call, own]) => {
    const [hook = '', command = ''] = call.split(' ');
    return { labels: { hook, command }, own };
  });
  return [
    metric(
      'hook_failures_total',
      'counter',
      'Calls of hooks that failed.',
      calls.map(({ labels, own }): Sample => [labels, own.failures]),
    ),
    metric(
      'hook_duration_seconds',
      'summary',
      'Calls of hooks, and how long they took.',
      calls.flatMap(({ labels, own }): Sample[] => [
        [labels, own.seconds, '_sum'],
        [labels, own.runs, '_count'],
      ]),
    ),
  ];
}

/** Nothing where there is no value: a name without values is an error to some readers. */
function metric(name: string, type: string, help: string, samples: readonly Sample[]): string {
  if (samples.length === 0) return '';
  const whole = `xen_network_${name}`;
  const lines = samples.map(([labels, value, part = '']) => `${whole}${part}${labelText(labels)} ${value}\n`);
  return `# HELP ${whole} ${help}\n# TYPE ${whole} ${type}\n${lines.join('')}`;
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}="${value.replace(/[\\"]/g, '\\$&').replaceAll('\n', '\\n')}"`],
  );
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}
