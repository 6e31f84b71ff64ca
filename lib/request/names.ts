import { RequestError } from '../errors.ts';
import { quote } from '../text.ts';

/** IFNAMSIZ without the terminating NUL (linux/if.h). */
export const NAME_LENGTH = 15;
/** The tap of a guest's emulated NIC is named like its vif, with this suffix. */
export const TAP_SUFFIX = '-emu';
/** ALTIFNAMSIZ without the terminating NUL (linux/if.h). */
const ALTNAME_LENGTH = 127;

// Stricter than the kernel, on purpose. A final "+" is a wildcard in iptables, and "%" a template in the kernel.
// Quotes, "#" and "\" have a meaning in `ip -batch` and iptables-restore. "all" and "default" are folders of sysctl.
const NAME = /^[A-Za-z0-9_.@][A-Za-z0-9_.@-]*$/;
const RESERVED = new Set(['.', '..', 'all', 'default']);

/**
 * The name of a card's other device: of the tap of a vif, or of the vif of a tap.
 * @param name the name of one of the two devices
 */
export function twinOf(name: string): string {
  return name.endsWith(TAP_SUFFIX) ? name.slice(0, -TAP_SUFFIX.length) : `${name}${TAP_SUFFIX}`;
}

/** A device name of a length that the kernel takes. */
export interface FittedName {
  readonly name: string;
  /** The full name, for an altname; only set when the name was cut. */
  readonly altname?: string;
}

/**
 * Whether a text can be a device's name.
 * @param value the name
 */
export function isDeviceName(value: string): boolean {
  return value.length <= NAME_LENGTH && NAME.test(value) && !RESERVED.has(value);
}

/**
 * Checks that a value is a legal device name (docs/contract.md, "Device names").
 * @param value what was given
 * @param role the variable's name for the message, such as "bridge" or "netdev"
 * @returns the value
 * @throws RequestError when it is no such name
 */
export function deviceName(value: string, role: string): string {
  if (isDeviceName(value)) return value;
  throw new RequestError(
    `${role} is ${quote(value)}, which is no usable device name. Give 1 to ${NAME_LENGTH} letters, digits or "_.@-" ` +
      '(the first no "-"), and not "all" or "default".',
  );
}

/**
 * Names that the kernel, udev, the toolstacks or our own hooks give to devices. A guest with such a name would prevent
 * another guest or a bridge from starting.
 */
const MADE = [
  /^(vif|tap|veth|vnet|virbr|xenbr|xenold|xapi|bond|team|dummy|ifb|tun|docker|wlan|wwan|usb|ib|gre|sit)\d+(\.\d+)?(-emu|-nic)?$/,
  // Cards, named by the kernel or by udev (systemd.net-naming-scheme), and cards that network-bridge has renamed.
  /^p?(eth\d+|em\d+|(en|wl)([os]\d|x[0-9a-f]{12}|[Pp]\d)\w*|p\d+p\d+)(\.\d+)?$/,
  /^(lo|peth|ovs-system|vif0|docker0|lxcbr0)$/,
  // The tap of another guest's card.
  /-emu$/,
  // Damaged records that were put aside.
  /\.damaged$/,
];

/**
 * Whether a name is the kernel's name of a guest's vif or of its tap.
 * @param name a device's name
 */
export function isGuestDevice(name: string): boolean {
  return /^vif\d+\.\d+(-emu)?$/.test(name);
}

/**
 * Cuts a vifname to the length that the kernel takes: 15 characters, or 11 where there is also a tap, named NAME-emu
 * (docs/contract.md, "vifname").
 * @param value the vifname as configured
 * @param hasTap whether the guest's NIC also has a tap
 * @throws RequestError when even the cut name is not legal, or is one that the kernel or a hook gives to other devices
 */
export function fitVifname(value: string, hasTap: boolean): FittedName {
  const room = hasTap ? NAME_LENGTH - TAP_SUFFIX.length : NAME_LENGTH;
  const name = deviceName(value.slice(0, room), 'vifname');
  if (MADE.some((form) => form.test(name)))
    throw new RequestError(
      `vifname is ${quote(value)}, a name that the kernel or a hook gives to another device. Give the guest one of your own, such as web-lan.`,
    );
  if (name === value) return { name };
  if (!NAME.test(value) || value.length > ALTNAME_LENGTH) {
    throw new RequestError(
      `vifname is ${quote(value)}, which is too long or has characters that no device name can have. ` +
        `Give at most ${room} letters, digits or "_.@-".`,
    );
  }
  return { name, altname: value };
}

/**
 * The alias of a renamed device: it tells whose device this is.
 * @param device the kernel's name, vif1.0 or vif1.0-emu
 */
export function aliasOf(device: string): string {
  return `xen-network ${device}`;
}

/**
 * Whether a device's alias says that a hook gave the device of a guest a vifname.
 * @param alias the device's alias; undefined if it has none
 */
export function isGuestAlias(alias: string | undefined): boolean {
  return alias?.startsWith(aliasOf('vif')) === true;
}
