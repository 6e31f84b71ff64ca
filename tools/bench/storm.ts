// Many guests that start at the same moment.

import { measure, type Sample } from './meter.ts';
import { median, shuffled } from './numbers.ts';
import { MAKERS, type Maker, Stage } from './stage.ts';

const HOOK = 'vif-bridge';

/** What became of a storm: medians, and all that went wrong. */
export interface StormResult {
  readonly maker: Maker;
  readonly vifs: number;
  /** From the first start to the last end. */
  readonly wallMs: number;
  /** The one that took longest. */
  readonly slowestMs: number;
  readonly cpuMs: number;
  /** Calls that failed, or did not tell `connected`. */
  readonly failures: number;
  /** Guests that lack a rule afterwards. */
  readonly unruled: number;
}

/** How many guests at once, and how often. */
export interface StormPlan {
  readonly vifs: number;
  readonly rounds: number;
}

/**
 * Puts many guests on a bridge at once.
 * @param plans the storms, each for every maker
 */
export async function measureStorms(plans: readonly StormPlan[]): Promise<StormResult[]> {
  const stage = await Stage.create();
  stage.cards(1, Math.max(...plans.map(({ vifs }) => vifs)));
  // The first time only warms up.
  for (const maker of MAKERS) storm(stage, maker, 1);
  const results = plans.flatMap(({ vifs, rounds }, i) => {
    const found = Array.from({ length: rounds }, (_, round) =>
      shuffled(MAKERS, i + round).map((maker) => storm(stage, maker, vifs)),
    ).flat();
    return MAKERS.map((maker) => summary(found.filter((each) => each.maker === maker)));
  });
  await stage.host.close();
  return results;
}

function summary(storms: readonly StormResult[]): StormResult {
  const [first] = storms;
  if (first === undefined) throw new Error('There is no storm without a round.');
  const middle = (value: (storm: StormResult) => number) => median(storms.map(value));
  const sum = (value: (storm: StormResult) => number) => storms.reduce((all, each) => all + value(each), 0);
  return {
    ...first,
    wallMs: middle(({ wallMs }) => wallMs),
    slowestMs: middle(({ slowestMs }) => slowestMs),
    cpuMs: middle(({ cpuMs }) => cpuMs),
    failures: sum(({ failures }) => failures),
    unruled: sum(({ unruled }) => unruled),
  };
}

function storm(stage: Stage, maker: Maker, vifs: number): StormResult {
  const domids = Array.from({ length: vifs }, (_, i) => i + 1);
  const [samples = []] = measure(stage.host.enter, [
    domids.map((domid) => stage.call(maker, HOOK, 'online', domid)),
  ]);
  const { connected, ruled } = look(stage, domids);
  const result = {
    maker,
    vifs,
    wallMs: Math.max(...samples.map(({ begunMs, wallMs }) => begunMs + wallMs)),
    slowestMs: Math.max(...samples.map(({ wallMs }) => wallMs)),
    cpuMs: samples.reduce((sum, { cpuMs }) => sum + cpuMs, 0),
    failures: domids.filter((domid, i) => !worked(samples[i]) || !connected.has(domid)).length,
    unruled: vifs - ruled,
  };
  calm(stage, domids);
  return result;
}

function worked(sample: Sample | undefined): boolean {
  return sample?.status === 0;
}

/** Who was told `connected`, and how many have all of the rules that let them pass. */
function look(
  stage: Stage,
  domids: readonly number[],
): { readonly connected: Set<number>; readonly ruled: number } {
  const told = stage.store.list('/local/domain/0/backend/vif').join('\n');
  const connected = [...told.matchAll(/^\S*\/vif\/(\d+)\/0\/hotplug-status = "connected"/gm)];
  const listing = stage.host.ok('iptables', '-S', 'FORWARD');
  const rules = new Set(listing.replace(/ -m comment --comment "[^"]*"/g, '').split('\n'));
  const ruled = domids.filter((domid) => {
    const [from, to] = ['in', 'out'].map(
      (way) => `-m physdev --physdev-${way} vif${domid}.0 --physdev-is-bridged`,
    );
    return (
      rules.has(`-A FORWARD -s ${Stage.address(domid)}/32 ${from} -j ACCEPT`) &&
      rules.has(`-A FORWARD -p udp ${from} -m udp --sport 68 --dport 67 -j ACCEPT`) &&
      rules.has(`-A FORWARD ${to} -j ACCEPT`)
    );
  });
  return { connected: new Set(connected.map(([, domid]) => Number(domid))), ruled: ruled.length };
}

/** All is as if the guests had never been there. */
function calm(stage: Stage, domids: readonly number[]): void {
  stage.host.ok('iptables', '-F', 'FORWARD');
  stage.host.ok('rm', '-rf', '/run/xen-network/vif');
  stage.host.ip(...domids.map((domid) => `link set dev ${Stage.fresh(domid)}`));
  stage.host.run(['xenstore-rm', ...domids.flatMap((domid) => Stage.told(domid))]);
}
