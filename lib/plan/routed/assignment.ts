import { type AssignedRoute, type Assignment, isIpv6 } from '../../record/assignment.ts';

/** How a route is added: as a new route, or as a replacement of its earlier form. */
export type RouteVerb = 'add' | 'replace';

/**
 * The words of the `ip` command that adds one part of an assignment.
 * @param assigned the address, route or proxy entry
 * @param verb the verb for a route
 */
export function assignWords(assigned: Assignment, verb: RouteVerb = 'add'): string[] {
  switch (assigned.kind) {
    case 'address':
      // Several devices may have this address: it is the host's, on whatever device a packet for it arrives. So there
      // is no duplicate to detect.
      return [
        'address',
        'replace',
        assigned.prefix,
        'dev',
        assigned.device,
        ...(isIpv6(assigned.prefix) ? ['nodad'] : []),
      ];
    case 'route':
      return [
        ...['route', verb, assigned.prefix, 'dev', assigned.device],
        ...(assigned.source === undefined ? [] : ['src', assigned.source]),
        ...metricWords(assigned),
      ];
    case 'proxy':
      return ['neigh', 'add', 'proxy', assigned.address, 'dev', assigned.device];
  }
}

/**
 * The words of the `ip` command that deletes one part of an assignment.
 * @param assigned the address, route or proxy entry
 */
export function takeWords(assigned: Assignment): string[] {
  switch (assigned.kind) {
    case 'address':
      return ['address', 'del', assigned.prefix, 'dev', assigned.device];
    case 'route':
      return ['route', 'del', assigned.prefix, 'dev', assigned.device, ...metricWords(assigned)];
    case 'proxy':
      return ['neigh', 'del', 'proxy', assigned.address, 'dev', assigned.device];
  }
}

/**
 * Whether two parts of assignments are equal in every respect.
 * @param a one
 * @param b the other
 */
export function sameAssignment(a: Assignment, b: Assignment): boolean {
  return assignWords(a).join(' ') === assignWords(b).join(' ');
}

/**
 * One part of an assignment in a few words, for a step's reason.
 * @param assigned the address, route or proxy entry
 */
export function assignmentText(assigned: Assignment): string {
  switch (assigned.kind) {
    case 'address':
      return `the address ${assigned.prefix}`;
    case 'route':
      return `the route to ${assigned.prefix}`;
    case 'proxy':
      return `the proxy entry for ${assigned.address}`;
  }
}

function metricWords({ metric }: AssignedRoute): string[] {
  return metric === undefined ? [] : ['metric', `${metric}`];
}
