import { HostError, RequestError } from '../../errors.ts';
import { askProcess, databaseIn, switchFolder } from '../../observe/vif/switch-processes.ts';
import { readVm } from '../../observe/vif/vm.ts';
import type { Values } from '../../request/arguments.ts';
import { failureText } from '../../system/processes/exec.ts';
import type { System } from '../../system/system.ts';
import type { VifRun } from './run.ts';

/** The folder where the sockets usually are. */
const RUN_FOLDER = '/run/openvswitch';
const CONTROL = /^ovs-vswitchd\.\d+\.ctl$/;

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
 * Sends a request to the switch's database and to its daemon.
 * @param system the way to their sockets
 */
async function switchHealth(system: System): Promise<SwitchHealth> {
  const folder = switchFolder(system);
  if (folder === undefined) return healthElsewhere(system);
  const database = (await askProcess(system, databaseIn(folder), 'echo')) !== undefined;
  const controls = system.list(folder).filter((name) => CONTROL.test(name));
  let daemon = false;
  // A daemon that was killed leaves its socket behind.
  for (const name of database ? controls : [])
    daemon ||= (await askProcess(system, `${folder}/${name}`, 'version')) !== undefined;
  if (!database) return { database, daemon, fault: `nobody answers at ${databaseIn(folder)}` };
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
  const fault = `there is no ${RUN_FOLDER}, and "ovs-vsctl show" failed (${failureText(result)})`;
  return { database: false, daemon: false, fault };
}
