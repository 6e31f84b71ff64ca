import { RequestError } from '../errors.ts';
import { quote } from '../text.ts';
import { ipv4Octets, noHost, type Prefix, parsePrefix, prefixText } from './addresses.ts';
import { parseAntispoof, type Values, wholeNumber, yesOrNo } from './arguments.ts';
import { parseSpanningTree, type SpanningTree } from './bridge.ts';
import { type DhcpWish, parseDhcpWish } from './dhcp.ts';
import { deviceName } from './names.ts';

/** Variables of the hooks that forward, besides those that all network hooks take. */
export const NAT_VARIABLES: readonly string[] = ['netdev', 'dhcp', 'antispoof', 'account', 'ipv6'];
export const ROUTE_VARIABLES: readonly string[] = ['netdev', 'antispoof', 'account', 'ipv6'];
export const VIRTUAL_VARIABLES: readonly string[] = [
  'bridge',
  'vifnum',
  'bridgeip',
  'brnet',
  'antispoof',
  'account',
  'masquerade',
  'dhcp',
  'netdev',
  'stp',
  'forward_delay',
];

/** What network-route was asked for; undefined where the variable is not set. */
export interface RouteRequest {
  readonly netdev: string | undefined;
  readonly ipv6: boolean;
  /** antispoof=strict: guests whose packets are routed may only send from their own addresses. */
  readonly strict: boolean;
  /** account=yes: the traffic of the guests whose packets are routed is counted. */
  readonly account: boolean;
}

/** What network-nat was asked for. */
export interface NatRequest extends RouteRequest {
  readonly antispoof: boolean;
  readonly dhcp: DhcpWish;
}

/** An address of a bridge, and its subnet. */
export interface BridgeAddress {
  /** Without a prefix length. */
  readonly address: string;
  readonly subnet: Prefix;
}

/**
 * Whom the guests on a bridge of network-virtual reach: dom0 only; everybody who has a route to them; everybody, with
 * dom0's address as their source.
 */
export type VirtualForm = 'host-only' | 'routed' | 'nat';

/** What network-virtual was asked for. */
export interface VirtualRequest {
  readonly bridge: string;
  readonly addresses: readonly BridgeAddress[];
  readonly networks: readonly Prefix[];
  readonly form: VirtualForm;
  readonly antispoof: boolean;
  /** antispoof=strict: guests that join the bridge may only send from their configured addresses. */
  readonly strict: boolean;
  /** account=yes: the traffic of the guests that join the bridge is counted. */
  readonly account: boolean;
  readonly dhcp: DhcpWish;
  readonly netdev: string | undefined;
  /** undefined: the bridge stays as it is; a new one has no spanning tree. */
  readonly spanningTree: SpanningTree | undefined;
}

/**
 * Reads the variables of network-route (docs/contract.md, "network-route").
 * @param values its variables
 * @throws RequestError naming the variable that is wrong
 */
export function parseRouteRequest(values: Values): RouteRequest {
  if (parseAntispoof(values) !== 'yes') return parseForwarding(values);
  throw new RequestError(
    'antispoof=yes is nothing that network-route can do: its guests send by no bridge. Say antispoof=strict.',
  );
}

function parseForwarding(values: Values): RouteRequest {
  const { netdev } = values;
  return {
    netdev: netdev === undefined ? undefined : deviceName(netdev, 'netdev'),
    ipv6: yesOrNo(values, 'ipv6', false),
    strict: parseAntispoof(values) === 'strict',
    account: yesOrNo(values, 'account', false),
  };
}

/**
 * Reads the variables of network-nat (docs/contract.md, "network-nat").
 * @param values its variables
 * @throws RequestError naming the variable that is wrong
 */
export function parseNatRequest(values: Values): NatRequest {
  return {
    ...parseForwarding(values),
    antispoof: parseAntispoof(values) === 'yes',
    dhcp: parseDhcpWish(values),
  };
}

/**
 * Reads the variables of network-virtual (docs/contract.md, "network-virtual").
 * @param values its variables
 * @returns undefined for bridge=null, which asks for nothing
 * @throws RequestError naming the variable that is wrong
 */
export function parseVirtualRequest(values: Values): VirtualRequest | undefined {
  const { bridge, netdev } = values;
  if (bridge === 'null') return undefined;
  const vifnum = wholeNumber(values, 'vifnum', 0, 99_999) ?? 0;
  const networks = words(values['brnet']).map(parseNetwork);
  const masquerade = yesOrNo(values, 'masquerade', false);
  return {
    bridge: deviceName(bridge ?? `xenbr${vifnum}`, 'bridge'),
    addresses: [
      ...new Map(
        words(values['bridgeip'])
          .map(parseBridgeAddress)
          .map((own) => [own.address, own]),
      ).values(),
    ],
    networks: [...new Map(networks.map((network) => [prefixText(network), network])).values()],
    form: masquerade ? 'nat' : networks.length > 0 ? 'routed' : 'host-only',
    antispoof: parseAntispoof(values) === 'yes',
    strict: parseAntispoof(values) === 'strict',
    account: yesOrNo(values, 'account', false),
    dhcp: parseDhcpWish(values),
    netdev: netdev === undefined ? undefined : deviceName(netdev, 'netdev'),
    spanningTree: parseSpanningTree(values),
  };
}

function words(value = ''): string[] {
  return value.split(/[\s,]+/).filter((word) => word !== '');
}

function parseNetwork(word: string): Prefix {
  const network = parsePrefix(word);
  if (network !== undefined) return network;
  throw new RequestError(`brnet holds ${quote(word)}, which is no network; say NETWORK/LENGTH.`);
}

function parseBridgeAddress(word: string): BridgeAddress {
  const [address = '', length] = word.split('/');
  const own = parsePrefix(address);
  const subnet = parsePrefix(word);
  if (own === undefined || subnet === undefined || length === undefined)
    throw new RequestError(
      `bridgeip holds ${quote(word)}, which is no address of a bridge; say ADDRESS/LENGTH, such as 10.1.1.1/24.`,
    );
  const room = (own.family === 4 ? 32 : 128) - subnet.length;
  if (room > 1 && own.address === subnet.address)
    throw new RequestError(
      `bridgeip holds ${quote(word)}, which is the network's own address. Give the bridge one inside it.`,
    );
  const kind = unusable(own, subnet);
  if (kind !== undefined)
    throw new RequestError(
      `bridgeip holds ${quote(word)}, which is ${kind}. Give the bridge an address of a host in its network.`,
    );
  return { address: own.address, subnet };
}

/** Why no device can have this address, as words for a message; undefined for a usable address. */
function unusable(own: Prefix, subnet: Prefix): string | undefined {
  const kind = noHost(own);
  if (kind !== undefined || own.family === 6) return kind;
  const number = (ipv4Octets(own.address) ?? []).reduce((sum, octet) => sum * 256 + octet, 0);
  const size = 2 ** (32 - subnet.length);
  return size > 2 && number % size === size - 1 ? 'the broadcast address of its network' : undefined;
}
