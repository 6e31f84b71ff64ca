import type { DoctorFacts, FilterDifference, FirewallFacts } from '../../../lib/desk/doctor/facts.ts';
import { XenNetworkError, XenstoreError } from '../../../lib/errors.ts';
import { type VoidRules, voidRules } from '../../../lib/filter/void-rules.ts';
import type { Context } from '../../../lib/hook/context.ts';
import { listAllRules, type RulesInPlace, rulesIn } from '../../../lib/hook/guests/refilter/records.ts';
import { type RunningVif, runningVifs, wantedFilter } from '../../../lib/hook/guests/running.ts';
import { readForeignChains } from '../../../lib/observe/desk/foreign-chains.ts';
import { policyWords } from '../../../lib/observe/desk/owners.ts';
import { bridgedFamilies, forwardDrops, unfilterWords } from '../../../lib/observe/filter/forward-policy.ts';
import { routedDrops, routedDropText, virtualDrops } from '../../../lib/observe/filter/routed-drops.ts';
import { defaultRouteDevice } from '../../../lib/observe/host/kernel-routes.ts';
import { deviceExists } from '../../../lib/observe/host/port.ts';
import { readSharedFile } from '../../../lib/observe/shared-settings.ts';
import { listBackends } from '../../../lib/observe/vif/backends.ts';
import { settingsOf, virtualHolder } from '../../../lib/record/shared-settings.ts';
import { parsePrefix } from '../../../lib/request/addresses.ts';
import type { System } from '../../../lib/system/system.ts';
import { withXenstore } from '../../../lib/system/xenstore/open.ts';
import { parseSavedTables } from '../../../lib/wire/iptables-save.ts';

type Known = Pick<DoctorFacts, 'state' | 'bridges' | 'virtuals' | 'records' | 'strict' | 'guests'>;

/**
 * Reads what the doctor wants to know of the firewall.
 * @param context the call, whose system asks the host each question once
 * @param known what is known of the host already
 * @param busy tells whether a hook works on a device now
 */
export async function readFirewallFacts(
  context: Context,
  known: Known,
  busy: (device: string) => boolean,
): Promise<FirewallFacts> {
  const { system } = context;
  const bridges = known.state.links.filter(({ kind }) => kind === 'bridge').map(({ name }) => name);
  const byBridge = <T>(value: (bridge: string) => T) =>
    new Map(bridges.map((name) => [name, value(name)] as const));
  const inPlace = listAllRules(system);
  const chains = readForeignChains(system, bridges);
  return {
    bridged: byBridge((name) => forwardDrops(system, name)),
    unfilter: byBridge((name) => unfilterWords(system, name)),
    filtered: byBridge((name) => bridgedFamilies(system, name)),
    owner: policyWords(system),
    routed: [...routedTexts(system, known), ...virtualTexts(system, known)],
    chains,
    voided: new Map(known.bridges.map((record) => [record.bridge, voidedBy(chains, known, record)])),
    differences: await readDifferences(context, known, inPlace, busy),
    strays: strayRules(system),
  };
}

/** Only what a host lets in and out by its own devices; the hooks follow with theirs. */
function voidedBy(
  chains: FirewallFacts['chains'],
  { state }: Known,
  { nicIndex, netdev, topology, bridge }: Known['bridges'][number],
): VoidRules {
  const nic = state.links.find(({ index }) => index === nicIndex);
  const top = topology === 'classic' ? netdev : bridge;
  const none = { rules: [], closing: [], silencing: [] };
  if (nic === undefined || nic.name === top || !state.links.some(({ name }) => name === top)) return none;
  return voidRules(chains, { from: nic.name, to: top, present: top });
}

