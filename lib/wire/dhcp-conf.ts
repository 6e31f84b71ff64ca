import { type Prefix, parsePrefix } from '../request/addresses.ts';
import { isInside, type Lease, netmask, type Resolver } from '../request/dhcp.ts';

/**
 * A change of one line in a file that other programs write too. It is applied to the content that the file has at that
 * moment, so that hooks that run at the same time do not undo each other's changes.
 */
export interface LineEdit {
  /** The present line; undefined to add one. */
  readonly from: string | undefined;
  /** The new line; undefined to remove one. */
  readonly to: string | undefined;
  /**
   * The line after which the new line goes; where it is undefined or gone, the new line goes to the end of the file.
   */
  readonly after?: string;
}

/** A word to add to, or to remove from, a shell variable's list. */
export interface WordEdit {
  readonly variable: string;
  readonly word: string;
  readonly present: boolean;
}

export type FileEdit = LineEdit | WordEdit;

/**
 * A file's text after a change; the same text where the change is already made. All other bytes stay as they are, and a
 * change followed by its opposite gives the text from before.
 * @param text the whole file
 * @param edit the change
 */
export function applyEdit(text: string, edit: FileEdit): string {
  return 'word' in edit ? applyWord(text, edit) : applyLine(text, edit);
}

/**
 * The change that undoes another.
 * @param text the whole file before the change
 * @param edit the change
 */
export function oppositeEdit(text: string, edit: FileEdit): FileEdit {
  if ('word' in edit) return { ...edit, present: !edit.present };
  const lines = text.split('\n');
  const at = edit.from === undefined ? -1 : lines.indexOf(edit.from);
  const before = at > 0 ? lines[at - 1] : undefined;
  return { from: edit.to, to: edit.from, ...(before === undefined ? {} : { after: before }) };
}

function applyLine(text: string, { from, to, after }: LineEdit): string {
  const lines = text.split('\n');
  const at = from === undefined ? -1 : lines.indexOf(from);
  if (at >= 0) lines.splice(at, 1, ...(to === undefined ? [] : [to]));
  else if (to !== undefined && !lines.includes(to)) lines.splice(placeAfter(lines, after), 0, to);
  return lines.join('\n');
}

/** A file that ends with a newline splits into an empty last line; the new line goes before it. */
function placeAfter(lines: readonly string[], after: string | undefined): number {
  const at = after === undefined ? -1 : lines.indexOf(after);
  if (at >= 0) return at + 1;
  return lines.at(-1) === '' ? lines.length - 1 : lines.length;
}

/** `NAME=`, then the value in double quotes, in single quotes or without quotes; the rest of the line stays. */
const ASSIGNMENT = /^([ \t]*)([A-Za-z_]\w*)=("[^"\n]*"|'[^'\n]*'|[^\s"'#]*)/gm;
/** The first character of a value that had no quotes until a second word made them necessary. */
const UNQUOTED = '\t';

/**
 * The words in a shell variable's list.
 * @param text the whole file
 * @param variable the variable's name
 * @returns undefined where no line sets it
 */
export function variableWords(text: string, variable: string): string[] | undefined {
  const found = [...text.matchAll(ASSIGNMENT)].filter((match) => match[2] === variable).at(-1);
  if (found === undefined) return undefined;
  return unquoted(found[3] ?? '')
    .split(/\s+/)
    .filter((word) => word !== '');
}

function applyWord(text: string, { variable, word, present }: WordEdit): string {
  return text.replace(ASSIGNMENT, (line, indent: string, name: string, value: string) => {
    if (name !== variable) return line;
    return `${indent}${name}=${present ? withWord(value, word) : withoutWord(value, word)}`;
  });
}

