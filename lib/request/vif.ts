import { RequestError } from '../errors.ts';
import { quote } from '../text.ts';
import { type Prefix, parseAddressList } from './addresses.ts';
import {
  type Antispoof,
  commandWord,
  LOCKING_MODES,
  type LockingMode,
  mergeValues,
  type Notrack,
  oneOf,
  parseAntispoof,
  parseNotrack,
  type Values,
  wholeNumber,
  yesOrNo,
} from './arguments.ts';
import { deviceName, type FittedName, fitVifname, TAP_SUFFIX } from './names.ts';

export type VifCommand = 'online' | 'offline' | 'add' | 'remove';
const VIF_COMMANDS: readonly VifCommand[] = ['online', 'offline', 'add', 'remove'];

/**
 * A key beside a device's own in xenstore. Online stores there the settings that no other key holds, because they came
 * by arguments or from the bridge, so that refilter can read all settings from xenstore.
 */
export const STORED_SETTINGS_KEY = 'xen-network';

/** The keys under XENBUS_PATH that every vif hook reads (docs/contract.md, "xenstore"). */
export const VIF_KEYS: readonly string[] = [
  'bridge',
  'ip',
  'mac',
  'vifname',
  'mtu',
  'vlan',
  'handle',
  'frontend-id',
  'gatewaydev',
  'script',
  'domain',
  'antispoof',
  'locking',
  'notrack',
  'account',
  STORED_SETTINGS_KEY,
  'uuid',
  'iface-id',
];

/** The variables that a vif hook takes from its environment and its arguments. */
export const VIF_VARIABLES: readonly string[] = [
  'vif',
  'type_if',
  'bridge',
  'ip',
  'mac',
  'vifname',
  'mtu',
  'vlan',
  'netdev',
  'filter',
  'antispoof',
  'locking',
  'notrack',
  'account',
  'script',
  'gatewaydev',
  'handle',
  'domain',
  'dhcp',
  'iface-id',
  'INTERFACE',
  'XENBUS_PATH',
];

/** Which command, for which device; all that is known before xenstore is read. */
export interface VifCall {
  readonly command: VifCommand;
  readonly type: 'vif' | 'tap';
  /** Whether hooks do anything for this pair of command and type (docs/contract.md, "Callers"). */
  readonly acts: boolean;
  /** The kernel's name for the device, vif1.0 or vif1.0-emu, even where it has been renamed. */
  readonly device: string;
  /** The path in xenstore: absolute, or relative to dom0's home as libxl gives it. */
  readonly path: string;
  readonly domid: number;
  readonly devid: number;
  /** Whether the guest's NIC also has a tap. */
  readonly hasTap: boolean;
}

/**
 * Reads the command, the device and the xenstore path of a call (docs/contract.md, "Environment" and "xenstore").
 * @param word the command word as given
 * @param values environment and arguments, merged
 * @throws RequestError when a word, a name or a path has another form than xl, xend and udev give it
 */
export function parseVifCall(word: string | undefined, values: Values): VifCall {
  const command = commandWord(word, VIF_COMMANDS);
  const type = commandWordOfType(values['type_if']);
  const acts = (command === 'online' || command === 'offline') === (type === 'vif');
  const tap = values['INTERFACE'];
  const device = type === 'vif' ? values['vif'] : tap;
  if (!acts) return { command, type, acts, device: '', path: '', domid: 0, devid: 0, hasTap: false };
  if (device === undefined) {
    const variable = type === 'vif' ? 'vif' : 'INTERFACE';
    throw new RequestError(
      `${variable} is not set, so there is no device to work on; xl and udev set it to vifDOMID.DEVID.`,
    );
  }
  const hasTap = type === 'tap' || tap?.endsWith(TAP_SUFFIX) === true;
  deviceName(device, type);
  const backend = backendPath(type, device, values['XENBUS_PATH']);
  // The given name may be a vifname by now; domain id and number never change.
  const own = `vif${backend.domid}.${backend.devid}`;
  return { command, type, acts, hasTap, device: type === 'vif' ? own : `${own}${TAP_SUFFIX}`, ...backend };
}

function commandWordOfType(type: string | undefined): 'vif' | 'tap' {
  if (type === undefined || type === 'vif') return 'vif';
  if (type === 'tap') return 'tap';
  throw new RequestError(`type_if is ${quote(type)}; say vif or tap.`);
}

/** The backend path of a NIC in xenstore. */
export interface BackendPath {
  readonly path: string;
  readonly domid: number;
  readonly devid: number;
}

/**
 * Reads domain id and NIC number from a backend path (docs/contract.md, "Environment").
 * @param path absolute, or relative as libxl gives it
 * @returns undefined when it has another form
 */
export function parseBackendPath(path: string): BackendPath | undefined {
  const found = /^(?:\/local\/domain\/\d{1,5}\/)?backend\/vif\/(\d{1,5})\/(\d{1,5})$/.exec(path);
  return found === null ? undefined : { path, domid: Number(found[1]), devid: Number(found[2]) };
}

/**
 * A vif's path is XENBUS_PATH, or follows from its name where that is not set. A tap's path follows from its name, or
 * is XENBUS_PATH where a vifname has changed the name. What follows is relative, since a driver domain has its backends
 * below its own number.
 */
