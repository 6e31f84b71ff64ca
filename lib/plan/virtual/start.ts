import { isolationRules, masqueradeRule, virtualForwardRules } from '../../filter/masquerade.ts';
import type { SpanningState } from '../../observe/bridge/spanning-tree.ts';
import type { VirtualRecord } from '../../observe/forward/virtual.ts';
import type { HostState, Link } from '../../observe/host/host.ts';
import type { SharedSetting } from '../../record/shared-settings.ts';
import { type Prefix, parsePrefix, prefixText } from '../../request/addresses.ts';
import type { BridgeAddress, VirtualForm, VirtualRequest } from '../../request/forward.ts';
import { NEW, newBridge, set } from '../bridge/parts.ts';
import { spanningTreeSteps } from '../bridge/spanning-tree.ts';
import { type DeviceMark, ip, type Step } from '../step.ts';
import { ignoreRouterSteps } from '../unheard.ts';

/** The steps for a bridge of network-virtual, and the addresses and networks for its record. */
export interface VirtualStart {
  readonly steps: readonly Step[];
  readonly warnings: readonly string[];
  readonly addresses: readonly string[];
  readonly networks: readonly string[];
}

/**
 * The steps that make a bridge with no physical port and give it its addresses and routes (docs/contract.md,
 * "network-virtual"). What exists already is left as it is.
 * @param state the host
 * @param request what was asked for
 * @param known the record of an earlier start
 * @param heard the kernel's default settings for router advertisements and redirects (`routerSettingPaths` of "default")
 */
export function planVirtualStart(
  state: HostState,
  request: VirtualRequest,
  known: VirtualRecord | undefined,
  found: {
    readonly heard: Readonly<Record<string, string | undefined>>;
    readonly spanningTree: SpanningState;
  },
): VirtualStart {
  const { bridge } = request;
  const link = state.links.find(({ name }) => name === bridge);
  const device = link === undefined ? NEW(bridge) : { name: bridge, index: link.index };
  const addresses = request.addresses.filter((own) => !hasAddress(link, own));
  const networks = request.networks.filter((network) => !isReached(state, request, network));
  const isOurs = link === undefined || known?.madeBridge === true;
  const steps = [
    ...(link === undefined
      ? [makeStep(bridge, device), ...ignoreRouterSteps(device, found.heard, 'default')]
      : []),
    ...addresses.map((own) => addressStep(bridge, own, device)),
    ...(link?.flags.has('UP') === true
      ? []
      : [{ do: set(bridge, 'up'), undo: [set(bridge, 'down')], why: `bring up ${bridge}`, device }]),
    ...networks.map((network) => routeStep(bridge, network, device)),
    ...(isOurs ? spanningTreeSteps(bridge, device, request.spanningTree, found.spanningTree) : []),
  ];
  const merge = (old: readonly string[] = [], fresh: readonly string[]) => [...new Set([...old, ...fresh])];
  return {
    steps,
    warnings: isOurs || request.spanningTree === undefined ? [] : [keepsSpanningTree(bridge)],
    addresses: merge(known?.addresses, addresses.map(addressText)),
    networks: merge(known?.networks, networks.map(prefixText)),
  };
}

function keepsSpanningTree(bridge: string): string {
  return (
    `The bridge ${bridge} was there before, and keeps its part in the spanning tree: stp= is not used. ` +
    'Set it where the bridge is configured.'
  );
}

/**
 * An address as `ip address` takes it.
 * @param own the address
 */
export function addressText({ address, subnet }: BridgeAddress): string {
  return `${address}/${subnet.length}`;
}

function hasAddress(link: Link | undefined, { address, subnet }: BridgeAddress): boolean {
  return link?.addresses.some(({ local, length }) => local === address && length === subnet.length) === true;
}

