import { RequestError } from '../errors.ts';
import { listed, quote } from '../text.ts';
import {
  type Notrack,
  parseAntispoof,
  parseNotrack,
  type Values,
  wholeNumber,
  yesOrNo,
} from './arguments.ts';
import { deviceName } from './names.ts';

/** How a card and its bridge are named and joined (docs/contract.md, "network-bridge start"). */
export type Topology = 'classic' | 'rename' | 'plain';
export const TOPOLOGIES: readonly Topology[] = ['classic', 'rename', 'plain'];

/** Variables of network-bridge, besides those that all network hooks take. */
export const BRIDGE_VARIABLES: readonly string[] = [
  'netdev',
  'bridge',
  'vifnum',
  'topology',
  'antispoof',
  'notrack',
  'account',
  'stp',
  'forward_delay',
  'force',
];

/** How a bridge takes part in the spanning tree. */
export interface SpanningTree {
  /** Seconds that a port listens, and learns, before it forwards. */
  readonly forwardDelay: number;
}

/** The least that IEEE 802.1D allows: a guest that joins passes nothing for twice as long. */
const USUAL_DELAY = 4;
/** What the kernel takes under the spanning tree (net/bridge/br_private_stp.h). */
const [SHORTEST_DELAY, LONGEST_DELAY] = [2, 30];

/** What network-bridge was asked for; undefined where the variable is not set. */
export interface BridgeRequest {
  readonly netdev: string | undefined;
  readonly bridge: string | undefined;
  readonly vifnum: number | undefined;
  readonly topology: Topology | undefined;
  /** antispoof=yes: FORWARD drops what no rule lets pass. */
  readonly antispoof: boolean;
  /** antispoof=strict: guests that join the bridge may only send from their configured addresses. */
  readonly strict: boolean;
  readonly notrack: Notrack;
  /** account=yes: the traffic of the guests that join the bridge is counted. */
  readonly account: boolean;
  /** undefined leaves the bridge as it is, which for a new one is off. */
  readonly spanningTree: SpanningTree | undefined;
  /** force=yes: start even where the host's firewall will then block all incoming traffic. */
  readonly force: boolean;
}

/**
 * Reads the variables of network-bridge (docs/contract.md, "network-bridge start").
 * @param values its variables
 * @returns undefined for bridge=null, which asks for nothing
 * @throws RequestError naming the variable that is wrong
 */
export function parseBridgeRequest(values: Values): BridgeRequest | undefined {
  const { bridge, netdev, topology } = values;
  if (bridge === 'null') return undefined;
  const known = TOPOLOGIES.find((word) => word === topology);
  if (topology !== undefined && known === undefined)
    throw new RequestError(`topology is ${quote(topology)}; say one of ${listed(TOPOLOGIES)}.`);
  return {
    netdev: netdev === undefined ? undefined : deviceName(netdev, 'netdev'),
    bridge: bridge === undefined ? undefined : deviceName(bridge, 'bridge'),
    vifnum: wholeNumber(values, 'vifnum', 0, 99_999),
    topology: known,
    antispoof: parseAntispoof(values) === 'yes',
    strict: parseAntispoof(values) === 'strict',
    notrack: parseNotrack(values),
    account: yesOrNo(values, 'account', false),
    spanningTree: parseSpanningTree(values),
    force: yesOrNo(values, 'force', false),
  };
}

/**
 * The variables stp and forward_delay (docs/contract.md, "Spanning tree").
 * @param values a network hook's variables
 * @returns undefined without stp=yes
 * @throws RequestError naming the variable that is wrong
 */
export function parseSpanningTree(values: Values): SpanningTree | undefined {
  const forwardDelay = wholeNumber(values, 'forward_delay', SHORTEST_DELAY, LONGEST_DELAY);
  if (yesOrNo(values, 'stp', false)) return { forwardDelay: forwardDelay ?? USUAL_DELAY };
  if (forwardDelay === undefined) return undefined;
  throw new RequestError(
    'forward_delay is about the spanning tree, which is off; say stp=yes too, or leave it out.',
  );
}
