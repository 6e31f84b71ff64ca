import type { Assignment } from '../../record/assignment.ts';
import { type Prefix, parsePrefix } from '../../request/addresses.ts';
import type { VifSettings } from '../../request/vif.ts';
import type { PortFilter } from '../vif/port-filter.ts';
import type { VifRun } from '../vif/run.ts';
import { strictRecord, wantsStrictRouted } from './strict-record.ts';

/** What the port filter of a routed guest's device depends on. */
export interface RoutedHold {
  readonly settings: VifSettings;
  /** The guest's assignment. */
  readonly assigned: readonly Assignment[];
  /** The name under which the device was attached before. */
  readonly former: string | undefined;
}

/**
 * The port filter of a routed guest's device. Warns where notrack=yes cannot be done.
 * @param run the call
 * @param hold the guest's settings and assignment
 * @param port the name that the device has once it is attached
 */
export function routedFilter(
  run: VifRun,
  { settings, assigned, former }: RoutedHold,
  port: string,
): PortFilter {
  const { system, hook, log } = run.context;
  const portFilter = { port, former, bridge: '', fresh: undefined };
  const isStrict = wantsStrictRouted(system, settings, hook);
  const untracked = untracksRouted(settings, hook);
  if (settings.notrack === 'yes' && !(isStrict && untracked)) log.warn(trackedText(port, hook));
  if (!isStrict) return portFilter;
  const ports = former === undefined ? ([port] as const) : ([port, former] as const);
  const held = { ...settings, addresses: routedAddresses(assigned) };
  return { ...portFilter, fresh: strictRecord(system, run.call.device, held, ports, { untracked }) };
}

/**
 * A guest's addresses and ranges, which are those that its routes lead to.
 * @param assigned everything that is assigned to the guest
 */
export function routedAddresses(assigned: readonly Assignment[]): Prefix[] {
  return assigned.flatMap((item) => (item.kind === 'route' ? (parsePrefix(item.prefix) ?? []) : []));
}

/**
 * Whether the packets of a routed guest bypass connection tracking: only where that is asked for, since a firewall of
 * the host may need the connections, and masquerading does.
 * @param settings the guest's settings
 * @param hook the hook that attaches it, vif-route or vif-nat
 */
export function untracksRouted(settings: VifSettings, hook: string): boolean {
  return settings.notrack === 'yes' && hook !== 'vif-nat';
}

function trackedText(port: string, hook: string): string {
  return hook === 'vif-nat'
    ? `notrack=yes has no effect on ${port}: without connection tracking a guest of vif-nat would not get the host's address ` +
        'outside. Leave notrack out, or attach the guest by vif-route.'
    : `notrack=yes has no effect on ${port}: for a routed guest it is a part of the strict filter. Set antispoof=strict as well.`;
}
