// In which vif-openvswitch means to differ from the stock one; see differences.ts.
import { change, type Difference, ERROR, known, stockFails } from './differences.ts';

export const SWITCH_DIFFERENCES: readonly Difference[] = [
  ...known('record', 'owner of a renamed device', 'no routes from a guest'),
  {
    name: 'no rules for a switch’s port',
    why: 'packets in Open vSwitch never pass FORWARD, so that stock’s rules match nothing',
    without: change(['iptables'], 'stock', () => []),
  },
  {
    name: 'iface-id',
    why: 'OVN binds a port by it; stock sets none',
    without: change(['switch'], 'ours', (own) =>
      own.map((line) => line.replace(/,\["iface-id","[^"]*"\]/, '')),
    ),
  },
  {
    name: 'trunks beside a tag',
    why: 'without a mode the switch ignores the trunks, and stock sets none',
    only: /tag and trunks/,
    without: change(['switch'], 'ours', (own) =>
      own.map((line) => line.replace('"native-untagged"', '["set",[]]')),
    ),
  },
  {
    name: 'a name with a blank',
    why: 'stock gives ovs-vsctl the name in pieces',
    only: /name with a blank/,
    without: stockFails,
  },
  {
    name: 'a guest that xenstore does not know',
    why: 'stock sets empty ids and leaves both an error and connected behind',
    only: /xenstore does not know/,
    without: (pair) => {
      const ids = change(['switch'], 'stock', (own) =>
        own.map((line) => line.replace(',["xen-vm-name",""],["xen-vm-uuid",""]', '')),
      );
      return change(['xenstore'], 'stock', (own) => own.filter((line) => !ERROR.test(line)))(ids(pair));
    },
  },
  {
    name: 'a failure leaves nothing',
    why: 'stock gives the device a port’s MAC address before it looks for the bridge',
    only: /(missing|no) bridge/,
    without: change(['links'], 'stock', (_own, other) => other),
  },
  {
    name: 'a dead guest’s port',
    why: 'stock leaves the switch with the dead device, and the guest without network, though connected',
    only: /dead guest/,
    without: change(['links'], 'stock', (own) =>
      own.map((line) => line.replace(/^(vif1\.0 .* UP)$/, '$1 PROMISC')),
    ),
  },
  ...known('the words of an error'),
];
