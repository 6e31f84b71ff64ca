/** The folder of files that outlive a run but not a reboot. */
export const RUN_FOLDER = '/run/xen-network';

/**
 * The temporary file for a file's new content, which is then renamed into place. No device can have such a name, and
 * programs that read a folder of settings (dnsmasq, cron) skip it.
 * @param path the file
 */
export function temporaryPath(path: string): string {
  const at = path.lastIndexOf('/') + 1;
  return `${path.slice(0, at)}.${path.slice(at)}~`;
}

/**
 * Whether a name is that of a `temporaryPath`, which a killed run may have left.
 * @param name the file's name, without its folder
 */
export function isTemporary(name: string): boolean {
  return name.startsWith('.') && name.endsWith('~');
}

/**
 * The path to which a record is moved that cannot be read.
 * @param path the file
 */
export function damagedPath(path: string): string {
  return `${path}${DAMAGED}`;
}

/** The ending of such a path; no vifname may have it. */
export const DAMAGED = '.damaged';

/**
 * Whether a file in a folder of records is a record, and no temporary or damaged file.
 * @param name the file's name, without its folder
 */
export function isRecordName(name: string): boolean {
  return !isTemporary(name) && !name.endsWith(DAMAGED);
}

/**
 * Whether a file is a record of ours, which no other program reads.
 * @param path the file
 */
export function isRecordPath(path: string): boolean {
  return RECORD_FOLDERS.includes(path.slice(0, path.lastIndexOf('/')));
}

/**
 * The folder of locks. A device's lock has the kernel's name of the device; host-wide locks have a folder of their own.
 */
export const LOCKS = `${RUN_FOLDER}/lock`;

/** The folder of host-wide locks; no device's lock has a path in it. */
const HOST_LOCKS = `${LOCKS}/host`;

/** The folder of the stock scripts' locks, which are host-wide too. */
const STOCK_LOCKS = '/var/run/xen-hotplug';

/**
 * Whether a lock is one of the few that all hooks take, and not a device's.
 * @param path the lock's file
 */
export function isHostLock(path: string): boolean {
  return path.startsWith(`${HOST_LOCKS}/`) || path.startsWith(`${STOCK_LOCKS}/`);
}

/** The lock of the shared settings. A hook holds it while it changes them and their record. */
export const SHARED_LOCK = `${HOST_LOCKS}/ledger`;

/** The lock of the strict table: of its elements and of their records. */
export const STRICT_LOCK_PATH = `${HOST_LOCKS}/strict`;

/** The lock of the totals of guests' traffic. */
export const TRAFFIC_LOCK = `${HOST_LOCKS}/traffic`;

/** The folder of the journals of runs that are under way or were interrupted. */
export const JOURNALS = `${RUN_FOLDER}/journal`;

/**
 * The path of a run's journal.
 * @param key the run's key
 */
export function journalPath(key: string): string {
  return `${JOURNALS}/${key}`;
}

/** The folder of the notes that a device is about to leave, named by the kernel's name of the device. */
export const LEAVING = `${RUN_FOLDER}/leaving`;

/**
 * The path of the note that a guest's device is about to leave.
 * @param device the kernel's name, vif1.0 or vif1.0-emu
 */
export function leavingPath(device: string): string {
  return `${LEAVING}/${device}`;
}

/**
 * The note that a network hook changes what guests' filters depend on. These follow once the hook's own steps are done.
 */
export const FILTERS_DUE = `${RUN_FOLDER}/filters-due`;

/** The folder of the records of guests' devices. */
export const VIF_RECORDS = `${RUN_FOLDER}/vif`;

/**
 * The path of a guest's device's record.
 * @param device the kernel's name, vif1.0 or vif1.0-emu
 */
export function vifRecordPath(device: string): string {
  return `${VIF_RECORDS}/${device}`;
}

/** The folder of the strict filter's records: the elements of each port, under the port's name. */
export const STRICT_RECORDS = `${RUN_FOLDER}/strict`;

/**
 * The path of the strict filter's record of a port.
 * @param device the port's name, which may be a vifname
 */
export function strictRecordPath(device: string): string {
  return `${STRICT_RECORDS}/${device}`;
}

/** The folder of the notes that bridges learned addresses from unfiltered frames before strict guests joined them. */
export const LEARNING_NOTES = `${RUN_FOLDER}/learning`;

/**
 * The path of the note that a bridge learned addresses from unfiltered frames before strict guests joined it.
 * @param bridge the bridge's name
 */
export function learningNotePath(bridge: string): string {
  return `${LEARNING_NOTES}/${bridge}`;
}

/** The folder of the records of guests' devices whose traffic is counted. */
export const COUNTED_RECORDS = `${RUN_FOLDER}/counted`;

/**
 * The path of the record of a guest's device whose traffic is counted.
 * @param device the kernel's name, vif1.0 or vif1.0-emu
 */
export function countedRecordPath(device: string): string {
  return `${COUNTED_RECORDS}/${device}`;
}

