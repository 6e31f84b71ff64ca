import { expect } from 'vitest';

/**
 * How many steps the runs have at which the fault loops strike, by the loop. The code alone decides that: a step more or
 * less is a change of what a hook does to the host.
 */
const STEP_COUNTS: Readonly<Record<string, number>> = {
  'multi: start of both, killed, and start beside': 75,
  'multi: start of one, paused, and start of the other': 62,
  'multi: stop, killed, and refilter': 37,
  'network-bridge start topology=classic': 82,
  'network-bridge start topology=plain': 64,
  'network-bridge start topology=rename': 65,
  'network-bridge start with a bridge that was there': 34,
  'network-bridge stop beside a second bridge': 38,
  'network-bridge stop topology=classic': 41,
  'network-bridge stop topology=plain': 29,
  'network-bridge stop topology=rename': 32,
  'network-bridge stop with a bridge that was there': 35,
  'no: online, killed, and offline': 18,
  'routed strict: offline, killed, and refilter': 23,
  'routed strict: online, killed, and offline': 27,
  'routed strict: online, paused, and refilter': 27,
  'routed: nat start, killed, and vif-route offline': 25,
  'routed: nat start, paused, and route start': 11,
  'routed: nat start, paused, and virtual start': 11,
  'routed: nat stop, paused, and virtual start': 12,
  'routed: vif-nat online, paused, and refilter': 14,
  'routed: vif-route tap add, paused, and vif-route online': 24,
  'routed: vif-route tap remove, paused, and virtual expiry': 20,
  'routed: virtual expiry, killed, and recover': 24,
  'routed: virtual start, paused, and route expiry': 23,
  'routed: virtual stop, killed, and vif-route tap remove': 35,
  'routed: virtual stop, killed, and offline on the virtual network': 30,
  'start: a host-only network-virtual with both families and the strict filter': 15,
  'start: a network-virtual that masquerades, with dhcpd': 16,
  'start: a routed network-virtual with antispoof on a bridge that is there': 11,
  'start: network-nat with a running dhcpd': 9,
  'start: network-nat with both families and antispoof': 7,
  'start: network-route with both families, forwarding already': 5,
  'stop: a host-only network-virtual with both families and the strict filter': 10,
  'stop: a network-virtual that masquerades, with dhcpd': 11,
  'stop: a routed network-virtual with antispoof on a bridge that is there': 12,
  'stop: network-nat with a running dhcpd': 10,
  'stop: network-nat with both families and antispoof': 8,
  'stop: network-route with both families, forwarding already': 5,
  'strict: offline, killed, and recover': 12,
  'strict: offline, killed, and refilter': 12,
  'strict: offline, paused, and online': 12,
  'strict: offline, paused, and refilter': 12,
  'strict: offline, paused, and xenstored restarts': 12,
  'strict: online, killed, and offline': 18,
  'strict: online, paused, and flush': 18,
  'strict: online, paused, and offline': 18,
  'strict: online, paused, and online again': 18,
  'strict: online, paused, and refilter': 18,
  'strict: online, paused, and vif disabled': 18,
  'strict: online, paused, and xenstored restarts': 18,
  'strict: tap add, killed, and refilter': 17,
  'strict: tap add, paused, and offline': 17,
  'strict: vif disabled, paused, and offline': 9,
  'strict: vif disabled, paused, and online again': 9,
  'switched: offline, killed, and recover': 10,
  'switched: online, killed, and online again': 17,
  'switched: online, paused, and offline of another': 17,
  'two no: start 0, paused, and online on 1': 50,
  'two strict: start 0, killed, and start 1': 52,
  'two strict: start 0, paused, and start 1': 52,
  'two strict: start 0, paused, and stop 1': 50,
  'two strict: stop 0, killed, and refilter': 19,
  'two yes: start 0, killed, and stop 1': 56,
  'vif-bridge, attach: a tap with a vifname': 15,
  'vif-bridge, attach: a vif': 12,
  'vif-bridge, attach: a vif that is on the bridge with other addresses': 3,
  'vif-bridge, attach: a vif that is up, with an alias and another MTU, changed by ip': 14,
  'vif-bridge, attach: a vif under the strict filter, with a vifname': 16,
  'vif-bridge, attach: a vif whose addresses and mode change': 3,
  'vif-bridge, attach: a vif with a vifname that is cut, and rules in both families': 16,
  'vif-bridge, attach: the first vif under the strict filter': 15,
  'vif-bridge, detach: a tap with a vifname': 7,
  'vif-bridge, detach: a vif': 7,
  'vif-bridge, detach: a vif that is on the bridge with other addresses': 7,
  'vif-bridge, detach: a vif that is up, with an alias and another MTU, changed by ip': 7,
  'vif-bridge, detach: a vif under the strict filter, with a vifname': 8,
  'vif-bridge, detach: a vif with a vifname that is cut, and rules in both families': 8,
  'vif-nat, attach: a tap beside its vif': 12,
  'vif-nat, attach: a vif': 10,
  'vif-nat, detach: a vif': 8,
  'vif-openvswitch, attach: a vif that is a port already, with another tag': 2,
  'vif-openvswitch, attach: a vif under the strict filter': 14,
  'vif-openvswitch, attach: a vif with a vifname and VLANs': 13,
  'vif-openvswitch, detach: a vif with a vifname and VLANs': 6,
  'vif-route, attach: a tap beside its vif, which stands back from then on': 18,
  'vif-route, attach: a vif that has other addresses': 11,
  'vif-route, attach: a vif under the strict filter whose addresses and mode change': 14,
  'vif-route, attach: a vif under the strict filter, with a vifname': 25,
  'vif-route, attach: a vif with a vifname that is cut, and addresses of both families': 23,
  'vif-route, detach: a vif with a vifname that is cut, and addresses of both families': 15,
  'yes: offline, killed, and recover': 14,
  'yes: offline, killed, and refilter': 14,
  'yes: online, killed, and refilter': 20,
  'yes: online, paused, and flush': 20,
  'yes: online, paused, and refilter': 20,
};

/**
 * How many steps a run is known to have.
 * @param loop the loop, in words
 * @returns undefined where nobody has counted yet
 */
export function stepCount(loop: string): number | undefined {
  return STEP_COUNTS[loop];
}

/**
 * Fails unless a run has exactly the steps that the table says.
 * @param loop the loop, in words: the hook, what it does, and for what
 * @param found how many steps it has now
 */
export function mustHaveSteps(loop: string, found: number): void {
  const wanted = stepCount(loop);
  const advice =
    `"${loop}" has ${found} steps, and STEP_COUNTS in test/support/faults/step-counts.ts says ${wanted}. ` +
    `If the hook is meant to do more or less than before, write ${found} there.`;
  expect(found, advice).toBe(wanted);
}