/** Routed guests whose packets a chain of others drops. */
function routedTexts(system: System, { guests, records }: Known): string[] {
  const uplink = defaultRouteDevice(system);
  const ways = uplink === undefined ? [] : [uplink];
  return guests.flatMap(({ devices }) =>
    devices.flatMap(({ device, name }) => {
      const routes = (records.get(device)?.assigned ?? []).flatMap((item) =>
        item.kind === 'route' ? (parsePrefix(item.prefix) ?? []) : [],
      );
      return ([4, 6] as const).flatMap((family) => {
        const sources = routes.filter((prefix) => prefix.family === family);
        if (sources.length === 0) return [];
        const has = (records.get(device)?.rules[family].length ?? 0) > 0;
        const drops = routedDrops(system, family, { device: name, sources, ways }, has ? 'nothing' : 'rules');
        return drops.map((drop) => routedDropText(system, name, drop));
      });
    }),
  );
}

function virtualTexts(system: System, { virtuals }: Known): string[] {
  const shared = readSharedFile(system);
  return virtuals.flatMap(({ bridge }) =>
    virtualDrops(system, bridge, settingsOf(shared, virtualHolder(bridge))).map((drop) =>
      routedDropText(system, bridge, drop),
    ),
  );
}

/** What the devices' own hooks would give them now, beside what they have. */
async function readDifferences(
  context: Context,
  { guests, strict }: Known,
  inPlace: RulesInPlace,
  busy: (device: string) => boolean,
): Promise<FilterDifference[]> {
  const silent = () => {};
  const quiet = { ...context, log: { ...context.log, warn: silent, error: silent, info: silent } };
  const names = new Map(guests.map(({ domid, guest }) => [domid, guest]));
  try {
    const native = await context.system.native();
    return await withXenstore(native, context.env, async (store) => {
      const found: FilterDifference[] = [];
      for (const vif of await runningVifs(quiet, store, await listBackends(store)))
        if (!busy(vif.run.call.device))
          found.push(await differenceOf(vif, names.get(vif.run.call.domid) ?? '', inPlace, strict));
      return found;
    });
  } catch (thrown) {
    // The map has said so.
    if (thrown instanceof XenstoreError) return [];
    throw thrown;
  }
}

async function differenceOf(
  vif: RunningVif,
  guest: string,
  inPlace: RulesInPlace,
  strict: Known['strict'],
): Promise<FilterDifference> {
  const device = vif.state.port.name;
  const none = { device, guest, missing: [], extra: [], strict: 'right' } as const;
  try {
    const { rules, strict: wanted } = await wantedFilter(vif);
    const there = rulesIn(inPlace, vif.run.call.device);
    const families = [4, 6] as const;
    return {
      ...none,
      missing: families.flatMap((family) => rules[family].filter((rule) => !there[family].includes(rule))),
      extra: families.flatMap((family) => there[family].filter((rule) => !rules[family].includes(rule))),
      strict: strictState(strict.get(device), wanted),
    };
  } catch (thrown) {
    if (!(thrown instanceof XenNetworkError)) throw thrown;
    return { ...none, refusal: thrown.message };
  }
}

function strictState(
  found: ReturnType<Known['strict']['get']>,
  wanted: ReturnType<Known['strict']['get']>,
): FilterDifference['strict'] {
  if (found === undefined) return wanted === undefined ? 'right' : 'missing';
  if (wanted === undefined) return 'needless';
  return JSON.stringify(found) === JSON.stringify(wanted) ? 'right' : 'other';
}

/** Rules without an owner, such as the stock scripts make, for a guest's device that is gone. */
function strayRules(system: System): string[] {
  const { stdout } = system.run(['iptables-save'], { isListing: true });
  const filter = parseSavedTables(stdout).find(({ name }) => name === 'filter');
  return (filter?.rules ?? []).filter((rule) => {
    if (!rule.startsWith('FORWARD ') || rule.includes('"xen-network ')) return false;
    const named = [
      ...rule.matchAll(/(?:-i|-o|--physdev-in|--physdev-out) ((?:vif|tap)\d+\.\d+(?:-emu)?)(?= |$)/g),
    ];
    return named.some(([, device = '']) => !deviceExists(system, device));
  });
}
