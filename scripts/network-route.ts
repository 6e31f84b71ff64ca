import type { Context, NetworkHook, NetworkWork } from '../lib/hook/context.ts';
import { runNetworkHook } from '../lib/hook/network/network.ts';
import { holdShared, letGoShared, unmetSettings } from '../lib/hook/network/shared-settings.ts';
import { printStatus } from '../lib/hook/network/status.ts';
import { nothing, takeBackBy } from '../lib/hook/network/transaction.ts';
import { defaultDevice } from '../lib/observe/bridge/uplink.ts';
import { mustHaveNft } from '../lib/observe/filter/strict.ts';
import { readListening } from '../lib/observe/forward/forwarding.ts';
import { observeHost } from '../lib/observe/host/host.ts';
import { readSharedSettings } from '../lib/observe/shared-settings.ts';
import { outsideLink } from '../lib/plan/bridge/check.ts';
import { forwardingSettings } from '../lib/plan/forward.ts';
import { settingPath } from '../lib/record/paths.ts';
import { type SharedSetting, settingsOf } from '../lib/record/shared-settings.ts';
import type { Values } from '../lib/request/arguments.ts';
import { parseRouteRequest, ROUTE_VARIABLES } from '../lib/request/forward.ts';
import type { System } from '../lib/system/system.ts';

/** network-route: its variables and commands. */
export const routeHook: NetworkHook = { variables: ROUTE_VARIABLES, start, stop, status: printStatus };

/** Routes packets to guests through this host (docs/contract.md, "network-route"). */
export function networkRoute(context: Context): Promise<number> {
  return runNetworkHook(context, routeHook);
}

const HOOK = 'network-route ';

function start(context: Context, values: Values): NetworkWork | undefined {
  const { system } = context;
  const { netdev, ipv6, strict, account } = parseRouteRequest(values);
  if (strict) mustHaveNft(system);
  const state = observeHost(system);
  const { name } = outsideLink(state, netdev ?? defaultDevice(state));
  const answering = ['net/ipv4/conf/proxy_arp', ...(ipv6 ? ['net/ipv6/conf/proxy_ndp'] : [])];
  const sharedSettings = [
    ...forwardingSettings(ipv6, ipv6 ? readListening(system, state, name) : []),
    ...answering.map((key): SharedSetting => ({ kind: 'setting', path: settingPath(key, name), value: '1' })),
    ...(strict ? [{ kind: 'strict' } as const] : []),
    ...(account ? [{ kind: 'account' } as const] : []),
  ];
  const isFresh = settingsOf(readSharedSettings(system), `${HOOK}${name}`).length === 0;
  const steps = holdShared(system, `${HOOK}${name}`, sharedSettings);
  if (steps.length === 0) return nothing(context, `network-route is started on ${name} already.`);
  return {
    subject: name,
    plan: { steps, warnings: [] },
    verify: () => unmetSettings(system, sharedSettings),
    done: `Guests are reached through ${name}, which answers for them.`,
    takeBack: takeBackBy('network-route', { netdev: name }, isFresh ? undefined : steps),
  };
}

function stop(context: Context, values: Values): NetworkWork | undefined {
  const { system } = context;
  const { netdev } = parseRouteRequest(values);
  const name = netdev ?? startedOn(system);
  const steps = letGoShared(system, `${HOOK}${name}`);
  if (steps.length === 0)
    return nothing(context, `network-route is not started on ${name}; nothing to stop.`);
  return {
    subject: name,
    plan: { steps, warnings: [] },
    verify: () => [],
    done: `Guests are not reached through ${name} any more.`,
    takeBack: takeBackBy('network-route', { netdev: name }),
  };
}

/** The only device on which network-route is started, wherever the default route leads by now. */
function startedOn(system: System): string {
  const holders = readSharedSettings(system).flatMap((held) => held.holders);
  const devices = holders
    .filter((holder) => holder.startsWith(HOOK))
    .map((holder) => holder.slice(HOOK.length));
  const [only, ...others] = new Set(devices);
  return only !== undefined && others.length === 0 ? only : defaultDevice(observeHost(system));
}
