import { failuresOf } from '../../apply/already.ts';
import { applyParts, applyTeardown, type Part, UNDONE } from '../../apply/apply.ts';
import { StepError, XenNetworkError } from '../../errors.ts';
import { NO_RULES, type RuleSet } from '../../filter/forward.ts';
import { isDeviceChain } from '../../filter/strict-elements.ts';
import { listRules, unrestrictedFamilies } from '../../observe/filter/rules.ts';
import { readLink, readPort } from '../../observe/host/port.ts';
import type { VifState } from '../../observe/vif/vif.ts';
import type { Plan, Refusable } from '../../plan/step.ts';
import { stepsToName } from '../../plan/vif/device.ts';
import { SHARED_LOCK, STRICT_LOCK_PATH } from '../../record/paths.ts';
import type { VifSettings } from '../../request/vif.ts';
import type { Log } from '../../system/files/log.ts';
import { about } from '../../text.ts';
import { printPlan } from '../context.ts';
import { deviceKeys } from '../locks.ts';
import { account, noAccount, printAccount } from '../traffic/account.ts';
import {
  isFiltered,
  leavesNames,
  letGoOfPort,
  markSettings,
  mustBeFiltered,
  type PortFilter,
  portFilterRemoval,
  portFilterSteps,
  strayFilterSteps,
} from './port-filter.ts';
import { runPostHooks } from './post.ts';
import { calledWords, givenWords, orLeft, reportConnected, type VifRun } from './run.ts';

/** Everything that online or add needs to attach a guest's device. */
export interface Attachment {
  /** The device's name once it is attached. */
  readonly name: string;
  readonly bridge: string;
  /** The rules that accept its packets. */
  readonly rules: RuleSet;
  /**
   * Whether the rules must be added. false: without `ip` nobody asked for them, unless antispoof drops the rest.
   * 'if-any': a host without iptables does as well without them, since they match nothing where no other rule drops
   * packets.
   */
  readonly restricted: boolean | 'if-any';
  /** The steps, with the given rules, and without a DHCP entry where the server refuses it. */
  readonly plan: (rules: RuleSet, unserved: boolean) => Plan;
  /** Completes the table of a bridge under antispoof=yes, where nft finds that it is not whole. */
  readonly completeTable?: () => Plan;
  /** Whether the guest is connected without DHCP where the server refuses an entry. */
  readonly mayBeUnserved?: boolean;
  /** Failures so far that do not prevent the connection. */
  readonly notes?: readonly string[];
  /** Looks at the host again, apart from the settings that the device refused; throws VerifyError. */
  readonly verify: (refused: ReadonlySet<Refusable>) => void | Promise<void>;
  /** Further variables for post hooks. */
  readonly more?: Readonly<Record<string, string>>;
  /** The MTU that is reported to the guest, in bytes, unless the device refused it. */
  readonly mtu: number | undefined;
  /** The guest's settings; for hooks that filter. */
  readonly settings?: VifSettings;
  /** Whether the device's traffic is counted. */
  readonly account: boolean;
  /** The port filter; for hooks that can have one. */
  readonly portFilter?: PortFilter;
}

/** What a run does without when the host lacks it. */
interface Means {
  readonly rules: RuleSet;
  /** The tables of nft must be made first, because one is missing or incomplete. */
  readonly makeTable: boolean;
  /** Why the guest has no DHCP entry. */
  readonly unserved?: string;
}

/**
 * Carries out an online or add: the plan, the check, post hooks and the report to xenstore, all or nothing.
 * @param run the call
 * @param attachment the hook's own part
 * @throws StepError, VerifyError, HostError; the host is then as it was before
 */
