import { HostError, RequestError, XenNetworkError } from '../../errors.ts';
import { isPromiscuous, type Port } from '../../observe/host/port.ts';
import { readVm } from '../../observe/vif/vm.ts';
import type { Values } from '../../request/arguments.ts';
import { failureText } from '../../system/processes/exec.ts';
import type { System } from '../../system/system.ts';
import type { VifRun } from './run.ts';

const RUN_FOLDERS = ['/run/openvswitch', '/var/run/openvswitch', '/usr/local/var/run/openvswitch'];
const CONTROL = /^ovs-vswitchd\.\d+\.ctl$/;
/** A switch that runs answers at once, between two rounds of its work. */
const ANSWER_MS = 1400;

/**
 * What a controller knows the guest's NIC by: the stock scripts' three, and the iface-id by which OVN binds its port.
 * That is the one that xenstore or an argument names, else xend's uuid of the NIC, else its MAC address, which like
 * them is known before the guest starts and stays when it moves (docs/guide.md, vif-openvswitch).
 * @param run the call
 * @param values everything that was said of the device
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
 * The name of a switch's port: to ovs-vsctl one with "@" before it stands for another row.
 * @param name the device's name
 * @throws RequestError when it cannot be one
 */
export function switchName(name: string): string {
  if (!name.startsWith('@')) return name;
  throw new RequestError(
    `${name} cannot be the name of a switch's port; give a vifname with no "@" at its start.`,
  );
}

/** What of Open vSwitch answers: its database keeps the ports, its daemon makes devices what the database says. */
interface SwitchHealth {
  readonly database: boolean;
  readonly daemon: boolean;
  /** Who does not answer, and where; undefined where both do. */
  readonly fault: string | undefined;
}

/**
 * Asks the switch's database and daemon a question each (ovsdb-server(7), ovs-vswitchd(8)): one that hangs takes
 * connections all the same, and ovs-vsctl would wait for it for half a minute.
 * @param system the way to their sockets
 */
async function switchHealth(system: System): Promise<SwitchHealth> {
  const folder = RUN_FOLDERS.find((path) => system.exists(path));
  if (folder === undefined) return healthElsewhere(system);
  const database = await answers(system, `${folder}/db.sock`, 'echo');
  const controls = system.list(folder).filter((name) => CONTROL.test(name));
  let daemon = false;
  // A daemon that was killed leaves its socket, at which nobody is.
  for (const name of database ? controls : [])
    daemon ||= await answers(system, `${folder}/${name}`, 'version');
  if (!database) return { database, daemon, fault: `nobody answers at ${folder}/db.sock` };
  return { database, daemon, fault: daemon ? undefined : `nobody answers at ${folder}/ovs-vswitchd.*.ctl` };
}

/**
 * Makes sure that the switch runs.
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
 * How a port can leave the switch, and a warning where it cannot.
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

/** Where the files of the switch lie elsewhere, ovs-vsctl knows the place, if it is there. */
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

/** Of the kernel's switch a port is known by its master, which is this device; of one in user space by the database. */
const KERNEL_SWITCH = 'ovs-system';

/**
 * Whether the switch has taken a device. That it is promiscuous tells little: a tcpdump makes it that too.
 * @param system the way to sysfs and to the switch
 * @param port the device
 */
export function isSwitchPort(system: System, port: Port): boolean {
  if (port.master !== undefined) return port.master === KERNEL_SWITCH;
  if (!isPromiscuous(system, port.name)) return false;
  // The daemon writes the index of the device that it has opened, which is another one after a device came again.
  const row = ['get', 'interface', port.name, 'ifindex', 'ofport'];
  const { status, stdout } = system.run(['ovs-vsctl', '--timeout=2', '--no-wait', '--if-exists', ...row]);
  const [index, number] = stdout.trim().split('\n');
  return status === 0 && Number(index) === port.index && Number(number) > 0;
}
