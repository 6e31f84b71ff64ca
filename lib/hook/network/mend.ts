import { XenNetworkError } from '../../errors.ts';
import { readBridgeRecords } from '../../observe/bridge/uplink.ts';
import { observeHost } from '../../observe/host/host.ts';
import { damageOf } from '../../plan/bridge/found.ts';
import { allBridged } from '../../plan/bridge/layout.ts';
import type { Context } from '../context.ts';
import { runTransaction } from './network.ts';
import { FORCED } from './transaction.ts';

/**
 * Stops the bridges from which somebody removed a part since their start, which restores the rest of the host's
 * network.
 * @param context the call
 * @returns a sentence for each bridge
 */
export async function mendBridges(context: Context): Promise<string[]> {
  const records = readBridgeRecords(context.system);
  if (records.length === 0) return [];
  const hook = (await context.networkHooks()).get('network-bridge');
  const state = observeHost(context.system);
  const sentences: string[] = [];
  const log = { ...context.log, warn: (sentence: string) => void sentences.push(sentence) };
  for (const record of allBridged(state, records)) {
    try {
      if (damageOf(state, record) === undefined) continue;
      let isMended = false;
      // A hook that held the lock until now may have stopped the bridge.
      const work = () => {
        const now = readBridgeRecords(context.system).find(({ bridge }) => bridge === record.bridge);
        isMended = now !== undefined && damageOf(observeHost(context.system), now) !== undefined;
        if (!isMended) return undefined;
        return hook?.stop({ ...context, log }, { netdev: record.netdev, bridge: record.bridge });
      };
      await runTransaction({ ...context, hook: 'network-bridge', log }, () => [work], FORCED);
      if (isMended) sentences.push(`${record.netdev} is off the bridge ${record.bridge}.`);
    } catch (thrown) {
      if (!(thrown instanceof XenNetworkError)) throw thrown;
      sentences.push(thrown.message);
    }
  }
  return sentences;
}
