import { HostError } from '../../errors.ts';
import type { DhcpdState } from '../../observe/dhcp/dhcp.ts';
import type { SubnetRecord } from '../../observe/forward/nat.ts';
import type { Prefix } from '../../request/addresses.ts';
import { declaredSubnets, hostEntries, isDeclared, OWN_MARK } from '../../wire/dhcp-conf.ts';
import type { Step } from '../step.ts';
import {
  type Change,
  changeSteps,
  deviceChanges,
  goneChanges,
  noDeviceChanges,
  restart,
  restartStep,
  stopService,
} from './lease.ts';

/** A subnet for dhcpd to serve. */
export interface WantedSubnet {
  readonly subnet: Prefix;
  readonly line: string;
  /** The subnet's device; undefined where guests' devices will come. */
  readonly device: string | undefined;
}

/**
 * The steps that declare a subnet to dhcpd (docs/contract.md, "network-nat"). An existing declaration is left as it is.
 * @param state the server
 * @param wanted the subnet
 * @param known the record of an earlier start
 * @throws HostError when the subnet is declared by hand and this hook needs a declaration of its own
 */
export function planSubnet(
  state: DhcpdState,
  wanted: WantedSubnet,
  known: SubnetRecord | undefined,
): { readonly steps: Step[]; readonly record: SubnetRecord } {
  const { conf, running, service } = state;
  const { subnet, line, device } = wanted;
  const own = ownLine(conf.text, line);
  const isOurs = own !== undefined;
  const isThere = isOurs || isDeclared(declaredSubnets(conf.text), subnet.address);
  if (isThere && !isOurs && device !== undefined)
    throw new HostError(
      `${conf.path} declares the subnet of ${device} by hand already, so it is not known whether it hands out addresses of it. ` +
        'Leave dhcp out and let dhcpd serve it as it is set up, or take that declaration away.',
    );
  const isDone = isThere && (!isOurs || own === line);
  const changes: Change[] = [
    ...goneChanges(state),
    ...(isDone
      ? []
      : [[conf.path, { from: own, to: line }, `declare the DHCP subnet ${subnet.address}`] as const]),
    ...(device === undefined ? [] : deviceChanges(state, device, subnet.address)),
  ];
  const steps = changeSteps(state, changes, true);
  // With no device in any of its subnets dhcpd would refuse to start: vif-nat starts it for the first guest. Guests
  // that exist already need it at once.
  const guests = hostEntries(conf.text).filter(({ name }) => !state.goneHosts.includes(name));
  const isNeeded = device !== undefined || guests.length > 0;
  const starts = steps.length > 0 ? running || isNeeded : !running && isNeeded;
  const wrote = known?.line !== undefined || isOurs || !isThere;
  return {
    steps: starts ? [...steps, restartStep(service, device === undefined && !running)] : steps,
    record: {
      ...(wrote ? { line } : {}),
      ...(device === undefined ? {} : { device }),
      wasRunning: known?.wasRunning ?? running,
    },
  };
}

/** A hook's declaration of the same subnet, for a guest or from before a power loss. */
function ownLine(text: string, line: string): string | undefined {
  const lines = text.split('\n').filter((other) => other.endsWith(OWN_MARK));
  const [head = line] = line.split('{');
  return lines.find((other) => other === line) ?? lines.find((other) => other.startsWith(`${head}{`));
}

/**
 * The steps that remove a subnet's declaration and stop a server that did not run before.
 * @param state the server
 * @param done the record of start
 */
export function planSubnetStop(state: DhcpdState, done: SubnetRecord): Step[] {
  const { conf, service, running } = state;
  const changes: Change[] = [
    ...(done.line === undefined
      ? []
      : [[conf.path, { from: done.line, to: undefined }, 'remove the DHCP subnet'] as const]),
    ...(done.device === undefined ? [] : noDeviceChanges(state, done.device)),
  ];
  const steps = changeSteps(state, changes, true);
  if (done.wasRunning) return steps.length === 0 ? [] : [...steps, restartStep(service, false)];
  if (!running) return steps;
  const stop: Step = {
    do: stopService(service, false),
    undo: steps.length === 0 ? [restart(service, true)] : [],
    why: `stop ${service.program}, which did not run before`,
  };
  return [...steps, stop];
}
