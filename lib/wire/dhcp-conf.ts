import { type Prefix, parsePrefix } from '../request/addresses.ts';
import { isInside, type Lease, netmask, type Resolver } from '../request/dhcp.ts';

/**
 * A change of one line in a file that others write as well. It is carried out on whatever the file holds by then, so
 * that runs side by side lose nothing of each other.
 */
export interface LineEdit {
  /** The line that is there now; undefined where one is added. */
  readonly from: string | undefined;
  /** The line that takes its place; undefined where one is taken away. */
  readonly to: string | undefined;
  /** The line after which a new one is put; the end of the file where it is undefined or gone. */
  readonly after?: string;
}

/** A word that a shell variable's list is to hold, or to hold no more. */
export interface WordEdit {
  readonly variable: string;
  readonly word: string;
  readonly present: boolean;
}

export type FileEdit = LineEdit | WordEdit;

/**
 * A file's text after a change; the same text where it is changed already. Bytes that the change does not speak of stay
 * as they are, and a change and its opposite leave the text as it was.
 * @param text the whole file
 * @param edit the change
 */
export function applyEdit(text: string, edit: FileEdit): string {
  return 'word' in edit ? applyWord(text, edit) : applyLine(text, edit);
}

/**
 * The change that takes one back.
 * @param text the whole file before it
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

/** A file that ends with a newline has an empty last line, before which a new one goes. */
function placeAfter(lines: readonly string[], after: string | undefined): number {
  const at = after === undefined ? -1 : lines.indexOf(after);
  if (at >= 0) return at + 1;
  return lines.at(-1) === '' ? lines.length - 1 : lines.length;
}

/** `NAME=`, then the value in double quotes, in single quotes or in none; what follows stays. */
const ASSIGNMENT = /^([ \t]*)([A-Za-z_]\w*)=("[^"\n]*"|'[^'\n]*'|[^\s"'#]*)/gm;
/** Stands first in a value that had no quotes before a second word made them needed. */
const UNQUOTED = '\t';

/**
 * The words of a shell variable's list.
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
 * A guest's entry for dhcpd.conf(5), in the form of the stock scripts, so that they and we find each other's.
 * @param lease its values, checked
 */
export function hostLine({ name, mac, address, router }: Lease): string {
  return `host ${name} { hardware ethernet ${mac}; fixed-address ${address}; option routers ${router}; option host-name "${name}"; }`;
}

const HOST_LINE =
  /^host (\S+) \{ hardware ethernet ([0-9A-Fa-f:]+); fixed-address ([0-9.]+); option routers ([0-9.]+); option host-name "\1"; \}$/;

/** An entry that a hook has made, ours or a stock one. */
export interface HostEntry {
  readonly line: string;
  readonly name: string;
  /** Lower-case. */
  readonly mac: string;
  readonly address: string;
  readonly router: string;
}

/**
 * The entries of a dhcpd.conf that hooks have made; those made by hand have another form.
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
 * A subnet's declaration for dhcpd.conf(5), on one line as the stock scripts write it.
 * @param subnet the subnet
 * @param resolver what its hosts are told
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

/** Ends a declaration that a hook has made: one made by hand may have the same form. */
export const OWN_MARK = ' # xen-network';

/** A subnet that a dhcpd.conf declares. */
export interface DeclaredSubnet {
  readonly address: string;
  readonly mask: string;
}

/**
 * The subnets that a dhcpd.conf declares, outside comments; included files are not looked into.
 * @param text the whole file
 */
export function declaredSubnets(text: string): DeclaredSubnet[] {
  const found = withoutComments(text).matchAll(/\bsubnet\s+([0-9.]+)\s+netmask\s+([0-9.]+)/g);
  return [...found].map(([, address = '', mask = '']) => ({ address, mask }));
}

/**
 * Whether one of the subnets holds an address.
 * @param subnets what is declared
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
 * @param lease its values, checked
 * @param subnet the subnet that it is in
 * @param resolver what it is told
 * @param namesDevice whether the server has to be told to serve the device
 * @param boot what this start of the host is known by
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
 * Whether a guest's file was made since the host was started; one that does not say counts as such.
 * @param text the file
 * @param boot what this start of the host is known by
 */
export function isOfBoot(text: string, boot: string): boolean {
  const line = text.split('\n').find((own) => own.startsWith(BOOT));
  return line === undefined || line === `${BOOT}${boot}`;
}

/** The MAC address to which a guest's file hands out an address, in lower case. */
export function macOfFile(text: string): string | undefined {
  return /^dhcp-host=([0-9A-Fa-f:]{17}),/m.exec(text)?.[1]?.toLowerCase();
}

/** How the names of our guests' files begin. */
export const GUEST_FILE_PREFIX = 'xen-network-';

/**
 * The name of a guest's file for dnsmasq.
 * @param name the guest's name
 */
export function guestFileName(name: string): string {
  return `${GUEST_FILE_PREFIX}${name}.conf`;
}

/**
 * The guest whose file for dnsmasq it is.
 * @param file the file's name
 */
export function guestOfFile(file: string): string {
  return file.slice(GUEST_FILE_PREFIX.length).replace(/\.conf$/, '');
}

const OWN_SUBNET =
  /^subnet ([\d.]+) netmask ([\d.]+) \{(?: option domain-name "[^"]*";)?(?: option domain-name-servers [\d., ]+;)? \} # xen-network$/;

/** A subnet in the form of `subnetLine`, whatever its hosts were told when it was written. */
export interface OwnSubnet {
  readonly line: string;
  readonly subnet: Prefix;
}

/**
 * The subnets of a dhcpd.conf in the form that guests' hooks give them: they hand out nothing by themselves.
 * @param text the whole file
 */
export function ownSubnetLines(text: string): OwnSubnet[] {
  return text.split('\n').flatMap((line) => {
    const [, address, mask] = OWN_SUBNET.exec(line) ?? [];
    const subnet = address === undefined ? undefined : parsePrefix(`${address}/${mask}`);
    return subnet === undefined ? [] : [{ line, subnet }];
  });
}
