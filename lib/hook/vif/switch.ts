import { HostError, RequestError, XenNetworkError } from '../../errors.ts';
import { isPromiscuous, type Port } from '../../observe/host/port.ts';
import { readVm } from '../../observe/vif/vm.ts';
import type { Values } from '../../request/arguments.ts';
import type { VifSettings } from '../../request/vif.ts';
import { failureText } from '../../system/processes/exec.ts';
import type { System } from '../../system/system.ts';
import type { VifRun } from './run.ts';

const RUN_FOLDERS = ['/run/openvswitch', '/var/run/openvswitch', '/usr/local/var/run/openvswitch'];
const CONTROL = /^ovs-vswitchd\.\d+\.ctl$/;
/** A running switch answers between two rounds of its work, so within this time. */
const ANSWER_MS = 1400;

/**
 * The ids by which a controller knows the guest's NIC: the stock scripts' three, and the iface-id by which OVN binds
 * its port. The iface-id is the one from xenstore or an argument, otherwise xend's uuid of the NIC, otherwise its MAC
 * address. All of these are known before the guest starts and stay when it moves to another host (docs/guide.md,
 * vif-openvswitch).
 * @param run the call
 * @param values all settings of the device
 */
export async function switchIds(
  run: VifRun,
  values: Values,
): Promise<(readonly [key: string, value: string])[]> {
  const vm = await readVm(run.store, values['frontend-id'] ?? `${run.call.domid}`);
  if (vm.name === undefined && !run.dryRun)
    run.context.log.warn(
      `${run.call.device}: xenstore tells neither name nor uuid of domain ${run.call.domid}.`,
    );
  const mac = values['mac']?.toLowerCase();
  const ids: [string, string | undefined][] = [
    ['xen-vm-name', vm.name],
    ['xen-vm-uuid', vm.uuid],
    ['attached-mac', mac],
    ['iface-id', values['iface-id'] ?? values['uuid'] ?? mac],
  ];
  return ids.flatMap(([key, value]) => (value === undefined || value === '' ? [] : [[key, value] as const]));
}

/**
 * Refuses a guest that names no bridge.
 * @throws RequestError in any case
 */
export function noBridge(): never {
  throw new RequestError(
    'bridge is not set; say on which Open vSwitch bridge the guest is to be: bridge=NAME[.TAG][:TRUNK[:TRUNK…]].',
  );
}

/**
 * Refuses antispoof=strict for a switch's port, which the strict filter does not cover.
 * @param settings the guest's settings
 * @throws RequestError when they ask for the strict filter
 */
export function mustNotBeStrict({ antispoof, locking }: VifSettings): void {
  if (antispoof !== 'strict' && locking === undefined) return;
  throw new RequestError(
    "antispoof=strict and locking= do not cover a switch's port: leave them out, and use port security of OVN, or flows " +
      'that match the MAC and IP addresses of the guest.',
  );
}

/**
 * Checks the name of a switch's port: ovs-vsctl reads a name that begins with "@" as a reference to another row.
 * @param name the device's name
 * @throws RequestError when it begins with "@"
 */
export function switchName(name: string): string {
  if (!name.startsWith('@')) return name;
  throw new RequestError(
    `${name} cannot be the name of a switch's port; give a vifname with no "@" at its start.`,
  );
}

/**
 * Which parts of Open vSwitch answer. Its database stores the ports; its daemon makes the devices agree with the
 * database.
 */
interface SwitchHealth {
  readonly database: boolean;
  readonly daemon: boolean;
  /** Who does not answer, and at which socket; undefined where both answer. */
  readonly fault: string | undefined;
}

/**
 * Sends a request to the switch's database and to its daemon (ovsdb-server(7), ovs-vswitchd(8)). A process that hangs
 * still accepts connections, and ovs-vsctl would wait for it for half a minute.
 * @param system the way to their sockets
 */
async function switchHealth(system: System): Promise<SwitchHealth> {
  const folder = RUN_FOLDERS.find((path) => system.exists(path));
  if (folder === undefined) return healthElsewhere(system);
  const database = await answers(system, `${folder}/db.sock`, 'echo');
  const controls = system.list(folder).filter((name) => CONTROL.test(name));
  let daemon = false;
  // A daemon that was killed leaves its socket behind.
  for (const name of database ? controls : [])
    daemon ||= await answers(system, `${folder}/${name}`, 'version');
  if (!database) return { database, daemon, fault: `nobody answers at ${folder}/db.sock` };
  return { database, daemon, fault: daemon ? undefined : `nobody answers at ${folder}/ovs-vswitchd.*.ctl` };
}

/**
 * Checks that the switch runs.
 * @param system the way to its sockets
 * @throws HostError when it does not
 */
export async function mustRun(system: System): Promise<void> {
  const { fault } = await switchHealth(system);
  if (fault === undefined) return;
  throw new HostError(
    `Open vSwitch does not run: ${fault}. Start it (systemctl start openvswitch-switch), then the guest again.`,
  );
}

/**
 * How to remove a port from the switch, with a warning where it is impossible.
 * @param run the call
 * @param name the port's name
 */
export async function wayOut(
  { context, dryRun }: Pick<VifRun, 'context' | 'dryRun'>,
  name: string,
): Promise<'heard' | 'unheard' | 'none'> {
  if (dryRun) return 'heard';
  const { database, daemon, fault } = await switchHealth(context.system);
  if (database) return daemon ? 'heard' : 'unheard';
  context.log.warn(
    `Open vSwitch does not run: ${fault}. The port ${name} stays in its database; take it off (ovs-vsctl del-port ${name}) once it runs.`,
  );
  return 'none';
}

/** Where the switch's files are in another folder, ovs-vsctl knows it, if it is installed. */
function healthElsewhere(system: System): SwitchHealth {
  const result = system.run(['ovs-vsctl', '--timeout=1', 'show']);
  if (result.status === 0) return { database: true, daemon: true, fault: undefined };
  const fault = `there is no ${RUN_FOLDERS[0]}, and "ovs-vsctl show" failed (${failureText(result)})`;
  return { database: false, daemon: false, fault };
}

async function answers(system: System, path: string, method: string): Promise<boolean> {
  const question = new TextEncoder().encode(JSON.stringify({ id: 0, method, params: [] }));
  try {
    const channel = await (await system.native()).connectStream(path, ANSWER_MS);
    try {
      await channel.send(question);
      return (await channel.receive()).length > 0;
    } finally {
      channel.close();
    }
  } catch (thrown) {
    if (!(thrown instanceof XenNetworkError)) throw thrown;
    return false;
  }
}

/**
 * The device that is the master of every port of the kernel's switch; the database tells the ports of a switch in user
 * space.
 */
const KERNEL_SWITCH = 'ovs-system';

/**
 * Whether the switch has taken a device. That the device is promiscuous is not enough: a tcpdump makes it promiscuous
 * too.
 * @param system the way to sysfs and to the switch
 * @param port the device
 */
export function isSwitchPort(system: System, port: Port): boolean {
  if (port.master !== undefined) return port.master === KERNEL_SWITCH;
  if (!isPromiscuous(system, port.name)) return false;
  // The daemon writes the index of the device that it has opened; a device that was removed and made again has another
  // index.
  const row = ['get', 'interface', port.name, 'ifindex', 'ofport'];
  const { status, stdout } = system.run(['ovs-vsctl', '--timeout=2', '--no-wait', '--if-exists', ...row]);
  const [index, number] = stdout.trim().split('\n');
  return status === 0 && Number(index) === port.index && Number(number) > 0;
}
