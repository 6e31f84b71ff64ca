import { applyTeardown } from '../apply/apply.ts';
import { strictRecordPath } from '../contract/paths.ts';
import { HostError, messageOf, XenNetworkError } from '../errors.ts';
import { type RuleSet, rulesByDevice } from '../filter/forward.ts';
import { readStrictRecords, type StrictRecord } from '../observe/strict.ts';
import { isWhole } from '../observe/strict-health.ts';
import { listStrictTable } from '../observe/strict-listing.ts';
import { replaceForwardRules } from '../plan/rules.ts';
import type { Step } from '../plan/step.ts';
import { planStrays, planStrict, planStrictTable } from '../plan/strict.ts';
import type { RunResult } from '../system/exec.ts';
import type { System } from '../system/system.ts';
import { openXenstore } from '../system/xenstore.ts';
import type { Context } from './context.ts';
import { restoreShared } from './forwarding.ts';
import { learningSteps, STRICT_LOCK } from './guard.ts';
import { isHeldForUs, withLocks } from './locks.ts';
import { deviceNames, listBackends, type RunningVif, runningVifs, wantedFilter } from './running.ts';

/** What a device's filters are to be. */
interface Wanted extends RunningVif {
  readonly rules: RuleSet;
  readonly strict: StrictRecord | undefined;
}

/**
 * Puts the filters of all running guests back, as xenstore says that they are to be: one nft transaction, one restore
 * for each family. What is in place stays, so that no guest is unfiltered meanwhile. Nothing of it is undone when a part
 * fails: a filter that could be put back is better than none.
 * @param context the call
 * @returns the number of devices
 * @throws XenstoreError; HostError naming what could not be put back
 */
export async function refilter(context: Context): Promise<number> {
  const { system } = context;
  const store = await openXenstore(await system.native(), context.env);
  try {
    // A device whose own hook waits for us is being attached or detached by it.
    const backends = (await listBackends(store)).filter(
      (backend) => !deviceNames(backend).some((device) => isHeldForUs(system, device)),
    );
    const devices = backends.flatMap(deviceNames);
    // No hook attaches or detaches one of them meanwhile.
    return await withLocks(system, [...[...devices].sort(), STRICT_LOCK], async () => {
      const running = await runningVifs({ ...context, system: askedOnce(system) }, store, backends);
      const { wanted, failures } = wantedOf(running);
      const steps = refilterSteps(system, wanted, new Set(devices));
      const done = await applyTeardown(system, { steps, warnings: [] });
      if (failures.length + done.length > 0) throw new HostError([...failures, ...done].join(' '));
      return wanted.length;
    });
  } finally {
    store.close();
  }
}

/** What is the same for all guests, and grows with their number, is asked once: the firewall's chains, the addresses. */
function askedOnce(system: System): System {
  const answers = new Map<string, RunResult>();
  const addresses = new Map<string, readonly string[]>();
  return {
    ...system,
    ipv4Addresses(device) {
      const answer = addresses.get(device) ?? system.ipv4Addresses(device);
      addresses.set(device, answer);
      return answer;
    },
    run(argv, options) {
      const question = argv.join(' ');
      const answer = answers.get(question) ?? system.run(argv, options);
      answers.set(question, answer);
      return answer;
    },
  };
}

function wantedOf(vifs: readonly RunningVif[]): { readonly wanted: Wanted[]; readonly failures: string[] } {
  const wanted: Wanted[] = [];
  const failures: string[] = [];
  for (const vif of vifs) {
    try {
      wanted.push({ ...vif, ...wantedFilter(vif) });
    } catch (thrown) {
      if (!(thrown instanceof XenNetworkError)) throw thrown;
      failures.push(`${vif.run.call.device} has no new filter: ${messageOf(thrown)}`);
    }
  }
  return { wanted, failures };
}

function refilterSteps(system: System, wanted: readonly Wanted[], devices: ReadonlySet<string>): Step[] {
  const steps = [...restoreShared(system), ...ruleSteps(system, wanted)];
  const of = (tool: Step['do']['tool']) => steps.filter((step) => step.do.tool === tool);
  // What one child can do together stands together; settings come last, when what they let in is there to be met.
  return [
    ...of('run'),
    ...of('iptables'),
    ...of('ip6tables'),
    ...of('nft'),
    ...strictSteps(system, wanted, devices),
    ...of('write'),
  ];
}

function ruleSteps(system: System, wanted: readonly Wanted[]): Step[] {
  const listed = (tool: string) => rulesByDevice(system.run([`${tool}-save`], { isListing: true }).stdout);
  const found = { 4: listed('iptables'), 6: listed('ip6tables') };
  return wanted.flatMap(({ run, state, rules }) => {
    const { device } = run.call;
    const there = { 4: found[4].get(device) ?? [], 6: found[6].get(device) ?? [] };
    return replaceForwardRules(state.port.name, there, rules);
  });
}

function strictSteps(system: System, wanted: readonly Wanted[], devices: ReadonlySet<string>): Step[] {
  const records = readStrictRecords(system);
  const fresh = new Map(
    wanted.flatMap(({ state, strict }) => (strict === undefined ? [] : [[state.port.name, strict] as const])),
  );
  const listing = listStrictTable(system);
  const there = listing?.elements ?? new Map<string, readonly string[]>();
  if (fresh.size === 0 && records.size === 0 && there.size === 0) return [];
  // Of these it is not known what they were given. What was counted of a guest that stays is kept.
  const strays = [...there].filter(
    ([port]) => listing !== undefined && !isWhole(listing, port, records.get(port)),
  );
  const stray = strays.flatMap(([port, elements]) =>
    elements.filter((element) => !(fresh.has(port) && element.startsWith('refused '))),
  );
  const settled = new Set(wanted.map(({ run }) => run.call.device));
  // Guests that are gone without a word are forgotten; others of which nothing more is known keep what they have.
  const kept = (old: StrictRecord | undefined) =>
    old !== undefined && devices.has(old.device) && !settled.has(old.device) ? old : undefined;
  const ports = [...new Set([...fresh.keys(), ...records.keys()])];
  const nows = new Map(ports.map((port) => [port, fresh.get(port) ?? kept(records.get(port))]));
  const needs = new Map<string, number>();
  for (const element of [...nows.values()].flatMap((now) => now?.elements ?? []))
    needs.set(element, (needs.get(element) ?? 0) + 1);
  const steps = ports.flatMap((port) => {
    const old = records.get(port);
    const now = nows.get(port);
    const shared = [...(old?.elements ?? []), ...(now?.elements ?? [])].filter(
      (element) => (needs.get(element) ?? 0) > (now?.elements.includes(element) === true ? 1 : 0),
    );
    return planStrict({ port, recordPath: strictRecordPath(port), old, fresh: now, flushed: true, shared });
  });
  const bridges = new Set(
    wanted.flatMap(({ bridge, strict }) =>
      bridge === undefined || strict === undefined ? [] : [bridge.name],
    ),
  );
  return [
    ...[...bridges].flatMap((bridge) => learningSteps(system, bridge)),
    ...planStrictTable([]),
    ...planStrays(stray),
    ...steps.filter((step) => step.do.tool === 'nft'),
    ...steps.filter((step) => step.do.tool !== 'nft'),
  ];
}