export async function attachVif(run: VifRun, attachment: Attachment): Promise<void> {
  const { system, log, hook } = run.context;
  let means: Means | undefined = { rules: attachment.rules, makeTable: false };
  let notes: string[] = [];
  let refused = new Set<Refusable>();
  if (run.dryRun) {
    printPlan(run.context, filteredPlan(run, attachment, means));
    return printAccount(run, attachment.name, attachment.account);
  }
  const check = async () => {
    await attachment.verify(refused);
    const { name: dev, bridge, more = {} } = attachment;
    runPostHooks(system, hook, run.call, {
      dev,
      bridge,
      ...givenWords(run),
      more: { ...calledWords(run), ...more },
      held: deviceKeys(run.call.device),
    });
    if (attachment.portFilter !== undefined) await mustBeFiltered(system, attachment.portFilter);
    if (attachment.settings !== undefined)
      await markSettings(run, attachment.settings, attachment.portFilter?.fresh !== undefined);
    notes.push(...(await account(run, dev, attachment.account)));
    const mtu = refused.has('mtu') ? readLink(system, dev)?.mtu : attachment.mtu;
    await reportConnected(run, mtu, notes);
  };
  while (means !== undefined) {
    refused = new Set();
    notes = [...(attachment.notes ?? []), ...(means.unserved === undefined ? [] : [means.unserved])];
    try {
      return await applyParts(system, attachParts(run, attachment, means), {
        key: run.call.device,
        warn: log.warn,
        note: (sentence) => void notes.push(about(attachment.name, sentence)),
        refused: (what) => void refused.add(what),
        check,
        makesNone: true,
      });
    } catch (thrown) {
      means = otherMeans(run, attachment, means, thrown);
      if (means !== undefined) continue;
      if (attachment.portFilter !== undefined) await leaveBridge(run, attachment.bridge);
      throw thrown;
    }
  }
}

/** The guest of an attach that was undone may have been the only strict one of its bridge. */
async function leaveBridge({ context: { system, log } }: VifRun, bridge: string): Promise<void> {
  try {
    for (const failure of await letGoOfPort(system, bridge, () => [])) log.warn(failure);
  } catch (failure) {
    if (!(failure instanceof XenNetworkError)) throw failure;
    log.warn(failure.message);
  }
}

/**
 * The parts of the run. The port filter is in place before the link comes up. The lock of the strict table is held
 * while the filter changes, and released before the run waits for post hooks and DHCP servers.
 */
function attachParts(run: VifRun, attachment: Attachment, means: Means): Part[] {
  const { portFilter, plan, completeTable } = attachment;
  const { system } = run.context;
  const { device } = run.call;
  const check = () => {};
  const all = () => plan(means.rules, means.unserved !== undefined);
  const complete =
    completeTable !== undefined && means.makeTable ? [{ plan: completeTable, check, lock: SHARED_LOCK }] : [];
  if (portFilter === undefined || !isFiltered(system, device, portFilter))
    return [...complete, { plan: all, check }];
  const split = splitAt(portFilter, all());
  const main = (from: number, to?: number): Part => ({
    plan: () => ({ steps: all().steps.slice(from, to), warnings: from === split ? all().warnings : [] }),
    check,
  });
  const filtering = (when: 'before' | 'after'): Part => ({
    plan: () => ({ steps: portFilterSteps(system, device, portFilter, means.makeTable)[when], warnings: [] }),
    check,
    lock: STRICT_LOCK_PATH,
  });
  return [
    ...complete,
    ...(split === 0 ? [] : [main(0, split)]),
    filtering('before'),
    main(split),
    ...(leavesNames(system, device, portFilter) ? [filtering('after')] : []),
  ];
}

/**
 * How many steps come before the port filter: a chain of a device needs the device's name. The link is down while the
 * device is renamed.
 */
function splitAt({ fresh }: PortFilter, { steps }: Plan): number {
  return fresh?.elements.some(isDeviceChain) === true ? stepsToName(steps) : 0;
}

/** The whole plan, for a dry run. */
function filteredPlan(run: VifRun, { portFilter, plan }: Attachment, means: Means): Plan {
  const { system } = run.context;
  const { steps, warnings } = plan(means.rules, means.unserved !== undefined);
  if (portFilter === undefined) return { steps, warnings };
  const { before, after } = portFilterSteps(system, run.call.device, portFilter, means.makeTable);
  const split = splitAt(portFilter, { steps, warnings });
  return { steps: [...steps.slice(0, split), ...before, ...steps.slice(split), ...after], warnings };
}

