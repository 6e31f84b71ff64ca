// In which vif-route and vif-nat mean to differ from the stock ones; see differences.ts.
import { change, type Difference, known, lines, type Pair, stockFails } from './differences.ts';

const ROUTE_TOPICS = ['links', 'addresses', 'routes', 'sysctl'] as const;
const GUEST = /^(vif1\.0|web)/;

function isAbout(device: string, line: string): boolean {
  return line.startsWith(`${device} `) || line.includes(`"dev":"${device}"`);
}

/** The guest's devices that ours has taken down and to which stock has no route left but what the kernel makes itself. */
function ended(pair: Pair): string[] {
  const down = lines(pair.ours, 'links').filter((line) => GUEST.test(line) && !/ UP( |$)/.test(line));
  const routed = lines(pair.stock, 'routes').filter((line) => !line.includes('"protocol":"kernel"'));
  const names = down.map((line) => line.split(' ')[0] ?? '');
  return names.filter((name) => !routed.some((line) => isAbout(name, line)));
}

/** The stock outcome as if what it left on the guest's ended devices were as ours. */
function takenBack(pair: Pair): Pair {
  const succeeded = [pair.stock, pair.ours].every((outcome) => lines(outcome, 'status').join() === '0');
  const names = succeeded ? ended(pair) : [];
  return change(['links', 'addresses', 'routes'], 'stock', (own, other) => {
    const rest = (all: readonly string[]) =>
      all.filter((line) => !names.some((name) => isAbout(name, line))).join('\n');
    return rest(own) === rest(other) ? other : own;
  })(pair);
}

const ROUTED_COMMON: readonly Difference[] = [
  ...known(
    'record',
    'owner of a renamed device',
    'owners of rules',
    'one rule towards the guest',
    'order of rules',
    'no routes from a guest',
  ),
  {
    name: 'a vif that stands back',
    why: 'a QEMU that leaves the tap up would keep a guest with a driver of its own from being reached',
    only: /its tap/,
    without: (pair) => {
      const counted = change(['sysctl'], 'ours', (own) =>
        own.filter((line) => !line.includes('/vif1.0/ignore_routes_with_linkdown = 1')),
      );
      const behind = change(['routes'], 'stock', (own) =>
        own.map((line) =>
          /"dev":"vif1\.0-emu"/.test(line) ? line.replace('"metric":1', '"metric":3') : line,
        ),
      );
      return behind(counted(pair));
    },
  },
];

export const ROUTE_DIFFERENCES: readonly Difference[] = [
  ...ROUTED_COMMON,
  {
    name: 'no broadcast address on a vif',
    why: 'ifconfig gives even an address of one host a broadcast address, and the kernel a route for it',
    without: (pair) => {
      const broadcast = /"broadcast":"[^"]*",/;
      const addresses = change(['addresses'], 'stock', (own) =>
        own.map((line) => (GUEST.test(line) ? line.replace(broadcast, '') : line)),
      );
      const routes = change(['routes'], 'stock', (own) =>
        own.filter((line) => !(/"dev":"(vif1\.0|web)/.test(line) && line.includes('"type":"broadcast"'))),
      );
      return routes(addresses(pair));
    },
  },
  {
    name: 'offline takes back what online gave',
    why: 'stock takes the routes away, and leaves the address on a device that is up',
    without: takenBack,
  },
  {
    name: 'a second online',
    why: 'stock reports an error, since the route is there',
    only: /online twice/,
    without: stockFails,
  },
  {
    name: 'a failure leaves nothing',
    why: 'stock gives the device its address before it finds that it cannot route to it',
    only: /address of another guest/,
    without: change(ROUTE_TOPICS, 'stock', (_own, other) => other),
  },
  ...known('the words of an error'),
];

export const NAT_DIFFERENCES: readonly Difference[] = [
  {
    name: 'one address in the rule',
    why: 'the length sizes the subnet; stock lets the guest send from every address of it',
    without: change(['iptables'], 'stock', (own) =>
      own.map((line) =>
        line.replace('-s 10.0.0.0/16 ', '-s 10.0.1.1/32 ').replace('-s 192.0.2.0/24 ', '-s 192.0.2.5/32 '),
      ),
    ),
  },
  ...ROUTED_COMMON,
  {
    name: 'a tap',
    why: 'stock gives a tap its rules and nothing else, so that an emulated card reaches nobody',
    only: /its tap/,
    without: (pair) => {
      const isTap = (line: string) => /vif1\.0-emu[ "/]/.test(line);
      const given = ['addresses', 'routes', 'sysctl'] as const;
      const bare = change(given, 'ours', (own) => own.filter((line) => !isTap(line)));
      const down = change(['links'], 'ours', (own) =>
        own.map((line) => (isTap(line) ? line.replace(/ UP$/, '') : line)),
      );
      return down(bare(pair));
    },
  },
  {
    name: 'offline takes back what online gave',
    why: 'stock leaves the address on the device',
    without: takenBack,
  },
  {
    name: 'a router over .254',
    why: 'stock adds 127 whatever comes out, and fails for the address 192.0.2.327',
    only: /over \.127/,
    without: stockFails,
  },
  {
    name: 'a failure leaves nothing',
    why: 'stock gives the device its address before it finds that it cannot route to it',
    only: /address of another guest/,
    without: change(ROUTE_TOPICS, 'stock', (_own, other) => other),
  },
  ...known('the words of an error'),
];
