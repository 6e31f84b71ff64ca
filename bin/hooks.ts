import type { Hooks, NetworkHooks } from '../lib/hook/context.ts';

/** Every hook by its name in /etc/xen/scripts; each is loaded when it is called. */
export const HOOKS: Hooks = {
  'network-bridge': async () => (await import('../scripts/network-bridge.ts')).networkBridge,
  'network-multi-bridge': async () => (await import('../scripts/network-multi-bridge.ts')).networkMultiBridge,
  'network-nat': async () => (await import('../scripts/network-nat.ts')).networkNat,
  'network-route': async () => (await import('../scripts/network-route.ts')).networkRoute,
  'network-virtual': async () => (await import('../scripts/network-virtual.ts')).networkVirtual,
  'vif-bridge': async () => (await import('../scripts/vif-bridge.ts')).vifBridge,
  'vif-nat': async () => (await import('../scripts/vif-nat.ts')).vifNat,
  'vif-openvswitch': async () => (await import('../scripts/vif-openvswitch.ts')).vifOpenvswitch,
  'vif-route': async () => (await import('../scripts/vif-route.ts')).vifRoute,
  'vif-setup': async () => (await import('../scripts/vif-setup.ts')).vifSetup(HOOKS),
};

/** Loads the hooks that start one network each, by name. */
export async function loadNetworkHooks(): Promise<NetworkHooks> {
  return new Map([
    ['network-bridge', (await import('../scripts/network-bridge.ts')).bridgeHook],
    ['network-nat', (await import('../scripts/network-nat.ts')).natHook],
    ['network-route', (await import('../scripts/network-route.ts')).routeHook],
    ['network-virtual', (await import('../scripts/network-virtual.ts')).virtualHook],
  ]);
}
