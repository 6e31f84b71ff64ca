import type { Context } from '../lib/hook/context.ts';
import { natHook } from '../lib/hook/nat.ts';
import { runNetworkHook } from '../lib/hook/network.ts';

/** Lets guests go outside as this host (docs/contract.md, "network-nat"). */
export function networkNat(context: Context): Promise<number> {
  return runNetworkHook(context, natHook);
}
