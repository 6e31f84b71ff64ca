import { applyTeardown } from '../../../apply/apply.ts';
import { locked } from '../../../apply/locked.ts';
import { readStrictRecord, type StrictRecord } from '../../../observe/filter/strict.ts';
import { damagedChains, isWhole } from '../../../observe/filter/strict-health.ts';
import type { StrictListing } from '../../../observe/filter/strict-listing.ts';
import { readVifRecord } from '../../../observe/records.ts';
import { replaceRecordedRules } from '../../../plan/filter/recorded-rules.ts';
import { replaceForwardRules } from '../../../plan/filter/rules.ts';
import { planStrict, planStrictTable } from '../../../plan/filter/strict.ts';
import type { Step } from '../../../plan/step.ts';
import { STRICT_LOCK_PATH, strictRecordPath, vifRecordPath } from '../../../record/paths.ts';
import type { System } from '../../../system/system.ts';
import { learningSteps } from '../../vif/learning.ts';
import { sharedElements } from '../../vif/port-filter.ts';
import type { RunningVif, WantedFilter } from '../running.ts';
import { limitedSteps } from './limits.ts';
import { isHeldAs, type Look, lookAgain, lookIfChanged, noteChange, rulesOfDevice } from './look.ts';
import { straySteps } from './records.ts';

/** A device and the filters that it must have. */
export interface Wish extends WantedFilter {
  readonly vif: RunningVif;
}

/** What became of it. */
interface Outcome {
  /** Whether something had to be changed. */
  readonly changed: boolean;
  /** A sentence for each failure; after one each device has to be tried alone. */
  readonly failures: readonly string[];
}

const RIGHT: Outcome = { changed: false, failures: [] };

/**
 * Gives several devices their rules and elements, in one transaction for each family, since each transaction costs the
 * more the more guests there are. The caller must hold the devices' locks.
 * @param system the way to the filters
 * @param known the system that keeps what was read of the devices
 * @param look what was listed; it has the changes afterwards
 * @param wishes the devices
 * @returns what became of it
 */
export async function restoreTogether(
  system: System,
  known: System,
  look: Look,
  wishes: readonly Wish[],
): Promise<Outcome> {
  const rules = await giveRules(system, known, look, wishes);
  const elements = await putElements(system, known, look, wishes);
  return {
    changed: rules.changed || elements.changed,
    failures: [...rules.failures, ...elements.failures],
  };
}

async function giveRules(
  system: System,
  known: System,
  look: Look,
  wishes: readonly Wish[],
): Promise<Outcome> {
  const lacking = () =>
    wishes.flatMap((wish) => {
      const steps = ruleSteps(known, look, wish);
      return steps.length === 0 ? [] : { wish, steps };
    });
  if (lacking().length === 0) return RIGHT;
  lookIfChanged(system, look);
  const all = lacking();
  const of = (tool: Step['do']['tool']) =>
    all.flatMap(({ steps }) => steps.filter((step) => step.do.tool === tool));
  // At any moment a record has all rules that may be there, and what drops forged packets comes before what lets a guest's
  // packets pass.
  const parts = [of('nft'), of('iptables'), of('ip6tables')].filter((part) => part.length > 0);
  const before = all.flatMap(({ steps }) => recordsOf(steps).before);
  const apply = (steps: readonly Step[]) => applyTeardown(system, { steps, warnings: [] });
  const failures = await apply([...before, ...parts.flat()]);
  if (failures.length > 0) lookAgain(system, look);
  else {
    failures.push(...(await apply(all.flatMap(({ steps }) => recordsOf(steps).after))));
    for (const { wish } of all) look.given.set(wish.vif.run.call.device, wish.rules);
    noteChange(system, look, parts.length);
  }
  return { changed: true, failures };
}

function ruleSteps(known: System, look: Look, { vif, rules: wanted }: Wish): Step[] {
  const { run, state, bridge } = vif;
  const { device } = run.call;
  const { name } = state.port;
  const present = rulesOfDevice(look, device);
  const record = readVifRecord(known, device);
  // Somebody may have renamed the device since it was recorded.
  const saved = record ?? (bridge === undefined ? undefined : { bridge: bridge.name });
  // A device without a bridge has no table either.
  if (saved === undefined) return replaceForwardRules(name, present, wanted);
  const limited = limitedSteps(look.tables, vif, wanted);
  const rules = { present, wanted, limited };
  return replaceRecordedRules(vifRecordPath(device), record, { ...saved, name }, rules);
}

/** The steps that record rules before they come, and those once others have gone. */
function recordsOf(steps: readonly Step[]): { readonly before: Step[]; readonly after: Step[] } {
  const isRecord = ({ do: { tool } }: Step) => tool === 'record';
  const first = steps.findIndex((step) => !isRecord(step));
  const end = first < 0 ? steps.length : first;
  return { before: steps.slice(0, end).filter(isRecord), after: steps.slice(end).filter(isRecord) };
}

async function putElements(
  system: System,
  known: System,
  look: Look,
  wishes: readonly Wish[],
): Promise<Outcome> {
  const lacks = (by: System, { vif, strict }: Wish) => !isHeldAs(by, look, vif.state.port.name, strict);
  if (!wishes.some((wish) => lacks(known, wish))) return RIGHT;
  return locked(system, STRICT_LOCK_PATH, async () => {
    lookIfChanged(system, look);
    const all = wishes.filter((wish) => lacks(system, wish));
    const fresh = all.flatMap(({ strict }) => strict ?? []);
    const isTableWhole = look.listing !== undefined && damagedChains(look.listing, fresh).length === 0;
    const steps = [
      ...(isTableWhole || fresh.length === 0 ? [] : planStrictTable([], look.listing?.former)),
      ...all.flatMap((wish) => elementSteps(system, look.listing, wish, fresh)),
    ];
    const isNft = (step: Step) => step.do.tool === 'nft';
    const plan = {
      steps: [...learning(system, all), ...steps.filter(isNft), ...steps.filter((step) => !isNft(step))],
      warnings: [],
    };
    const failures = await applyTeardown(system, plan, { held: STRICT_LOCK_PATH });
    if (failures.length > 0 || !isTableWhole) lookAgain(system, look);
    else {
      const isCertain = all.some(
        ({ vif, strict }) =>
          look.listing !== undefined && !isWhole(look.listing, vif.state.port.name, strict),
      );
      for (const { vif, strict } of all) look.put.set(vif.state.port.name, strict);
      noteChange(system, look, isCertain ? 1 : undefined);
    }
    return { changed: true, failures };
  });
}

/** Each bridge once. */
function learning(system: System, wishes: readonly Wish[]): Step[] {
  const bridges = wishes.flatMap(({ vif: { bridge }, strict }) =>
    bridge === undefined || strict === undefined ? [] : bridge.name,
  );
  return [...new Set(bridges)].flatMap((bridge) => learningSteps(system, bridge));
}

function elementSteps(
  system: System,
  listing: StrictListing | undefined,
  { vif, strict }: Wish,
  all: readonly StrictRecord[],
): Step[] {
  const port = vif.state.port.name;
  const old = readStrictRecord(system, port);
  const isClean = listing === undefined || isWhole(listing, port, old);
  const change = { port, recordPath: strictRecordPath(port), old, fresh: strict, flushed: true };
  // What another of these devices gets is in no record yet.
  const beside = all.filter((record) => record !== strict).flatMap(({ elements }) => elements);
  return [
    ...(isClean ? [] : straySteps(listing, port, strict)),
    ...planStrict({ ...change, shared: [...sharedElements(system, port, strict), ...beside] }),
  ];
}
