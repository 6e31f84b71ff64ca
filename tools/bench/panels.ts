// What the picture shows: the results as groups of bars that are to be compared.

import type { Results } from './targets.ts';

export interface Bar {
  /** What tells it from the others of its group where its colour does not. */
  readonly name: string;
  /** Whose it is, which is its colour. */
  readonly maker: string;
  readonly value: number;
}

/** Bars under one name. */
export interface Group {
  readonly label: string;
  readonly bars: readonly Bar[];
}

export interface Panel {
  readonly title: string;
  readonly unit: string;
  readonly better: 'less' | 'more';
  /** What the longest bar is the longest of. */
  readonly scale: 'panel' | 'group';
  readonly groups: readonly Group[];
}

/**
 * The panels of the picture, without those for which nothing was measured.
 * @param results what was found
 */
export function panels(results: Results): Panel[] {
  return [...timePanels(results), ...throughputPanels(results), outagePanel(results)].filter(
    ({ groups }) => groups.length > 0,
  );
}

function timePanels({ hooks, storms, growth }: Results): Panel[] {
  const ms = { unit: 'ms', better: 'less' } as const;
  return [
    {
      ...ms,
      title: 'One event of a hook',
      scale: 'panel',
      groups: grouped(
        hooks,
        ({ hook, command }) => `${hook} ${command}`,
        ({ maker, wallMs }) => ({ name: maker, maker, value: wallMs }),
      ),
    },
    {
      ...ms,
      title: 'Many guests at once, until all hooks have ended',
      scale: 'group',
      groups: grouped(
        storms,
        ({ mode, act, vifs }) => `${mode}, ${vifs} ${act}`,
        ({ maker, wallMs }) => ({ name: maker, maker, value: wallMs }),
      ),
    },
    {
      ...ms,
      title: 'vif-bridge online, one more guest beside many',
      scale: 'panel',
      groups: grouped(
        growth,
        ({ mode, maker }) => `filter ${mode}, ${maker}`,
        ({ maker, present, onlineMs }) => ({ name: `${present} present`, maker, value: onlineMs }),
      ),
    },
  ];
}

function throughputPanels({ throughput }: Results): Panel[] {
  const panel = (
    title: string,
    unit: string,
    value: (result: Results['throughput'][number]) => number,
  ): Panel => ({
    title: `One guest's traffic through the bridge: ${title}`,
    unit,
    better: 'more',
    scale: 'panel',
    groups: grouped(
      throughput,
      ({ filter }) => `filter ${filter}`,
      (result) => ({
        name: result.guests === 1 ? 'its own rules' : `${result.guests} guests' rules`,
        maker: result.filter === 'stock' ? 'stock' : 'ours',
        value: value(result),
      }),
    ),
  });
  return [
    panel('small UDP packets', 'thousand packets a second', ({ packetsPerS }) => packetsPerS / 1000),
    panel('TCP', 'Gbit a second', ({ tcpMbitPerS }) => tcpMbitPerS / 1000),
  ];
}

function outagePanel({ outages }: Results): Panel {
  return {
    title: 'network-bridge: the host off the network',
    unit: 'ms',
    better: 'less',
    scale: 'panel',
    groups: grouped(
      outages,
      ({ topology, command }) => `${topology} ${command}`,
      ({ maker, outageMs }) => ({ name: maker, maker, value: outageMs }),
    ),
  };
}

/** In the order in which labels come up first. */
function grouped<T>(all: readonly T[], labelOf: (each: T) => string, barOf: (each: T) => Bar): Group[] {
  const labels = [...new Set(all.map(labelOf))];
  return labels.map((label) => ({ label, bars: all.filter((each) => labelOf(each) === label).map(barOf) }));
}
