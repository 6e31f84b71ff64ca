import { isSix, type Laid, type LaidRoute } from '../../record/assignment.ts';

/** How a route is added: as a new route, or as a replacement of its earlier form. */
export type RouteVerb = 'add' | 'replace';

/**
 * The words of the `ip` command that adds one part of an assignment.
 * @param laid the address, route or proxy entry
 * @param verb the verb for a route
 */
export function layWords(laid: Laid, verb: RouteVerb = 'add'): string[] {
  switch (laid.kind) {
    case 'address':
      // Several devices may have this address: it is the host's, on whatever device a packet for it arrives. So there
      // is no duplicate to detect.
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
 * The words of the `ip` command that deletes one part of an assignment.
 * @param laid the address, route or proxy entry
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
 * Whether two parts of assignments are equal in every respect.
 * @param a one
 * @param b the other
 */
export function sameLaid(a: Laid, b: Laid): boolean {
  return layWords(a).join(' ') === layWords(b).join(' ');
}

/**
 * One part of an assignment in a few words, for a step's reason.
 * @param laid the address, route or proxy entry
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
