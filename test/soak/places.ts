import type { Place } from './model.ts';

export const DOMIDS = [1, 2, 3, 4, 5, 6] as const;
/** The Open vSwitch of hosts that have one. */
export const SWITCH = 'ovsbr0';
export const PLACES: readonly Place[] = ['bridged', 'virtual', 'nat', 'routed', 'switched'];
export const HOOK_OF: Readonly<Record<Place, string>> = {
  bridged: 'vif-bridge',
  virtual: 'vif-bridge',
  nat: 'vif-nat',
  routed: 'vif-route',
  switched: 'vif-openvswitch',
};

/**
 * The addresses that a guest may use.
 * @param domid its domain
 * @param place where its card goes
 */
export function addressesOf(domid: number, place: Place): { readonly v4: string; readonly v6?: string } {
  switch (place) {
    case 'bridged':
      return { v4: `192.0.3.${100 + domid}`, v6: `2001:db8:1::${100 + domid}` };
    case 'virtual':
      return { v4: `10.1.1.${100 + domid}` };
    case 'nat':
      return { v4: `10.0.1.${domid}` };
    case 'routed':
      return { v4: `198.51.100.${domid}`, v6: `2001:db8:7::${domid}` };
    case 'switched':
      return { v4: `192.0.4.${100 + domid}` };
  }
}

/**
 * By what a guest leaves its network, or what the host has there, which is the same but for a bridge with a card.
 * @param domid its domain
 * @param place where its card goes
 * @param what its gateway, or the host
 */
export function gatewayOf(
  domid: number,
  place: Place,
  what: 'gateway' | 'the host' = 'gateway',
): readonly [v4: string, v6?: string] {
  switch (place) {
    case 'bridged':
      return what === 'gateway' ? ['192.0.3.1', '2001:db8:1::1'] : ['192.0.3.2', '2001:db8:1::2'];
    case 'virtual':
      return ['10.1.1.1'];
    case 'nat':
      return [`10.0.1.${domid + 127}`];
    case 'routed':
      return ['192.0.2.2', '2001:db8::2'];
    case 'switched':
      return ['192.0.4.1'];
  }
}
