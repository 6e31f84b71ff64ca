import type { Context } from '../lib/hook/context.ts';
import { runNetworkHook } from '../lib/hook/network.ts';
import { routeHook } from '../lib/hook/route.ts';

/** Lets guests be reached by a route through this host (docs/contract.md, "network-route"). */
export function networkRoute(context: Context): Promise<number> {
  return runNetworkHook(context, routeHook);
}
