import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { xlEnv } from '../../support/hosts/host.ts';
import { NetHost } from '../../support/hosts/net-host.ts';
import { counted, type Requests } from '../../support/hosts/requests.ts';
import { startOpenVswitch } from '../../support/openvswitch.ts';

let net: NetHost;

beforeAll(async () => {
  net = await NetHost.create();
  net.host.ip('link add xenbr0 address 02:00:00:00:00:01 type bridge', 'link set xenbr0 up');
  startOpenVswitch(net.host, 'ovs0');
  net.ok('network-nat', 'start', 'dhcp=no');
  for (const domid of [1, 2]) {
    const uuid = `c7c2a6a0-0000-4000-8000-00000000000${domid}`;
    net.store.write({
      [`/local/domain/${domid}/vm`]: `/vm/${uuid}`,
      [`/vm/${uuid}/uuid`]: uuid,
      [`/vm/${uuid}/name`]: `web${domid}`,
    });
  }
});

afterAll(() => net.host.close());

type Numbers = readonly [
  xenstore: number,
  transactions: number,
  netlink: number,
  dumps: number,
  children: number,
];

const numbers = ({ xenstore, transactions, netlink, dumps, children }: Requests): Numbers => [
  xenstore,
  transactions,
  netlink,
  dumps,
  children,
];

/** Calls a vif hook, which has to succeed. */
function cost(hook: string, command: string, domid: number, words: readonly string[]): Numbers {
  const argv = [`/etc/xen/scripts/${hook}`, command, 'type_if=vif', ...words];
  const { ran, requests } = counted(net.host, argv, xlEnv(domid));
  expect({ command, ...ran }).toEqual({ command, status: 0, stdout: '', stderr: '' });
  return numbers(requests);
}

/**
 * What a call may cost: requests to xenstored, transactions among them; requests to the kernel by netlink, lists among them;
 * children. The code alone decides these numbers: whoever makes a hook ask more says here that it is worth it.
 */
const COSTS: Readonly<
  Record<
    string,
    {
      readonly values: Readonly<Record<string, string>>;
      readonly words?: readonly string[];
      readonly online: Numbers;
      readonly offline: Numbers;
    }
  >
> = {
  'vif-bridge': {
    values: { bridge: 'xenbr0', ip: '192.0.2.51' },
    online: [21, 0, 11, 1, 0],
    offline: [19, 0, 9, 1, 0],
  },
  'vif-bridge antispoof=strict': {
    values: { bridge: 'xenbr0', ip: '192.0.2.51 2001:db8::51' },
    words: ['antispoof=strict'],
    online: [22, 0, 27, 5, 0],
    offline: [20, 0, 29, 0, 0],
  },
  'vif-route': { values: { ip: '192.0.2.52' }, online: [20, 0, 13, 4, 0], offline: [19, 0, 10, 1, 0] },
  'vif-nat': { values: {}, words: ['dhcp=no'], online: [20, 0, 12, 3, 0], offline: [19, 0, 10, 1, 0] },
  'vif-openvswitch': { values: { bridge: 'ovs0' }, online: [23, 0, 4, 1, 0], offline: [19, 0, 1, 0, 0] },
};

describe('what a call asks of xenstored, of the kernel and of other programs', () => {
  test.each(Object.entries(COSTS))(
    '%s, beside a first guest',
    (name, { values, words = [], online, offline }) => {
      const [hook = ''] = name.split(' ');
      // The first guest of a kind makes chains and tables that the others find.
      net.guest(hook, 1, values, words);
      net.card(
        2,
        values.ip === undefined ? values : { ...values, ip: values.ip.replace(/(\d)(?= |$)/g, '9') },
      );
      const found = { online: cost(hook, 'online', 2, words), offline: cost(hook, 'offline', 2, words) };
      net.end(hook, 2, words);
      net.end(hook, 1, words);
      expect(found).toEqual({ online, offline });
    },
  );

  test('a refilter of ten guests', () => {
    const domids = Array.from({ length: 10 }, (_, i) => i + 1);
    for (const domid of domids)
      net.guest('vif-bridge', domid, { bridge: 'xenbr0', ip: `192.0.2.${100 + domid}` }, [
        ...(domid > 5 ? ['antispoof=strict'] : []),
      ]);
    net.host.ok('sh', '-c', 'iptables -F FORWARD; nft delete table bridge xen_network');
    const { ran, requests } = counted(net.host, ['/etc/xen/scripts/xen-network', 'refilter']);
    expect(ran).toMatchObject({ status: 0, stderr: '' });
    for (const domid of domids) net.end('vif-bridge', domid);
    // Five guests have rules in FORWARD, and five the strict filter.
    expect(numbers(requests)).toEqual([97, 0, 136, 50, 8]);
  });
});