function backendPath(type: 'vif' | 'tap', device: string, path: string | undefined): BackendPath {
  const named = /^vif(\d{1,5})\.(\d{1,5})(-emu)?$/.exec(device);
  const isRenamedTap = type === 'tap' && named === null && device.endsWith(TAP_SUFFIX);
  if ((type === 'vif' || isRenamedTap) && path !== undefined) {
    const found = parseBackendPath(path);
    if (found === undefined) {
      throw new RequestError(
        `XENBUS_PATH is ${quote(path)}; it must be backend/vif/DOMID/DEVID, or the same with /local/domain/N/ before it.`,
      );
    }
    return found;
  }
  if (named === null) {
    throw new RequestError(
      `The device ${device} is not named vifDOMID.DEVID and XENBUS_PATH is not set, so its place in xenstore is unknown.`,
    );
  }
  const [domid, devid] = [Number(named[1]), Number(named[2])];
  return { path: `backend/vif/${domid}/${devid}`, domid, devid };
}

/** The settings of a guest's NIC; every value has been checked. */
export interface VifSettings {
  readonly bridge: string | undefined;
  readonly addresses: readonly Prefix[];
  /** The device's new name, with -emu for a tap; undefined when no vifname is set. */
  readonly rename: FittedName | undefined;
  readonly mtu: number | undefined;
  readonly filter: boolean;
  /** yes and no concern network-bridge only; strict restricts this device to its configured addresses. */
  readonly antispoof: Antispoof;
  /** Undefined where it is not set: then the NIC is locked where antispoof is strict. */
  readonly locking: LockingMode | undefined;
  readonly notrack: Notrack;
  /** Whether the traffic is counted; undefined leaves that to the bridge or the network. */
  readonly account: boolean | undefined;
  /** Lower-case. */
  readonly mac: string | undefined;
  /**
   * Why a value cannot be used. As with the stock scripts such a guest is connected all the same, where it does not
   * need the value.
   */
  readonly unfit: Readonly<Partial<Record<'mac' | 'mtu', string>>>;
}

/**
 * Checks the settings of a NIC from environment, arguments and xenstore (docs/contract.md, "Arguments" and "xenstore").
 * @param call the call that the settings belong to
 * @param given environment and arguments, merged
 * @param stored the values in xenstore below the call's path, by key
 * @throws RequestError naming the first value that cannot be used
 */
export function parseVifSettings(
  call: VifCall,
  given: Values,
  stored: Readonly<Record<string, string | undefined>>,
): VifSettings {
  const values = mergeValues([...VIF_VARIABLES, ...VIF_KEYS], given, stored);
  const bridge = values['bridge'];
  const mac = usable(() => macAddress(values['mac']));
  const mtu = usable(() => wholeNumber(values, 'mtu', 68, 65535));
  return {
    bridge: bridge === undefined ? undefined : deviceName(bridge, 'bridge'),
    addresses: parseAddressList(values['ip'] ?? ''),
    rename: vifRename(call, values),
    mtu: mtu.value,
    filter: yesOrNo(values, 'filter', true),
    antispoof: parseAntispoof(values),
    locking: oneOf(values, 'locking', LOCKING_MODES),
    notrack: parseNotrack(values),
    account: accountWish(values),
    mac: mac.value,
    unfit: {
      ...(mac.fault === undefined ? {} : { mac: mac.fault }),
      ...(mtu.fault === undefined ? {} : { mtu: mtu.fault }),
    },
  };
}

/**
 * Whether the traffic of a NIC is to be counted.
 * @param values environment, arguments and xenstore, merged
 * @returns undefined where that is left to the bridge or the network
 * @throws RequestError when account is neither yes nor no
 */
export function accountWish(values: Values): boolean | undefined {
  return values['account'] === undefined ? undefined : yesOrNo(values, 'account', false);
}

function usable<T>(read: () => T | undefined): {
  readonly value: T | undefined;
  readonly fault: string | undefined;
} {
  try {
    return { value: read(), fault: undefined };
  } catch (thrown) {
    if (!(thrown instanceof RequestError)) throw thrown;
    return { value: undefined, fault: thrown.message };
  }
}

function macAddress(value: string | undefined): string | undefined {
  if (value === undefined || /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(value)) return value?.toLowerCase();
  throw new RequestError(
    `mac is ${quote(value)}, which is no MAC address; give six hexadecimal octets such as 00:16:3e:00:00:01.`,
  );
}

/**
 * The name that the device of a NIC gets from its vifname.
 * @param call the call
 * @param values environment, arguments and xenstore, merged
 * @returns undefined when no vifname is set, or it is the device's name already
 * @throws RequestError when the vifname is no usable name
 */
export function vifRename(call: VifCall, values: Values): FittedName | undefined {
  const vifname = values['vifname'];
  if (vifname === undefined || vifname === call.device) return undefined;
  const fitted = fitVifname(vifname, call.hasTap);
  if (call.type === 'vif') return fitted;
  const name = `${fitted.name}${TAP_SUFFIX}`;
  return fitted.altname === undefined ? { name } : { name, altname: `${fitted.altname}${TAP_SUFFIX}` };
}

/**
 * The name that an online may have given to the device, for a call that takes it away. A vifname that no device can
 * have was never given to it and must not stop the removal of the rest.
 * @param call the call
 * @param values environment, arguments and xenstore, merged
 * @returns undefined when the device was not renamed
 */
export function formerRename(call: VifCall, values: Values): FittedName | undefined {
  try {
    return vifRename(call, values);
  } catch (thrown) {
    if (thrown instanceof RequestError) return undefined;
    throw thrown;
  }
}
