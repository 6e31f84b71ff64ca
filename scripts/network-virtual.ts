import type { Context } from '../lib/hook/context.ts';
import { runNetworkHook } from '../lib/hook/network.ts';
import { virtualHook } from '../lib/hook/virtual.ts';

/** Gives guests a network of their own (docs/contract.md, "network-virtual"). */
export function networkVirtual(context: Context): Promise<number> {
  return runNetworkHook(context, virtualHook);
}
