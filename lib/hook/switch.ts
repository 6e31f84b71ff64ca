import type { Values } from '../contract/arguments.ts';
import { HostError, RequestError, XenNetworkError } from '../errors.ts';
import { readVm } from '../observe/vm.ts';
import type { System } from '../system/system.ts';
import type { VifRun } from './vif.ts';

const RUN_FOLDERS = ['/run/openvswitch', '/var/run/openvswitch'];
const CONTROL = /^ovs-vswitchd\.\d+\.ctl$/;
/** A switch that runs takes a connection at once. */
const CONNECT_MS = 1000;

/**
 * What a controller knows the guest's NIC by: the stock scripts' three, and the iface-id by which OVN binds its port.
 * That is the one that xenstore or an argument names, else xend's uuid of the NIC, else its MAC address, which like
 * them is known before the guest starts and stays when it moves (README, vif-openvswitch).
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

/**
 * Makes sure that the switch runs, by its control socket (ovs-vswitchd(8)): ovs-vsctl would wait for it for half a minute.
 * A host that has its files elsewhere is left to ovs-vsctl.
 * @param system the way to the socket
 * @throws HostError when it does not
 */
export async function mustRun(system: System): Promise<void> {
  const folder = RUN_FOLDERS.find((path) => system.exists(path));
  if (folder === undefined) return;
  const native = await system.native();
  for (const name of system.list(folder).filter((each) => CONTROL.test(each))) {
    try {
      (await native.connectStream(`${folder}/${name}`, CONNECT_MS)).close();
      return;
    } catch (thrown) {
      if (!(thrown instanceof XenNetworkError)) throw thrown;
    }
  }
  throw new HostError(
    `Open vSwitch does not run: nobody answers at ${folder}/ovs-vswitchd.*.ctl. Start it (systemctl start openvswitch-switch), then the guest again.`,
  );
}
