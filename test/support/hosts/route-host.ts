import { HookHost } from './hook-host.ts';
import type { Host } from './host.ts';
import type { Namespace } from './namespace.ts';

const CARD = {
  address: '198.51.100.2/24',
  gateway: '198.51.100.1',
  address6: '2001:db8::2/64',
  gateway6: '2001:db8::1',
};

/** A host that routes, on which vif-route is called for guests. */
export interface RouteHost {
  readonly route: HookHost;
  /** The other end of eth0. */
  readonly outside: Namespace;
}

/** Makes one; close its host when done. */
export async function createRouteHost(): Promise<RouteHost> {
  const route = await HookHost.create('vif-route');
  const { host } = route;
  const outside = host.nic('eth0', CARD);
  set(host, 'ipv4/ip_forward', 1);
  set(host, 'ipv6/conf/all/forwarding', 1);
  set(host, 'ipv4/conf/eth0/proxy_arp', 1);
  return { route, outside };
}

/** Takes away the first two guests, with all that was left of them and by a test. */
export function resetRouteHost(route: HookHost): void {
  const { host } = route;
  for (const domid of [1, 2]) {
    route.call('offline', domid);
    route.unplug(domid);
  }
  host.ok('sh', '-c', 'rm -rf /run/xen-network /etc/xen/scripts/vif-post.d; iptables -F; ip6tables -F');
  set(host, 'ipv6/conf/eth0/proxy_ndp', 0);
}

/** Sets a sysctl, by its path below /proc/sys/net. */
export function set(host: Host, setting: string, value: number): void {
  host.ok('sh', '-c', `echo ${value} > /proc/sys/net/${setting}`);
}

/** A sysctl's value, by its path below /proc/sys/net. */
export function get(host: Host, setting: string): string {
  return host.ok('cat', `/proc/sys/net/${setting}`).trim();
}

/** The routes of one family to a device, without what tells of its carrier. */
export function routes(route: HookHost, device: string, family: 4 | 6 = 4): string[] {
  return route
    .lines(`-${family}`, 'route', 'show', 'dev', device)
    .map((line) => line.replace(/ dead| linkdown| pref medium/g, ''))
    .filter((line) => !/^(fe80|ff00|multicast)/.test(line));
}

/** The addresses on a device, but for link-local ones. */
export function addresses(route: HookHost, device: string): string[] {
  return route
    .lines('-o', 'address', 'show', 'dev', device)
    .map((line) => / inet6? (\S+)/.exec(line)?.[1] ?? '')
    .filter((address) => !address.startsWith('fe80'));
}

/** Configures a guest's eth0 as the guides say: its address, and dom0 as the gateway. */
export function configure(guest: Namespace, four: string, six?: string): void {
  guest.ip(
    'link set eth0 up',
    `address add ${four}/32 dev eth0`,
    'route add 198.51.100.2 dev eth0',
    'route add default via 198.51.100.2 dev eth0',
    ...(six === undefined
      ? []
      : [
          `address add ${six}/128 dev eth0 nodad`,
          'route add 2001:db8::2 dev eth0',
          'route add default via 2001:db8::2 dev eth0',
        ]),
  );
}
