import { wrappedDrops } from '../../filter/wrapped.ts';
import { readSharedFile } from '../../observe/shared-settings.ts';
import { namedGuests } from '../../observe/vif/guest-names.ts';
import { type SharedSetting, settingKey } from '../../record/shared-settings.ts';
import type { System } from '../../system/system.ts';

/** The shared setting that drops wrapped packets of a bridge's guests, or a warning where nft cannot do that. */
export interface Wrapping {
  /** One, or none. */
  readonly sharedSettings: readonly SharedSetting[];
  readonly warnings: readonly string[];
}

/** For a bridge without antispoof=yes. */
export const NOT_WRAPPED: Wrapping = { sharedSettings: [], warnings: [] };

/**
 * The shared setting by which guests of a bridge under antispoof=yes cannot send IP packets that iptables does not see.
 * Asks the kernel whether it can match a frame's bridge; changes nothing.
 * @param system the way to nft and the record of shared settings
 * @param bridge the bridge's name
 * @param card the card's name as a port; undefined where the bridge has none
 */
export function wrappedSetting(system: System, bridge: string, card: string | undefined): Wrapping {
  const wanted = (byBridge: boolean) => {
    const names = byBridge ? [] : namedGuests(system, bridge);
    const more = {
      ...(card === undefined ? {} : { card }),
      ...(names.length === 0 ? {} : { guests: names }),
    };
    return { kind: 'wrapped', bridge, byBridge, ...more } as const;
  };
  const held = readSharedFile(system).find(({ setting }) => settingKey(setting) === settingKey(wanted(true)));
  if (held !== undefined) return { sharedSettings: [held.setting], warnings: [] };
  if (refusalOf(system, wrappedDrops(wanted(true))) === undefined)
    return { sharedSettings: [wanted(true)], warnings: [] };
  const refusal = refusalOf(system, wrappedDrops(wanted(false)));
  return refusal === undefined
    ? { sharedSettings: [wanted(false)], warnings: [] }
    : { sharedSettings: [], warnings: [unwrapped(refusal)] };
}

/** Why nft refuses the commands; undefined where it accepts them. */
function refusalOf(system: System, drops: string): string | undefined {
  const { status, stderr } = system.run(['nft', '-c', '-f', '-'], { input: `${drops}\n` });
  if (status === 0) return undefined;
  const said = /Error: ([^\n]+)/.exec(stderr)?.[1] ?? stderr.trim();
  return status === 127 || said === '' ? 'nft is not installed' : `nft says: ${said}`;
}

function unwrapped(refusal: string): string {
  return (
    `antispoof=yes does not stop packets that guests wrap in a second VLAN tag, in MPLS and the like, because ${refusal}. ` +
    'Install nftables, with a kernel that has its bridge family, and start the bridge again.'
  );
}
