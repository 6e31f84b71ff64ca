// What a hook leaves of its work, so that makers who are compared can be seen to have done the same.

import type { Stage } from './stage.ts';

/**
 * What a guest has on the host: device, addresses, routes, rules, and what it is told.
 * @param stage the host
 * @param domid the guest's domain
 * @returns a line for each thing, none twice
 */
export function leftBy(stage: Stage, domid: number): string[] {
  const vif = `vif${domid}.0`;
  const { host, store } = stage;
  const link = host.ok('ip', '-o', 'link', 'show', 'dev', vif);
  const word = (pattern: RegExp) => pattern.exec(link)?.[1];
  const up = /<[^>]*\bUP\b/.test(link);
  const lines = (...argv: string[]) =>
    host
      .ok(...argv)
      .split('\n')
      .map((line) => line.trim())
      .filter(Boolean);
  const rules = lines('iptables', '-S', 'FORWARD').filter((rule) => rule.includes(` ${vif} `));
  const proxy = host.ok('cat', `/proc/sys/net/ipv4/conf/${vif}/proxy_arp`).trim();
  const mtu = store.read(`/local/domain/${domid}/device/vif/0/mtu`)?.trim();
  return [
    `the link ${up ? 'up' : 'down'}`,
    `the bridge ${word(/ master (\S+)/) ?? 'none'}`,
    `the MAC address ${word(/ link\/ether (\S+)/)}`,
    `the MTU ${word(/ mtu (\d+)/)}`,
    ...lines('ip', '-4', '-o', 'address', 'show', 'dev', vif).map(
      (line) => `the address ${/inet (\S+)/.exec(line)?.[1]}`,
    ),
    ...lines('ip', '-4', 'route', 'show', 'dev', vif).map(
      (line) => `the route ${line.replace(/ linkdown/, '')}`,
    ),
    `proxy_arp ${proxy}`,
    ...new Set(rules.map((rule) => `the rule ${rule.replace(/ -m comment --comment "[^"]*"/, '')}`)),
    ...(mtu === undefined ? [] : [`the guest's MTU ${mtu}`]),
  ];
}
