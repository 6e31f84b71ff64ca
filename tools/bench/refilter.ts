// How long a refilter takes after a flush, and how long guests are unfiltered meanwhile.

import { crowded, MODES } from './growth.ts';
import { type Job, measure } from './meter.ts';
import { median } from './numbers.ts';
import type { Stage } from './stage.ts';

/** Medians of a refilter after a flush. */
export interface RefilterResult {
  readonly mode: string;
  readonly present: number;
  readonly wallMs: number;
  readonly cpuMs: number;
  /** From its start until the last guest's filter is back, as a look every 20 ms finds it. */
  readonly unfilteredMs: number;
}

/**
 * Measures refilters after a flush of all filters.
 * @param sizes how many guests there are, each more than none
 * @param rounds how often
 */
export async function measureRefilters(sizes: readonly number[], rounds: number): Promise<RefilterResult[]> {
  const results: RefilterResult[] = [];
  for (const mode of MODES.filter(({ name }) => name !== 'none')) {
    for (const present of sizes) {
      const stage = await crowded(mode, present);
      const found = Array.from({ length: rounds }, () => refilterAfterFlush(stage, mode.name, present));
      results.push({
        mode: mode.name,
        present,
        wallMs: median(found.map(({ wallMs }) => wallMs)),
        cpuMs: median(found.map(({ cpuMs }) => cpuMs)),
        unfilteredMs: median(found.map(({ unfilteredMs }) => unfilteredMs)),
      });
      await stage.host.close();
    }
  }
  return results;
}

type Found = Pick<RefilterResult, 'wallMs' | 'cpuMs' | 'unfilteredMs'>;

function refilterAfterFlush(stage: Stage, mode: string, present: number): Found {
  stage.host.ok('nft', 'flush', 'ruleset');
  for (const tool of ['iptables', 'ip6tables']) stage.host.ok(tool, '-F', 'FORWARD');
  const jobs = [stage.plain('/etc/xen/scripts/xen-network', 'refilter'), untilBack(stage, mode, present)];
  const [refilter, back] = measure(stage.host.enter, [jobs]).flat();
  if (refilter?.status !== 0 || back?.status !== 0)
    throw new Error(`The refilter of ${present} guests with the filter ${mode} did not put it back.`);
  const unfilteredMs = back.begunMs + back.wallMs - refilter.begunMs;
  return { wallMs: refilter.wallMs, cpuMs: refilter.cpuMs, unfilteredMs };
}

const LOOKS = 15_000;

/** All guests' filters of a family come in one transaction, so that the last guest stands for all. */
function untilBack(stage: Stage, mode: string, domid: number): Job {
  const look =
    mode === 'strict'
      ? `nft get element bridge xen_network guests '{ "vif${domid}.0" }'`
      : `iptables -S FORWARD | grep -q 'physdev-in vif${domid}[.]0 '`;
  const loop = `i=0; until ${look}; do i=$((i + 1)); [ $i -lt ${LOOKS} ] || exit 1; sleep 0.02; done`;
  return stage.plain('sh', '-c', `exec >/dev/null 2>&1; ${loop}`);
}
