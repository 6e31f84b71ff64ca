import { bridgeHook } from '../lib/hook/bridge.ts';
import type { Context } from '../lib/hook/context.ts';
import { runNetworkHook } from '../lib/hook/network.ts';

/** Bridges one of the host's network cards (docs/contract.md, "network-bridge start" and "network-bridge stop"). */
export function networkBridge(context: Context): Promise<number> {
  return runNetworkHook(context, bridgeHook);
}