/** The folder of the notes about calls of hooks. */
export const HOOK_RUNS_FOLDER = `${RUN_FOLDER}/hook-runs`;

/** The calls of hooks since they were last added up; hooks note them only where the file is there. */
export const HOOK_RUNS = `${HOOK_RUNS_FOLDER}/now`;

/** The calls that are added up. */
export const HOOK_TOTALS = `${HOOK_RUNS_FOLDER}/totals`;

/**
 * The path of calls that are about to be added up.
 * @param part which part of all calls it is
 */
export function hookPartPath(part: number): string {
  return `${HOOK_RUNS_FOLDER}/part-${part}`;
}

/** The folder of files that outlive a reboot. */
export const STATE_FOLDER = '/var/lib/xen-network';

/** The totals of guests' traffic. */
export const TRAFFIC_FILE = `${STATE_FOLDER}/traffic`;

/** The folder of the last counts of devices that are gone, until they are added to the totals. */
export const ENDED_COUNTS = `${STATE_FOLDER}/ended`;

/** The folder of the bridges' records. */
export const BRIDGE_RECORDS = `${RUN_FOLDER}/bridge`;

/**
 * The path of a bridge's record.
 * @param bridge the bridge's name
 */
export function bridgeRecordPath(bridge: string): string {
  return `${BRIDGE_RECORDS}/${bridge}`;
}

/**
 * The path of a device's kernel setting.
 * @param key the path below /proc/sys without the device: "net/ipv4/conf/proxy_arp"
 * @param device the device's name
 */
export function settingPath(key: string, device: string): string {
  const at = key.lastIndexOf('/');
  return `/proc/sys/${key.slice(0, at)}/${device}${key.slice(at)}`;
}

/** The folder of the files of every dnsmasq that a hook starts. */
export const DNSMASQ_FILES = `${RUN_FOLDER}/dnsmasq`;

/** The folder of network-nat's records, by network card. */
export const NAT_RECORDS = `${RUN_FOLDER}/nat`;

/** The folder of starts that wait for confirmation. */
export const PENDING_RUNS = `${RUN_FOLDER}/pending`;

/**
 * The path of the file that tells how to undo a start that waits for confirmation.
 * @param id the start's name while it waits
 */
export function pendingRunPath(id: string): string {
  return `${PENDING_RUNS}/${id}.run`;
}

/**
 * The path of the file that tells when the time for confirmation ends.
 * @param id the start's name while it waits
 */
export function pendingDeadlinePath(id: string): string {
  return `${PENDING_RUNS}/${id}.deadline`;
}

/** The record of the shared settings and their holders. */
export const SHARED_FILE = `${RUN_FOLDER}/ledger`;

/** The folder of network-virtual's records, by bridge. */
export const VIRTUAL_RECORDS = `${RUN_FOLDER}/virtual`;

/**
 * The path of network-nat's record of a network card.
 * @param netdev the card's name
 */
export function natRecordPath(netdev: string): string {
  return `${NAT_RECORDS}/${netdev}`;
}

/**
 * The path of network-virtual's record of a bridge.
 * @param bridge the bridge's name
 */
export function virtualRecordPath(bridge: string): string {
  return `${VIRTUAL_RECORDS}/${bridge}`;
}

/** The record of the nftables tables that existed before the first rule of a started hook. */
export const TABLES_RECORD = `${RUN_FOLDER}/tables`;

/** The record of the hooks that network-multi-bridge has started. */
export const MULTI_RECORD = `${RUN_FOLDER}/multi-bridge`;

/** The kernel's switches for forwarding, IPv4 and IPv6 (kernel's ip-sysctl). */
export const IP_FORWARD = '/proc/sys/net/ipv4/ip_forward';
export const IP6_FORWARD = '/proc/sys/net/ipv6/conf/all/forwarding';

/** The folder of br_netfilter's settings; it exists only while the module is loaded. */
export const BRIDGE_NF_FOLDER = '/proc/sys/net/bridge';

/**
 * The settings that send bridged packets through the filters, VLAN-tagged and PPPoE packets included
 * (Documentation/networking/ip-sysctl, bridge-nf-*).
 */
export const BRIDGE_NF: readonly string[] = [
  'call-iptables',
  'call-ip6tables',
  'call-arptables',
  'filter-vlan-tagged',
  'filter-pppoe-tagged',
].map((name) => `${BRIDGE_NF_FOLDER}/bridge-nf-${name}`);

/** All folders that hold records. RUN_FOLDER itself holds the record of the shared settings. */
export const RECORD_FOLDERS: readonly string[] = [
  RUN_FOLDER,
  VIF_RECORDS,
  STRICT_RECORDS,
  COUNTED_RECORDS,
  HOOK_RUNS_FOLDER,
  BRIDGE_RECORDS,
  NAT_RECORDS,
  VIRTUAL_RECORDS,
  PENDING_RUNS,
];

/** The folder in which the scripts are kept that our links replace: hidden, in no PATH, on the same file system. */
export const STOCK_FOLDER = '.xen-network-stock';
