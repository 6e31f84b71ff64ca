import { XenNetworkError } from '../../errors.ts';
import { readBridgeRecords, usualCard } from '../../observe/bridge/uplink.ts';
import { readVirtualRecords } from '../../observe/forward/virtual.ts';
import { type HostState, observeHost } from '../../observe/host/host.ts';
import { linkOf } from '../../plan/bridge/check.ts';
import { findBridged, layoutOf } from '../../plan/bridge/layout.ts';
import { parseArguments, withoutQuotes } from '../../request/arguments.ts';
import { parseBridgeRequest } from '../../request/bridge.ts';
import { parseVirtualRequest } from '../../request/forward.ts';
import { MULTI_LIST, parseMultiArguments, parseMultiList } from '../../request/multi-bridge.ts';
import type { System } from '../../system/system.ts';
import { FOREIGN } from './network.ts';

/** A bridge that a call of a network hook will make or use. */
export interface WantedBridge {
  readonly name: string;
  /** Its index, where it exists already. */
  readonly index: number | undefined;
}

const HOOKS: readonly string[] = ['network-bridge', 'network-virtual', 'network-nat', 'network-route'];

/**
 * The bridges that a start of a network hook would make or use. Bridges that the hooks have already are left out, and
 * so are those of a call that the hook will refuse.
 * @param system the way to the host
 * @param hook the hook's name; a script that is not ours has no bridges
 * @param words its variables, NAME=VALUE
 */
export function bridgesOf(system: System, hook: string, words: readonly string[]): WantedBridge[] {
  try {
    const calls = hook === 'network-multi-bridge' ? multiCalls(system, words) : [{ hook, words }];
    if (!calls.some((call) => /^network-(bridge|virtual)$/.test(call.hook))) return [];
    const state = observeHost(system);
    const held = [...readBridgeRecords(system), ...readVirtualRecords(system)].map(({ bridge }) => bridge);
    const names = calls.flatMap((call) => bridgeOf(system, state, call.hook, call.words) ?? []);
    return [...new Set(names)]
      .filter((name) => !held.includes(name))
      .map((name) => ({ name, index: state.links.find((link) => link.name === name)?.index }));
  } catch (thrown) {
    if (thrown instanceof XenNetworkError) return [];
    throw thrown;
  }
}

function multiCalls(system: System, words: readonly string[]) {
  const { own, calls } = parseMultiArguments(words, HOOKS);
  if (calls.length > 0) return calls;
  const { values } = parseArguments(own, ['list']);
  const path = values['list'] ?? MULTI_LIST;
  return parseMultiList(system.readText(path) ?? '', path, HOOKS);
}

function bridgeOf(
  system: System,
  state: HostState,
  hook: string,
  words: readonly string[],
): string | undefined {
  const values = withoutQuotes(parseArguments(words, FOREIGN).values);
  if (hook === 'network-virtual') return parseVirtualRequest(values)?.bridge;
  const request = hook === 'network-bridge' ? parseBridgeRequest(values) : undefined;
  if (request === undefined) return undefined;
  const card = request.netdev ?? usualCard(state, request.vifnum);
  const bridged = findBridged(state, readBridgeRecords(system), card, request.bridge);
  return bridged === undefined ? layoutOf(state, linkOf(state, card), request).bridge : undefined;
}
