import type { Applet } from '../../lib/hook/context.ts';
import { networkBridge } from '../../scripts/network-bridge.ts';
import { networkMultiBridge } from '../../scripts/network-multi-bridge.ts';
import { networkNat } from '../../scripts/network-nat.ts';
import { networkRoute } from '../../scripts/network-route.ts';
import { networkVirtual } from '../../scripts/network-virtual.ts';
import { vifBridge } from '../../scripts/vif-bridge.ts';
import { vifNat } from '../../scripts/vif-nat.ts';
import { vifOpenvswitch } from '../../scripts/vif-openvswitch.ts';
import { vifRoute } from '../../scripts/vif-route.ts';

/** The hooks that tests run in a process of their own making, by their names. */
export const HOOKS: Readonly<Record<string, Applet>> = {
  'network-bridge': networkBridge,
  'network-multi-bridge': networkMultiBridge,
  'network-nat': networkNat,
  'network-route': networkRoute,
  'network-virtual': networkVirtual,
  'vif-bridge': vifBridge,
  'vif-nat': vifNat,
  'vif-openvswitch': vifOpenvswitch,
  'vif-route': vifRoute,
};