function unquoted(value: string): string {
  return /^["']/.test(value) ? value.slice(1, -1) : value;
}

function withWord(value: string, word: string): string {
  const inner = unquoted(value);
  if (inner.split(/\s+/).includes(word)) return value;
  if (value === '') return word;
  if (inner === '') return `${value[0]}${word}${value[0]}`;
  return inner === value ? `"${UNQUOTED}${inner} ${word}"` : `${value[0]}${inner} ${word}${value[0]}`;
}

function withoutWord(value: string, word: string): string {
  const inner = unquoted(value);
  const mark = inner.startsWith(UNQUOTED) ? UNQUOTED : '';
  const words = inner.slice(mark.length).split(' ');
  const at = words.lastIndexOf(word);
  if (at < 0) return value;
  const rest = words.filter((_, i) => i !== at).join(' ');
  if (inner === value || (mark !== '' && !rest.includes(' '))) return rest;
  return `${value[0]}${mark}${rest}${value[0]}`;
}

/**
 * A guest's entry for dhcpd.conf(5), in the form of the stock scripts, so that they and we find each other's entries.
 * @param lease the guest's lease, checked
 */
export function hostLine({ name, mac, address, router }: Lease): string {
  return `host ${name} { hardware ethernet ${mac}; fixed-address ${address}; option routers ${router}; option host-name "${name}"; }`;
}

const HOST_LINE =
  /^host (\S+) \{ hardware ethernet ([0-9A-Fa-f:]+); fixed-address ([0-9.]+); option routers ([0-9.]+); option host-name "\1"; \}$/;

/** An entry that a hook has made, ours or a stock script. */
export interface HostEntry {
  readonly line: string;
  readonly name: string;
  /** Lower-case. */
  readonly mac: string;
  readonly address: string;
  readonly router: string;
}

/**
 * The entries of a dhcpd.conf that hooks have made; entries made by hand have another form.
 * @param text the whole file
 */
export function hostEntries(text: string): HostEntry[] {
  return text.split('\n').flatMap((line) => {
    const [, name = '', mac = '', address = '', router = ''] = HOST_LINE.exec(line) ?? [];
    return name === '' ? [] : [{ line, name, mac: mac.toLowerCase(), address, router }];
  });
}

/**
 * Whether a dhcpd.conf declares a host of this name by hand.
 * @param text the whole file
 * @param name the host's name
 */
export function isHandMade(text: string, name: string): boolean {
  const rest = text.split('\n').filter((line) => !HOST_LINE.test(line));
  const names = withoutComments(rest.join('\n')).matchAll(/\bhost\s+"?([^\s"{]+)"?\s*\{/g);
  return [...names].some((match) => match[1] === name);
}

/**
 * A subnet's declaration for dhcpd.conf(5), on one line like the stock scripts'.
 * @param subnet the subnet
 * @param resolver domain and name servers for its hosts
 */
export function subnetLine(subnet: Prefix, resolver: Resolver): string {
  const { domain, servers } = resolver;
  const options = [
    ...(domain === undefined ? [] : [`option domain-name "${domain}";`]),
    ...(servers.length === 0 ? [] : [`option domain-name-servers ${servers.join(', ')};`]),
  ];
  const words = ['subnet', subnet.address, 'netmask', netmask(subnet.length), '{', ...options, '}'];
  return `${words.join(' ')}${OWN_MARK}`;
}

/** Marks the end of a declaration that a hook has made, since one made by hand may have the same form. */
export const OWN_MARK = ' # xen-network';

/** A subnet that a dhcpd.conf declares. */
export interface DeclaredSubnet {
  readonly address: string;
  readonly mask: string;
}

/**
 * The subnets that a dhcpd.conf declares, outside comments; included files are not read.
 * @param text the whole file
 */
export function declaredSubnets(text: string): DeclaredSubnet[] {
  const found = withoutComments(text).matchAll(/\bsubnet\s+([0-9.]+)\s+netmask\s+([0-9.]+)/g);
  return [...found].map(([, address = '', mask = '']) => ({ address, mask }));
}

/**
 * Whether one of the subnets contains an address.
 * @param subnets the declared subnets
 * @param address IPv4
 */
export function isDeclared(subnets: readonly DeclaredSubnet[], address: string): boolean {
  return subnets.some(({ address: base, mask }) => {
    const length = Array.from({ length: 33 }, (_, bits) => bits).find((bits) => netmask(bits) === mask);
    return length !== undefined && isInside(address, { family: 4, address: base, length });
  });
}

function withoutComments(text: string): string {
  return text.replace(/#.*$/gm, '');
}

/**
 * A guest's file for dnsmasq(8).
 * @param lease the guest's lease, checked
 * @param subnet the guest's subnet
 * @param resolver domain and name servers for the guest
 * @param namesDevice whether the file must tell the server to serve the device
 * @param boot the id of this boot of the host
 */
export function guestFile(
  lease: Lease,
  subnet: Prefix,
  resolver: Resolver,
  namesDevice: boolean,
  boot: string,
): string {
  const { name, mac, address, router, device } = lease;
  const { domain, servers } = resolver;
  const option = (key: string, value: string) => `dhcp-option=tag:${name},option:${key},${value}`;
  return [
    `# xen-network made this file for ${device} and takes it away with it.`,
    `${BOOT}${boot}`,
    ...(namesDevice ? [`interface=${device}`] : []),
    `dhcp-range=${subnet.address},static,${netmask(subnet.length)}`,
    `dhcp-host=${mac},set:${name},${address},${name}`,
    option('router', router),
    ...(servers.length === 0 ? [] : [option('dns-server', servers.join())]),
    ...(domain === undefined ? [] : [option('domain-name', domain)]),
    '',
  ].join('\n');
}

const BOOT = '# The host was started as ';

/**
 * Whether a guest's file was made since the host's last boot; a file that does not say counts as such.
 * @param text the file
 * @param boot the id of this boot of the host
 */
export function isOfBoot(text: string, boot: string): boolean {
  const line = text.split('\n').find((own) => own.startsWith(BOOT));
  return line === undefined || line === `${BOOT}${boot}`;
}

/**
 * The card to which a guest's file gives an address, and the address.
 * @param text the file
 * @returns the MAC address in lower case; undefined where the file gives none
 */
export function hostOfFile(text: string): { readonly mac: string; readonly address: string } | undefined {
  const [, mac, address = ''] = /^dhcp-host=([0-9A-Fa-f:]{17}),set:[^,]*,([\d.]+),/m.exec(text) ?? [];
  return mac === undefined ? undefined : { mac: mac.toLowerCase(), address };
}

/** The beginning of the names of our guests' files. */
export const GUEST_FILE_PREFIX = 'xen-network-';

/**
 * The name of a guest's file for dnsmasq.
 * @param name the guest's name
 */
export function guestFileName(name: string): string {
  return `${GUEST_FILE_PREFIX}${name}.conf`;
}

/**
 * The guest to whom a file for dnsmasq belongs.
 * @param file the file's name
 */
export function guestOfFile(file: string): string {
  return file.slice(GUEST_FILE_PREFIX.length).replace(/\.conf$/, '');
}

const OWN_SUBNET =
  /^subnet ([\d.]+) netmask ([\d.]+) \{(?: option domain-name "[^"]*";)?(?: option domain-name-servers [\d., ]+;)? \} # xen-network$/;

/** A subnet in the form of `subnetLine`, with any domain and name servers. */
export interface OwnSubnet {
  readonly line: string;
  readonly subnet: Prefix;
}

/**
 * The subnets of a dhcpd.conf that guests' hooks have declared; such a declaration hands out no addresses by itself.
 * @param text the whole file
 */
export function ownSubnetLines(text: string): OwnSubnet[] {
  return text.split('\n').flatMap((line) => {
    const [, address, mask] = OWN_SUBNET.exec(line) ?? [];
    const subnet = address === undefined ? undefined : parsePrefix(`${address}/${mask}`);
    return subnet === undefined ? [] : [{ line, subnet }];
  });
}