/** The kernel adds the route to an address's own subnet by itself. */
function isReached({ routes }: HostState, request: VirtualRequest, network: Prefix): boolean {
  const text = prefixText(network);
  const own = request.addresses.some(({ subnet }) => prefixText(subnet) === text);
  return (
    own ||
    routes.some(
      ({ destination, hops, table, family }) =>
        table === 'main' &&
        family === network.family &&
        hops.some(({ dev }) => dev === request.bridge) &&
        prefixText(parsePrefix(destination) ?? network) === text &&
        destination !== 'default',
    )
  );
}

/** A bridge with a MAC address of its own does not take that of a port, so guests need not learn a new one. */
function makeStep(bridge: string, device: DeviceMark): Step {
  return {
    do: newBridge(bridge, bridgeMac(bridge)),
    undo: [ip('link', 'del', 'dev', bridge)],
    why: `make the bridge ${bridge}`,
    device,
  };
}

/**
 * The MAC address of a bridge of network-virtual: locally administered and the same at every start, so that suspended
 * guests find their gateway again.
 * @param bridge the bridge's name
 */
export function bridgeMac(bridge: string): string {
  let hash = 0x811c9dc5;
  for (const char of bridge) hash = Math.imul(hash ^ char.charCodeAt(0), 0x01000193) >>> 0;
  const octets = [24, 16, 8, 0].map((bits) => ((hash >>> bits) & 0xff).toString(16).padStart(2, '0'));
  return `02:16:${octets.join(':')}`;
}

function addressStep(bridge: string, own: BridgeAddress, device: DeviceMark): Step {
  const text = addressText(own);
  const broadcast = own.subnet.family === 4 && own.subnet.length < 31 ? ['broadcast', '+'] : [];
  return {
    do: ip('address', 'add', text, ...broadcast, 'dev', bridge),
    undo: device.index === 'new' ? [] : [ip('address', 'del', text, 'dev', bridge)],
    why: `put ${text} on ${bridge}`,
    device,
  };
}

function routeStep(bridge: string, network: Prefix, device: DeviceMark): Step {
  const text = prefixText(network);
  return {
    do: ip('route', 'add', text, 'dev', bridge),
    undo: device.index === 'new' ? [] : [ip('route', 'del', text, 'dev', bridge)],
    why: `lead the route to ${text} through ${bridge}`,
    device,
  };
}

/**
 * The firewall rules that a bridge of network-virtual needs (docs/contract.md, "network-virtual").
 * @param request what was asked for
 * @param netdev the outgoing device
 * @param families the host's families
 */
export function virtualSettings(
  request: VirtualRequest,
  netdev: string,
  families: readonly (4 | 6)[],
): SharedSetting[] {
  const { bridge, form, antispoof } = request;
  const rule =
    (family: 4 | 6, table: string, place: 'top' | 'end') =>
    (text: string): SharedSetting => ({
      kind: 'rule',
      family,
      table,
      rule: text,
      place,
    });
  const subnets = servedSubnets(request);
  return families.flatMap((family) => {
    const own = subnets.filter((subnet) => subnet.family === family);
    const passing = own.flatMap((subnet) =>
      virtualForwardRules(bridge, subnet, form === 'nat' ? netdev : undefined),
    );
    const masks = form === 'nat' ? own.map((subnet) => masqueradeRule(netdev, subnet)) : [];
    return [
      ...(form === 'host-only'
        ? isolationRules(bridge).map(rule(family, 'mangle', 'top'))
        : passing.map(rule(family, 'filter', 'top'))),
      ...(antispoof ? [{ kind: 'policy', family, value: 'DROP' } as const] : []),
      ...masks.map(rule(family, 'nat', 'end')),
    ];
  });
}

/** The subnets on the bridge and behind it, each once. */
function servedSubnets({ addresses, networks }: VirtualRequest): Prefix[] {
  const all = [...addresses.map(({ subnet }) => subnet), ...networks];
  return [...new Map(all.map((subnet) => [prefixText(subnet), subnet])).values()];
}

/** What each form means, in words for the log. */
export const FORM_WORDS: Readonly<Record<VirtualForm, string>> = {
  'host-only': 'its guests reach each other and this host, and nobody else',
  routed: 'its guests are reached by a route through this host',
  nat: "its guests reach the outside with this host's address",
};
