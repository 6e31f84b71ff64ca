import { RequestError } from '../errors.ts';
import { quote } from '../text.ts';

/** IFNAMSIZ less the closing NUL (linux/if.h). */
export const NAME_LENGTH = 15;
/** What the emulated NIC's device is called: its vif's name and this. */
export const TAP_SUFFIX = '-emu';
/** ALTIFNAMSIZ less the closing NUL (linux/if.h). */
const ALTNAME_LENGTH = 127;

// Stricter than the kernel, on purpose: a closing "+" is a wildcard to iptables, "%" a template to the kernel,
// quotes, "#" and "\" mean something to `ip -batch` and iptables-restore, and "all" and "default" are sysctl folders.
const NAME = /^[A-Za-z0-9_.@][A-Za-z0-9_.@-]*$/;
const RESERVED = new Set(['.', '..', 'all', 'default']);

/** A device name that fits the kernel, and the full one when it had to be cut. */
export interface FittedName {
  readonly name: string;
  /** The name as it was asked for, to be kept as an altname; only when it was cut. */
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
 * The value, once it is known to be a legal device name (docs/contract.md, "Device names").
 * @param value what was given
 * @param role what it is in the caller's words, for the message: "bridge", "netdev"
 * @throws RequestError when it is not one
 */
export function deviceName(value: string, role: string): string {
  if (isDeviceName(value)) return value;
  throw new RequestError(
    `${role} is ${quote(value)}, which is no usable device name. Give 1 to ${NAME_LENGTH} letters, digits or "_.@-" ` +
      '(the first no "-"), and not "all" or "default".',
  );
}

/**
 * Names that the kernel, udev, the toolstacks or our own hooks give to devices: a guest that took one would keep another
 * guest, or a bridge, from coming.
 */
const MADE = [
  /^(vif|tap|veth|vnet|virbr|xenbr|xenold|xapi|bond|team|dummy|ifb|tun|docker|wlan|wwan|usb|ib|gre|sit)\d+(\.\d+)?(-emu|-nic)?$/,
  // Cards, by the kernel's names and by udev's (systemd.net-naming-scheme), and a card that network-bridge has renamed.
  /^p?(eth\d+|em\d+|(en|wl)([os]\d|x[0-9a-f]{12}|[Pp]\d)\w*|p\d+p\d+)(\.\d+)?$/,
  /^(lo|peth|ovs-system|vif0|docker0|lxcbr0)$/,
  // Records of ours that were put aside.
  /\.damaged$/,
];

/**
 * Whether it is the kernel's name of a guest's vif, or of its emulated twin.
 * @param name a device's name
 */
export function isGuestDevice(name: string): boolean {
  return /^vif\d+\.\d+(-emu)?$/.test(name);
}

/**
 * Cuts a vifname to what the kernel takes: 15 characters, or 11 where a tap named NAME-emu stands beside it
 * (docs/contract.md, "vifname").
 * @param value the vifname as configured
 * @param hasTap whether the guest's NIC also has an emulated twin
 * @throws RequestError when even the cut name is not legal
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
 * The alias that tells whose device a renamed one is.
 * @param device the kernel's name, vif1.0 or vif1.0-emu
 */
export function aliasOf(device: string): string {
  return `xen-network ${device}`;
}
