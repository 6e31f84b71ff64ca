import { pendingSentences } from '../../lib/apply/confirm.ts';
import { damagedJournals } from '../../lib/apply/journal.ts';
import { toldOrUnknown, tried } from '../../lib/desk/check/finding.ts';
import { hostMap, type MapFacts } from '../../lib/desk/map/map.ts';
import { mapSvg } from '../../lib/desk/map/map-svg.ts';
import { mapText } from '../../lib/desk/map/map-text.ts';
import { messageOf, XenstoreError } from '../../lib/errors.ts';
import type { Context } from '../../lib/hook/context.ts';
import { strictBridges } from '../../lib/hook/guests/strict-table.ts';
import { lostSettings } from '../../lib/hook/network/shared-settings.ts';
import { readSpanningTree } from '../../lib/observe/bridge/spanning-tree.ts';
import { readBridgeRecords } from '../../lib/observe/bridge/uplink.ts';
import { type GuestCard, readCard, readGuestCards, readSwitches } from '../../lib/observe/desk/facts.ts';
import { readStrictRecords } from '../../lib/observe/filter/strict.ts';
import { strictDamage } from '../../lib/observe/filter/strict-health.ts';
import { readDrops } from '../../lib/observe/filter/strict-listing.ts';
import { readVirtualRecords } from '../../lib/observe/forward/virtual.ts';
import { hostName } from '../../lib/observe/host/config-file.ts';
import { observeHost } from '../../lib/observe/host/host.ts';
import { damagedRecords, readVifRecords } from '../../lib/observe/records.ts';
import { withXenstore } from '../../lib/system/xenstore/open.ts';
import { wantsColour } from '../../lib/text.ts';

/** How the map is shown. */
export type MapForm = 'text' | 'json' | 'svg';

/**
 * Shows the map of the host: its bridges, switches and routed guests, and what is wrong.
 * @param context the call
 * @param form as JSON, for programs, or as a picture; else as text
 * @returns 0; 1 if there is a warning
 * @throws HostError if a tool that lists the host's state fails
 */
export async function status(context: Context, form: MapForm): Promise<number> {
  const { system, env, print } = context;
  const map = hostMap(await readMapFacts(context));
  if (form === 'json') {
    print(`${JSON.stringify(map, null, 2)}\n`);
  } else if (form === 'svg') {
    print(mapSvg(map));
  } else {
    const width = system.terminalWidth('out');
    const isUtf8 = /utf-?8/i.test(env['LC_ALL'] || env['LC_CTYPE'] || env['LANG'] || '');
    const style = {
      width: width ?? Number.POSITIVE_INFINITY,
      colour: wantsColour(width !== undefined, env),
      unicode: isUtf8,
    };
    system.print(mapText(map, style), 'out');
  }
  return map.warnings.length === 0 ? 0 : 1;
}

/**
 * What the map of the host is drawn from.
 * @param context the call
 * @throws HostError where the host cannot be looked at
 */
export async function readMapFacts(context: Context): Promise<MapFacts> {
  const { system } = context;
  const { guests, warnings } = await guestsOf(context);
  const state = observeHost(system);
  const bridges = state.links.filter(({ kind }) => kind === 'bridge').map(({ name }) => name);
  const strict = readStrictRecords(system);
  const drops = tried(() => (strict.size === 0 ? new Map() : readDrops(system)));
  return {
    host: hostName(system),
    state,
    cards: new Map(state.links.map(({ name }) => [name, readCard(system, name)])),
    bridges: readBridgeRecords(system),
    virtuals: readVirtualRecords(system),
    switches: readSwitches(system),
    guests,
    records: new Map(readVifRecords(system)),
    strict: new Map(strict),
    drops: 'value' in drops ? drops.value : new Map(),
    spanning: bridges.filter((name) => readSpanningTree(system, name).stp_state !== '0'),
    warnings: [
      ...pendingSentences(system),
      ...warnings,
      ...(await toldOrUnknown(() => strictDamage(system, strictBridges(system)))),
      ...('value' in drops ? [] : [drops.sentence]),
      ...damagedJournals(system),
      ...damagedRecords(system),
      ...(await toldOrUnknown(() => lostSettings(system))),
    ],
  };
}

async function guestsOf(context: Context): Promise<{ guests: GuestCard[]; warnings: string[] }> {
  try {
    const native = await context.system.native();
    return await withXenstore(native, context.env, async (store) => ({
      guests: await readGuestCards(store, context.system),
      warnings: [],
    }));
  } catch (thrown) {
    if (!(thrown instanceof XenstoreError)) throw thrown;
    return { guests: [], warnings: [`No guest is shown: ${messageOf(thrown)}`] };
  }
}
