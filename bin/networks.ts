// The network hooks as one piece of the compiled program: vif hooks, which have to be quick, are in fewer pieces for it.
export { bridgeHook, networkBridge } from '../scripts/network-bridge.ts';
export { networkMultiBridge } from '../scripts/network-multi-bridge.ts';
export { natHook, networkNat } from '../scripts/network-nat.ts';
export { networkRoute, routeHook } from '../scripts/network-route.ts';
export { networkVirtual, virtualHook } from '../scripts/network-virtual.ts';
