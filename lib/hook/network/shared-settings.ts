import { applyTeardown } from '../../apply/apply.ts';
import { sharedFacts } from '../../apply/shared-settings.ts';
import { readPresent } from '../../observe/forward/forwarding.ts';
import { readGuestSettings, readSharedSettings } from '../../observe/shared-settings.ts';
import { isMet, restore, share } from '../../plan/shared/shared-settings.ts';
import { type Step, shareStep } from '../../plan/step.ts';
import { bridgeRecordPath, damagedPath, natRecordPath, virtualRecordPath } from '../../record/paths.ts';
import {
  type SharedSetting,
  type SharedSettings,
  settingKey,
  settingsOf,
  settingText,
} from '../../record/shared-settings.ts';
import type { System } from '../../system/system.ts';

/** What is not kept from an earlier start: filtered guests hold the strict table themselves, and counters stay. */
const RENEWED: ReadonlySet<SharedSetting['kind']> = new Set(['strict', 'account']);

/**
 * The step after which a started hook holds the shared settings that it needs, in addition to those from an earlier
 * start.
 * @param system the way to the host
 * @param holder the holder: hook and device, such as "network-nat eth0"
 * @param sharedSettings the shared settings
 * @returns empty where it holds all of them
 */
export function holdShared(system: System, holder: string, sharedSettings: readonly SharedSetting[]): Step[] {
  const shared = readSharedSettings(system);
  const keys = new Set(sharedSettings.map(settingKey));
  const earlier = settingsOf(shared, holder);
  const others = earlier.filter((setting) => !RENEWED.has(setting.kind) && !keys.has(settingKey(setting)));
  const wanted = [...sharedSettings, ...others];
  const change = share(shared, sharedFacts(system, shared, wanted), holder, wanted);
  const isHeld = change.steps.length === 0 && earlier.length === wanted.length;
  return isHeld ? [] : [shareStep(holder, earlier, wanted)];
}

/**
 * The step that ends what a holder holds.
 * @param system the way to the host
 * @param holder the holder: hook and device
 * @returns empty where it holds nothing
 */
export function letGoShared(system: System, holder: string): Step[] {
  const held = settingsOf(readSharedSettings(system), holder);
  return held.length === 0 ? [] : [shareStep(holder, held, [])];
}

/**
 * The steps that restore all shared settings, as after a flush of the firewall.
 * @param system the way to the host
 */
export function restoreShared(system: System): Step[] {
  const shared = readSharedSettings(system);
  return restore(shared, sharedFacts(system, shared, []));
}

/**
 * Ends what forgotten holders hold: hooks whose records are gone, and guests that went without an offline. The caller
 * must hold the lock of the network hooks.
 * @param system the way to the host
 * @returns a sentence for each holder
 */
export async function collectShared(system: System): Promise<string[]> {
  const holders = (shared: SharedSettings) => new Set(shared.flatMap((held) => held.holders));
  const shared = readSharedSettings(system);
  const there = holders(readGuestSettings(system));
  const left = [...holders(shared)].filter((holder) => !there.has(holder) || isForgotten(system, holder));
  const steps = left.map((holder) => shareStep(holder, settingsOf(shared, holder), []));
  const failures = await applyTeardown(system, { steps, warnings: [] });
  return [
    ...left.map(
      (holder) => `The shared settings of ${holder} were released, since it has no record any more.`,
    ),
    ...failures,
  ];
}

const RECORDS: ReadonlyMap<string, (name: string) => string> = new Map([
  ['bridge', bridgeRecordPath],
  ['virtual', virtualRecordPath],
  ['nat', natRecordPath],
]);

/** A record that cannot be read still counts, and network-route has no other record than the shared settings. */
function isForgotten(system: System, holder: string): boolean {
  const [, hook = '', name = ''] = /^network-(bridge|virtual|nat) (.+)$/.exec(holder) ?? [];
  const path = RECORDS.get(hook)?.(name);
  return path !== undefined && !system.exists(path) && !system.exists(damagedPath(path));
}

/**
 * Checks that the host has the shared settings that a hook needs.
 * @param system the way to the host
 * @param sharedSettings the shared settings
 * @returns a sentence for each that is missing
 */
export function unmetSettings(system: System, sharedSettings: readonly SharedSetting[]): string[] {
  return lacking(system, sharedSettings).map(
    (wanted) => `${settingText(wanted)} is not as it was set: something else changes it at the same time.`,
  );
}

/**
 * The shared settings that are missing on the host, as after a flush of the firewall.
 * @param system the way to the host
 * @returns a sentence for each holder that lacks one
 */
export function lostSettings(system: System): string[] {
  // `strictDamage` reports what the strict table lacks.
  const shared = readSharedSettings(system).filter(({ setting }) => setting.kind !== 'strict');
  if (shared.length === 0) return [];
  const lost = new Set(
    lacking(
      system,
      shared.map(({ setting }) => setting),
    ),
  );
  const holders = [
    ...new Set(shared.filter(({ setting }) => lost.has(setting)).flatMap((held) => held.holders)),
  ];
  return holders.map((holder) => lostText(holder, shared, lost));
}

const MOST_NAMED = 3;

function lostText(holder: string, shared: SharedSettings, lost: ReadonlySet<SharedSetting>): string {
  const what = settingsOf(shared, holder)
    .filter((setting) => lost.has(setting))
    .map(settingText);
  const more = what.length > MOST_NAMED ? ` and ${what.length - MOST_NAMED} more` : '';
  return `${holder} lacks ${what.slice(0, MOST_NAMED).join('; ')}${more}: "xen-network refilter" puts it back.`;
}

function lacking(system: System, sharedSettings: readonly SharedSetting[]): SharedSetting[] {
  const present = readPresent(system, sharedSettings);
  return sharedSettings.filter((wanted) => !isMet(wanted, present.get(settingKey(wanted))));
}
