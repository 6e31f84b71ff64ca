import { readBridgeRecords } from '../../observe/bridge/uplink.ts';
import { readVirtualRecords } from '../../observe/forward/virtual.ts';
import { readSharedFile } from '../../observe/shared-settings.ts';
import type { VifSettings } from '../../request/vif.ts';
import type { System } from '../../system/system.ts';

/**
 * Whether the traffic of a guest's device is to be counted: its own setting says so, or else that of its bridge.
 * @param system the way to the bridges' records
 * @param settings the guest's settings
 * @param bridge the bridge's name
 */
export function wantsAccount(
  system: System,
  { account }: Pick<VifSettings, 'account'>,
  bridge: string,
): boolean {
  if (account !== undefined) return account;
  return [...readBridgeRecords(system), ...readVirtualRecords(system)].some(
    (record) => record.bridge === bridge && record.account === true,
  );
}

/**
 * Whether the traffic of a routed guest's device is to be counted: its own setting says so, or else that of its network.
 * @param system the way to the shared settings
 * @param settings the guest's settings
 * @param hook the hook that attaches it, vif-route or vif-nat
 */
export function wantsAccountRouted(
  system: System,
  { account }: Pick<VifSettings, 'account'>,
  hook: string,
): boolean {
  if (account !== undefined) return account;
  const network = `${hook.replace(/^vif/, 'network')} `;
  return readSharedFile(system).some(
    ({ setting, holders }) =>
      setting.kind === 'account' && holders.some((holder) => holder.startsWith(network)),
  );
}
