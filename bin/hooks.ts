import type { Hooks, NetworkHooks } from '../lib/hook/context.ts';

/** Every hook by its name in /etc/xen/scripts; each is loaded when it is called. */
export const HOOKS: Hooks = {
  'network-bridge': async () => (await import('./networks.ts')).networkBridge,
  'network-multi-bridge': async () => (await import('./networks.ts')).networkMultiBridge,
  'network-nat': async () => (await import('./networks.ts')).networkNat,
  'network-route': async () => (await import('./networks.ts')).networkRoute,
  'network-virtual': async () => (await import('./networks.ts')).networkVirtual,
  'vif-bridge': async () => (await import('../scripts/vif-bridge.ts')).vifBridge,
  'vif-nat': async () => (await import('../scripts/vif-nat.ts')).vifNat,
  'vif-openvswitch': async () => (await import('../scripts/vif-openvswitch.ts')).vifOpenvswitch,
  'vif-route': async () => (await import('../scripts/vif-route.ts')).vifRoute,
  'vif-setup': async () => (await import('../scripts/vif-setup.ts')).vifSetup(HOOKS),
};

/** Loads the hooks that start one network each, by name. */
export async function loadNetworkHooks(): Promise<NetworkHooks> {
  const { bridgeHook, natHook, routeHook, virtualHook } = await import('./networks.ts');
  return new Map([
    ['network-bridge', bridgeHook],
    ['network-nat', natHook],
    ['network-route', routeHook],
    ['network-virtual', virtualHook],
  ]);
}
