import type { Context } from '../lib/hook/context.ts';
import { runMulti } from '../lib/hook/multi.ts';

/** Starts or stops several networks as one (docs/contract.md, "network-multi-bridge"). */
export function networkMultiBridge(context: Context): Promise<number> {
  return runMulti(context);
}
