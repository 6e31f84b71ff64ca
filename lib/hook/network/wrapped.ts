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

/** What kernels can do, the best first: match a frame's bridge; sets of ranges for each port (Linux 5.6). */
const ABILITIES = [
  { byBridge: true },
  { byBridge: false },
  { byBridge: true, ranges: false },
  { byBridge: false, ranges: false },
] as const;

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
  const settings = ABILITIES.map(
    (abilities): TableSetting => ({
      kind: 'wrapped',
      bridge,
      ...(card === undefined ? {} : { card }),
      ...abilities,
    }),
  );
  let refusal = '';
  for (const setting of settings) {
    const refused = refusalOf(system, wrappedDrops(setting));
    if (refused === undefined)
      return { sharedSettings: [setting], warnings: setting.ranges === false ? [unranged(bridge)] : [] };
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

function unranged(bridge: string): string {
  return (
    `antispoof=yes does not stop forged packets to this host of those guests of ${bridge} that have a range in ip=, because ` +
    'this kernel has no sets for that (Linux 5.6 has). Give such guests single addresses, or antispoof=strict.'
  );
}
