import { namedElement, wrappedDrops } from '../../filter/wrapped.ts';
import type { VifRecord } from '../../observe/records.ts';
import { readSharedFile } from '../../observe/shared-settings.ts';
import { isToldByName, namedGuests } from '../../observe/vif/guest-names.ts';
import { type Command, lastingStep, type Step } from '../../plan/step.ts';
import type { SharedSetting } from '../../record/shared-settings.ts';
import type { System } from '../../system/system.ts';

const nft = (line: string): Command => ({ tool: 'nft', line });

/**
 * The steps that add a guest's vifname to the table that drops wrapped IP packets. Only a bridge with antispoof=yes on a
 * kernel that cannot match a frame's bridge needs them.
 * @param system the way to the shared settings
 * @param bridge the bridge's name
 * @param port the name of the guest's device on the bridge
 * @param before the record of an earlier online
 * @param flushed the table or a name in it is missing, so the table is made anew for all guests
 */
export function namedPortSteps(
  system: System,
  bridge: string,
  port: string,
  before: VifRecord | undefined,
  flushed: boolean,
): Step[] {
  if (before?.bridge === bridge && before.name === port) return [];
  const old = before === undefined || flushed ? [] : unnamedPortSteps(system, before.bridge, before.name);
  const table = isToldByName(port) ? undefined : toldByNames(system, bridge);
  if (table === undefined) return old;
  const why = `drop wrapped IP packets of ${port}`;
  const others = namedGuests(system, bridge).filter((name) => name !== before?.name);
  if (flushed) return [lastingStep(nft(wrappedDrops({ ...table, guests: [...others, port] })), why)];
  const element = namedElement(bridge, port);
  return [...old, { do: nft(`add ${element}`), undo: [nft(`delete ${element}`)], why }];
}

/**
 * The steps that remove a guest's vifname from that table.
 * @param system the way to the shared settings
 * @param bridge the bridge's name
 * @param port the guest's name on the bridge
 */
export function unnamedPortSteps(system: System, bridge: string, port: string): Step[] {
  if (isToldByName(port) || toldByNames(system, bridge) === undefined) return [];
  const element = namedElement(bridge, port);
  return [
    {
      do: nft(`delete ${element}`),
      undo: [nft(`add ${element}`)],
      why: `no longer drop wrapped IP packets of ${port}`,
    },
  ];
}

function toldByNames(
  system: System,
  bridge: string,
): (SharedSetting & { readonly kind: 'wrapped' }) | undefined {
  return readSharedFile(system).flatMap(({ setting }) =>
    setting.kind === 'wrapped' && setting.bridge === bridge && !setting.byBridge ? [setting] : [],
  )[0];
}