function otherMeans(run: VifRun, attachment: Attachment, means: Means, thrown: unknown): Means | undefined {
  const { system, log } = run.context;
  if (!(thrown instanceof StepError)) return undefined;
  // This is the first strict guest of the host, or somebody flushed the whole ruleset.
  if (thrown.tool === 'nft' && !means.makeTable && /No such file/.test(thrown.message))
    return { ...means, makeTable: true };
  if (thrown.tool === 'service' && attachment.mayBeUnserved && means.unserved === undefined) {
    const why = thrown.message.replace(` ${UNDONE}`, '');
    return { ...means, unserved: `${attachment.name} is connected without DHCP: ${why}` };
  }
  // Where nobody asked for rules, a host without a working iptables still connects its guest. An iptables that works
  // names the line that it refuses.
  const asked =
    attachment.restricted === 'if-any' ? /line \d+ failed/.test(thrown.message) : attachment.restricted;
  if (
    asked ||
    unrestrictedFamilies(system).length > 1 ||
    !thrown.tool.includes('tables') ||
    means.rules === NO_RULES
  )
    return undefined;
  log.warn(`${attachment.name} is connected without filter rules: ${thrown.message}`);
  return { ...means, rules: NO_RULES };
}

/** Everything that offline or remove needs to detach a guest's device. */
export interface Detachment {
  readonly state: VifState;
  /** The device's name, or the name that it had. */
  readonly name: string;
  readonly bridge: string;
  /** Further variables for post hooks. */
  readonly more?: Readonly<Record<string, string>>;
  /** The steps, with the device's present rules. */
  readonly plan: (rules: RuleSet) => Plan;
}

/**
 * Carries out an offline or remove: everything is tried, whatever is missing.
 * @param run the call
 * @param detachment the hook's own part
 */
export async function detachVif(run: VifRun, detachment: Detachment): Promise<void> {
  const { system, hook, log } = run.context;
  const { state, name, plan } = detachment;
  const { device } = run.call;
  const names = [name, device, ...(state.record === undefined ? [] : [state.record.name])];
  const inPlace = () => orLeft(log, () => listRules(system, device), NO_RULES);
  const { steps, warnings } = plan(state.record?.rules ?? inPlace());
  if (run.dryRun)
    return printPlan(run.context, {
      steps: [...steps, ...portFilterRemoval(system, device, names)],
      warnings,
    });
  const failures = await applyTeardown(system, { steps, warnings }, { note: log.warn });
  if (failures.length > 0) {
    // Somebody may have flushed some of the rules: the remaining ones are listed and deleted.
    warnOf(log, await applyTeardown(system, plan(inPlace())));
  }
  for (const sentence of await noAccount(run)) log.warn(sentence);
  await unfilter(run, state.port?.name, names, state.record?.bridge ?? detachment.bridge);
  const more = { ...calledWords(run), ...detachment.more };
  runPostHooks(system, hook, run.call, {
    dev: name,
    bridge: detachment.bridge,
    ...givenWords(run),
    more,
    held: deviceKeys(device),
  });
}

/** The port filter goes last, since the guest may send until the link is down. */
async function unfilter(
  run: VifRun,
  own: string | undefined,
  names: readonly string[],
  bridge: string,
): Promise<void> {
  const { system, log } = run.context;
  const { device } = run.call;
  const port = own === undefined ? undefined : readPort(system, own);
  if (port?.up && port.master !== undefined)
    return log.warn(`${own} could not be taken off ${port.master}, so its filter stays.`);
  const strays = () => orLeft(log, () => strayFilterSteps(run, names), []);
  const steps = () => [...portFilterRemoval(system, device, names), ...strays()];
  warnOf(log, await letGoOfPort(system, bridge, steps));
  await markSettings(run, undefined, false);
}

/** Warns of what could not be removed, and not of what was gone already. */
function warnOf(log: Log, failures: readonly string[]): void {
  for (const sentence of failures) {
    // A tool that fails for all of its lines says so for each.
    const real = [...new Set(failuresOf({ error: sentence.replace(/\.$/, '') }))];
    if (real.length > 0)
      log.warn(`${real.join('; ')}. Mend the cause, then "xen-network refilter" removes what is left.`);
  }
}
