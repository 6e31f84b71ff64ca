import type { GuestCard } from '../../observe/desk/facts.ts';
import { type Prefix, parsePrefix } from '../../request/addresses.ts';
import { uplinkOf } from '../doctor/complaint.ts';
import type { DoctorFacts } from '../doctor/facts.ts';
import type { HostMap, Network } from '../map/map.ts';

/** One device of a guest, and where its packets go. */
export interface Way {
  readonly card: GuestCard;
  /** The kernel's name of the device, and its present one. */
  readonly device: string;
  readonly port: string;
  /** Undefined where it is on none. */
  readonly network: Network | undefined;
  /** The device by which packets leave this host; undefined where there is none. */
  readonly uplink: string | undefined;
  /** The host's own end of the network. */
  readonly end: string | undefined;
  readonly gateway: string | undefined;
  readonly addresses: readonly Prefix[];
}

/**
 * The ways of a guest's devices.
 * @param facts what is so on the host
 * @param map the map that is drawn from them
 * @param cards the guest's cards
 */
export function waysOf(facts: DoctorFacts, { networks }: HostMap, cards: readonly GuestCard[]): Way[] {
  const outside = uplinkOf(facts.state);
  return cards.flatMap((card) =>
    card.devices.map(({ device, name }): Way => {
      const network = networks.find(({ guests }) => guests.some((port) => port.device === name));
      const isRouted = network?.kind === 'routed';
      const end = network?.dom0?.device;
      const byEnd = !isRouted && end === outside.device;
      return {
        card,
        device,
        port: name,
        network,
        uplink: isRouted ? outside.device : network?.cards[0]?.device,
        end: isRouted ? undefined : end,
        gateway: isRouted || byEnd ? outside.gateway : undefined,
        addresses: addressesOf(facts, card, device),
      };
    }),
  );
}

/** For vif-nat the words of ip= mean something else; the routes tell what came of them. */
function addressesOf({ records }: DoctorFacts, card: GuestCard, device: string): Prefix[] {
  const routed = (records.get(device)?.assigned ?? []).flatMap((item) =>
    item.kind === 'route' ? [item.prefix] : [],
  );
  const words = routed.length > 0 ? routed : card.addresses;
  return words.flatMap((word) => parsePrefix(word) ?? []);
}
