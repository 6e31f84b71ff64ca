import { bridgeHook } from '../lib/hook/bridge.ts';
import type { Context } from '../lib/hook/context.ts';
import { runNetworkHook } from '../lib/hook/network.ts';

/** Bridges one of the host's network cards: contract 4, network-bridge. */
export function networkBridge(context: Context): Promise<number> {
  return runNetworkHook(context, bridgeHook);
}
