import type { Host } from './hosts/host.ts';
import { startOpenVswitch } from './openvswitch.ts';

/** The underlay's bridge: Open vSwitch in user space puts tunnels' packets on a bridge of its own kind. */
const UNDERLAY = 'br-phys';

// By hand, as OVN's own scripts look for systemd, and in places of the host's own that end with it.
const CENTRAL = `
set -e
mkdir -p /run/ovn
for db in nb sb; do
  ovsdb-tool create /run/ovn/ovn$db.db /usr/share/ovn/ovn-$db.ovsschema
  remote=
  [ $db = nb ] || remote="--remote=ptcp:6642:$1"
  ovsdb-server /run/ovn/ovn$db.db --remote=punix:/run/ovn/ovn\${db}_db.sock $remote --unixctl=/run/ovn/ovn\${db}_db.ctl \\
    --pidfile=/run/ovn/ovn\${db}_db.pid --detach --no-chdir --log-file=/run/ovn/ovn\${db}_db.log 2>/dev/null
done
ovn-northd --pidfile --detach --no-chdir --log-file=/run/ovn/northd.log 2>/dev/null
`;

const CONTROLLER = `
set -e
mkdir -p /run/ovn
ovs-vsctl set open . external-ids:system-id="$1" external-ids:ovn-remote="tcp:$2:6642" external-ids:ovn-encap-type=geneve \\
  external-ids:ovn-encap-ip="$3" external-ids:ovn-bridge-datapath-type=netdev
ovn-controller --pidfile --detach --no-chdir --log-file=/run/ovn/controller.log 2>/dev/null
`;

/**
 * Starts Open vSwitch in user space on a host, with the host's cable as a port of the bridge that has the host's address.
 * @param host where
 * @param cable the network device between the hosts
 * @param address the host's address there, as ADDRESS/LENGTH
 */
export function startUnderlay(host: Host, cable: string, address: string): void {
  startOpenVswitch(host, UNDERLAY);
  host.ok('ovs-vsctl', 'add-port', UNDERLAY, cable);
  host.ip(`link set ${cable} up`, `address add ${address} dev ${UNDERLAY}`, `link set ${UNDERLAY} up`);
}

/**
 * Starts OVN's databases and its northd.
 * @param host where; ovn-nbctl and ovn-sbctl there find them
 * @param address where the controllers find the southbound database
 */
export function startCentral(host: Host, address: string): void {
  host.ok('sh', '-c', CENTRAL, 'sh', address);
}

/**
 * Starts OVN's controller, which makes the bridge br-int.
 * @param host where Open vSwitch runs
 * @param chassis what OVN calls the host
 * @param central the address of the databases
 * @param address the tunnels' end
 */
export function startController(host: Host, chassis: string, central: string, address: string): void {
  host.ok('sh', '-c', CONTROLLER, 'sh', chassis, central, address);
}
