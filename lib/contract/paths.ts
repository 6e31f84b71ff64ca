/** Everything that outlives a run and not a reboot lies here. */
export const RUN_FOLDER = '/run/xen-network';

/**
 * Where the record of a guest's device lies.
 * @param device the kernel's name, vif1.0 or vif1.0-emu
 */
export function vifRecordPath(device: string): string {
  return `${RUN_FOLDER}/vif/${device}`;
}

/** The folder of the bridges' records. */
export const BRIDGE_RECORDS = `${RUN_FOLDER}/bridge`;

/**
 * Where a bridge's record lies.
 * @param bridge the bridge's name
 */
export function bridgeRecordPath(bridge: string): string {
  return `${BRIDGE_RECORDS}/${bridge}`;
}

/**
 * Where a device's kernel setting lies.
 * @param key the setting's folder below /proc/sys and its name, without the device: "net/ipv4/conf/proxy_arp"
 * @param device the device's name
 */
export function settingPath(key: string, device: string): string {
  const at = key.lastIndexOf('/');
  return `/proc/sys/${key.slice(0, at)}/${device}${key.slice(at)}`;
}
