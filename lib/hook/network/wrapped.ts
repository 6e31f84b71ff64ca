import { type TableSetting, wrappedDrops } from '../../filter/wrapped.ts';
import { nftRefusal } from '../../observe/filter/nft-refusal.ts';
import { tableOfBridge } from '../../observe/vif/guest-ports.ts';
import type { SharedSetting } from '../../record/shared-settings.ts';
import type { System } from '../../system/system.ts';

/** The shared setting that drops wrapped and forged packets of a bridge's guests, or a warning where nft cannot do that. */
export interface Wrapping {
  /** One, or none. */
  readonly sharedSettings: readonly SharedSetting[];
  readonly warnings: readonly string[];
}

/** For a bridge without antispoof=yes. */
export const NOT_WRAPPED: Wrapping = { sharedSettings: [], warnings: [] };

/**
 * The shared setting by which guests of a bridge under antispoof=yes can neither send IP packets that iptables does not
 * see nor forged ones to the host. Asks the kernel what it can do; changes nothing.
 * @param system the way to nft and the record of shared settings
 * @param bridge the bridge's name
 * @param card the card's name as a port; undefined where the bridge has none
 * @throws HostError where nft or the kernel cannot tell for want of memory or the like
 */
export function wrappedSetting(system: System, bridge: string, card: string | undefined): Wrapping {
  const held = tableOfBridge(system, bridge);
  if (held !== undefined) return { sharedSettings: [held], warnings: [] };
  let refusal = '';
  for (const byBridge of [true, false]) {
    const setting: TableSetting = {
      kind: 'wrapped',
      bridge,
      ...(card === undefined ? {} : { card }),
      byBridge,
    };
    const refused = refusalOf(system, wrappedDrops(setting));
    if (refused === undefined) return { sharedSettings: [setting], warnings: [] };
    refusal = refused;
  }
  return { sharedSettings: [], warnings: [unwrapped(refusal)] };
}

/** Why nft refuses the commands; undefined where it accepts them. */
const refusalOf = (system: System, drops: string): string | undefined =>
  nftRefusal(system, `${drops}\n`, 'drop frames by what is in them');

function unwrapped(refusal: string): string {
  return (
    'antispoof=yes stops neither packets that guests wrap in a second VLAN tag, in MPLS and the like, nor forged packets ' +
    `to this host, which may route them on, because ${refusal}. ` +
    'Install nftables, with a kernel that has its bridge family, and start the bridge again.'
  );
}
