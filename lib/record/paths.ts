/** Everything that outlives a run and not a reboot lies here. */
export const RUN_FOLDER = '/run/xen-network';

/**
 * Where a file's new content lies until it is put in place: no device can be called so, and what reads folders of
 * settings (dnsmasq, cron) passes it over.
 * @param path the file
 */
export function temporaryPath(path: string): string {
  const at = path.lastIndexOf('/') + 1;
  return `${path.slice(0, at)}.${path.slice(at)}~`;
}

/**
 * Whether a file's name is one that a run which was killed may have left of `temporaryPath`.
 * @param name without its folder
 */
export function isTemporary(name: string): boolean {
  return name.startsWith('.') && name.endsWith('~');
}

/**
 * Where a file of ours goes that cannot be understood.
 * @param path the file
 */
export function damagedPath(path: string): string {
  return `${path}${DAMAGED}`;
}

/** How the names of such files end; no vifname may. */
export const DAMAGED = '.damaged';

/**
 * Whether a file in a folder of records is one, and not what a killed run left or what was put aside.
 * @param name without its folder
 */
export function isRecordName(name: string): boolean {
  return !isTemporary(name) && !name.endsWith(DAMAGED);
}

/**
 * Whether a file is a record of ours, and not one that another program reads as well.
 * @param path the file
 */
export function isRecordPath(path: string): boolean {
  return RECORD_FOLDERS.includes(path.slice(0, path.lastIndexOf('/')));
}

/** The folder of locks: of devices by the kernel's names of them, of what the whole host shares in a folder of its own. */
export const LOCKS = `${RUN_FOLDER}/lock`;

/** The lock of what all devices share: no device's has such a path. */
const HOST_LOCKS = `${LOCKS}/host`;

/** The lock of the strict filter's table, its elements and their records. */
export const STRICT_LOCK_PATH = `${HOST_LOCKS}/strict`;

/** The folder of notes that devices are to leave, by the kernel's names of them. */
export const LEAVING = `${RUN_FOLDER}/leaving`;

/**
 * Where the note lies that a guest's device is to leave.
 * @param device the kernel's name, vif1.0 or vif1.0-emu
 */
export function leavingPath(device: string): string {
  return `${LEAVING}/${device}`;
}

/** The folder of the guests' devices' records. */
export const VIF_RECORDS = `${RUN_FOLDER}/vif`;

/**
 * Where the record of a guest's device lies.
 * @param device the kernel's name, vif1.0 or vif1.0-emu
 */
export function vifRecordPath(device: string): string {
  return `${VIF_RECORDS}/${device}`;
}

/** The folder of what the strict filter holds for each device. */
export const STRICT_RECORDS = `${RUN_FOLDER}/strict`;

/**
 * Where the strict filter's record of a device lies.
 * @param device the kernel's name, vif1.0 or vif1.0-emu
 */
export function strictRecordPath(device: string): string {
  return `${STRICT_RECORDS}/${device}`;
}

/**
 * Where it is noted that a bridge learned from frames that pass no filter before strict guests joined it.
 * @param bridge the bridge's name
 */
export function learningNotePath(bridge: string): string {
  return `${RUN_FOLDER}/learning/${bridge}`;
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

/** The folder of the files of each dnsmasq that we start. */
export const DNSMASQ_FILES = `${RUN_FOLDER}/dnsmasq`;

/** The folder of what network-nat left, by network card. */
export const NAT_RECORDS = `${RUN_FOLDER}/nat`;

/** The folder of the starts that wait for their confirmation. */
export const PENDING_RUNS = `${RUN_FOLDER}/pending`;

/**
 * Where it lies how a start that waits for its confirmation is taken back.
 * @param id the start's name while it waits
 */
export function pendingRunPath(id: string): string {
  return `${PENDING_RUNS}/${id}.run`;
}

/**
 * Where it lies when the time of such a start is over.
 * @param id the start's name while it waits
 */
export function pendingDeadlinePath(id: string): string {
  return `${PENDING_RUNS}/${id}.deadline`;
}

/** What of the host is changed for which started hooks. */
export const LEDGER = `${RUN_FOLDER}/ledger`;

/** Held while the ledger and what it tells of are changed. */
export const LEDGER_LOCK = `${RUN_FOLDER}/ledger.lock`;

/** The folder of what network-virtual left, by bridge. */
export const VIRTUAL_RECORDS = `${RUN_FOLDER}/virtual`;

/**
 * Where network-nat's record of a network card lies.
 * @param netdev the card's name
 */
export function natRecordPath(netdev: string): string {
  return `${NAT_RECORDS}/${netdev}`;
}

/**
 * Where network-virtual's record of a bridge lies.
 * @param bridge the bridge's name
 */
export function virtualRecordPath(bridge: string): string {
  return `${VIRTUAL_RECORDS}/${bridge}`;
}

/** The tables that nft had before the first rule of a started hook. */
export const TABLES_RECORD = `${RUN_FOLDER}/tables`;

/** What network-multi-bridge has started. */
export const MULTI_RECORD = `${RUN_FOLDER}/multi-bridge`;

/** The host's own switch for passing packets on, IPv4's and IPv6's (kernel's ip-sysctl). */
export const IP_FORWARD = '/proc/sys/net/ipv4/ip_forward';
export const IP6_FORWARD = '/proc/sys/net/ipv6/conf/all/forwarding';

/** Where br_netfilter has its settings; not there while the module is not loaded. */
export const BRIDGE_NF_FOLDER = '/proc/sys/net/bridge';

/**
 * What decides whether bridged packets go through the filters, those behind a VLAN tag or in PPPoE included
 * (Documentation/networking/ip-sysctl, bridge-nf-*).
 */
export const BRIDGE_NF: readonly string[] = [
  'call-iptables',
  'call-ip6tables',
  'call-arptables',
  'filter-vlan-tagged',
  'filter-pppoe-tagged',
].map((name) => `${BRIDGE_NF_FOLDER}/bridge-nf-${name}`);

/** All folders that hold records, and the one above them, which holds the ledger. */
export const RECORD_FOLDERS: readonly string[] = [
  RUN_FOLDER,
  VIF_RECORDS,
  STRICT_RECORDS,
  BRIDGE_RECORDS,
  NAT_RECORDS,
  VIRTUAL_RECORDS,
  PENDING_RUNS,
];

/** The folder in which the scripts are kept that our links replace: hidden, in no PATH, on the same file system. */
export const STOCK_FOLDER = '.xen-network-stock';
