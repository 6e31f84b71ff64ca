import { isSix, type Laid, type LaidRoute } from '../../record/assignment.ts';

/** How a route joins others to the same place: alone, behind the one of the guest's other device, or before it. */
export type RouteVerb = 'add' | 'append' | 'prepend' | 'replace';

/**
 * The words of the `ip` command that lays it.
 * @param laid what
 * @param verb for a route
 */
export function layWords(laid: Laid, verb: RouteVerb = 'add'): string[] {
  switch (laid.kind) {
    case 'address':
      // Two devices with one address are no duplicate here: the host has it, wherever a packet for it comes in.
      return [
        'address',
        'replace',
        laid.prefix,
        'dev',
        laid.device,
        ...(isSix(laid.prefix) ? ['nodad'] : []),
      ];
    case 'route':
      return [
        ...['route', verb, laid.prefix, 'dev', laid.device],
        ...(laid.source === undefined ? [] : ['src', laid.source]),
        ...metricWords(laid),
      ];
    case 'proxy':
      return ['neigh', 'add', 'proxy', laid.address, 'dev', laid.device];
  }
}

/**
 * The words of the `ip` command that takes it away.
 * @param laid what
 */
export function takeWords(laid: Laid): string[] {
  switch (laid.kind) {
    case 'address':
      return ['address', 'del', laid.prefix, 'dev', laid.device];
    case 'route':
      return ['route', 'del', laid.prefix, 'dev', laid.device, ...metricWords(laid)];
    case 'proxy':
      return ['neigh', 'del', 'proxy', laid.address, 'dev', laid.device];
  }
}

/**
 * Whether two are the same in every respect.
 * @param a one
 * @param b the other
 */
export function sameLaid(a: Laid, b: Laid): boolean {
  return layWords(a).join(' ') === layWords(b).join(' ');
}

/**
 * What it is, in a few words for a step's reason.
 * @param laid what
 */
export function laidText(laid: Laid): string {
  switch (laid.kind) {
    case 'address':
      return `the address ${laid.prefix}`;
    case 'route':
      return `the route to ${laid.prefix}`;
    case 'proxy':
      return `the proxy entry for ${laid.address}`;
  }
}

function metricWords({ metric }: LaidRoute): string[] {
  return metric === undefined ? [] : ['metric', `${metric}`];
}
