import { HostError } from '../../errors.ts';
import type { DhcpdState, DhcpState } from '../../observe/dhcp/dhcp.ts';
import type { DnsmasqState } from '../../observe/dhcp/dnsmasq.ts';
import type { Service } from '../../observe/host/service.ts';
import { checkLease, isInside, type Lease, leaseSubnet } from '../../request/dhcp.ts';
import {
  applyEdit,
  declaredSubnets,
  type FileEdit,
  guestFile,
  guestFileName,
  guestOfFile,
  hostEntries,
  hostLine,
  isDeclared,
  isHandMade,
  macOfFile,
  oppositeEdit,
  ownSubnetLines,
  subnetLine,
  variableWords,
} from '../../wire/dhcp-conf.ts';
import { type Command, record, type ServiceCommand, type Step } from '../step.ts';

/** Whose DHCP entry is to go. */
export type Released = Pick<Lease, 'name' | 'device'>;

/**
 * Lets a guest have its address by DHCP (docs/contract.md, "vif-nat online"): its own entry, its device among those
 * that are served, the server restarted. No step where all is in place. The steps are safe beside other runs.
 * @param state the server, as observeDhcp finds it
 * @param lease the guest's values, unchecked
 * @throws RequestError when a value is malformed; HostError when the entry's name is taken by one made by hand, or another
 * guest has the MAC address
 */
export function planGuestLease(state: DhcpState, lease: Lease): Step[] {
  const checked = checkLease(lease);
  mustBeOnlyCard(state, checked);
  return state.server === 'dhcpd' ? dhcpdLease(state, checked) : dnsmasqLease(state, checked);
}

/**
 * Takes a guest's DHCP entry away; no step where there is none.
 * @param state the server, as observeDhcp finds it
 * @param guest whose entry
 */
export function planGuestRelease(state: DhcpState, guest: Released): Step[] {
  return state.server === 'dhcpd' ? dhcpdRelease(state, guest) : dnsmasqRelease(state, guest);
}

/** Of two entries for one card the server would take either, and hand one guest's address to the other. */
function mustBeOnlyCard(state: DhcpState, { name, mac, device }: Lease): void {
  const entries =
    state.server === 'dhcpd'
      ? hostEntries(state.conf.text).filter((entry) => !state.goneHosts.includes(entry.name))
      : [...state.files]
          .filter(([file]) => !state.goneFiles.includes(file))
          .map(([file, text]) => ({ name: guestOfFile(file), mac: macOfFile(text) }));
  const other = entries.find((entry) => entry.name !== name && entry.mac === mac.toLowerCase());
  if (other === undefined) return;
  throw new HostError(
    `${device} can have no DHCP entry: ${other.name} has the MAC address ${mac} as well, and one of both would get the other's address. ` +
      'Give one of them another mac=.',
  );
}

/** A change of one of the server's files, and what it is for. */
export type Change = readonly [path: string, edit: FileEdit, why: string];

function dhcpdLease(state: DhcpdState, lease: Lease): Step[] {
  const { conf, running, service, demanded } = state;
  if (isHandMade(conf.text, lease.name))
    throw new HostError(
      `${conf.path} declares a host ${lease.name} that was made by hand, so ${lease.device} can have no DHCP entry. Give that host another name.`,
    );
  const entries = hostEntries(conf.text);
  const [old, ...doubles] = entries.filter(({ name }) => name === lease.name);
  // The same guest comes back under another number: of two entries for its card the server would take either.
  const stale = entries.filter(
    ({ name, mac }) =>
      mac === lease.mac.toLowerCase() && name !== lease.name && state.goneHosts.includes(name),
  );
  const changes: Change[] = [
    ...subnetChanges(state, lease),
    ...[...doubles, ...stale].map(
      (entry): Change => [conf.path, { from: entry.line, to: undefined }, `forget ${entry.name}`],
    ),
    [conf.path, { from: old?.line, to: hostLine(lease) }, `hand out ${lease.address} to ${lease.name}`],
    ...deviceChanges(state, lease.device, lease.address),
  ];
  const steps = changeSteps(state, changes);
  return steps.length === 0 && running ? [] : [...steps, restartStep(service, !demanded)];
}

/** A guest outside the subnet that network-nat declares needs one of its own. */
function subnetChanges({ conf, resolver }: DhcpdState, lease: Lease): Change[] {
  if (isDeclared(declaredSubnets(conf.text), lease.address)) return [];
  const line = subnetLine(leaseSubnet(lease), resolver);
  return [[conf.path, { from: undefined, to: line }, `declare the subnet of ${lease.address}`]];
}

/**
 * Lets the server serve a device. With an empty list it serves every device whose subnet is declared: to name one would
 * take the others away. But where no others are declared it is named, since today's Debian starts no IPv4 server without.
 * @param state the server
 * @param device the device's name
 * @param address an address of its subnet
 */
export function deviceChanges(
  { conf, args, goneDevices }: DhcpdState,
  device: string,
  address: string,
): Change[] {
  if (args === undefined) return [];
  const { path, text, variable } = args;
  const gone = goneDevices.map(
    (word): Change => [path, { variable, word, present: false }, `forget ${word}`],
  );
  const listed = variableWords(text, variable) ?? [];
  const others = declaredSubnets(conf.text).filter((subnet) => !isDeclared([subnet], address));
  if (listed.length === 0 && others.length > 0) return gone;
  return [...gone, [path, { variable, word: device, present: true }, `serve ${device}`]];
}

/**
 * Lets the server serve a device no more, and those no more that are gone.
 * @param state the server
 * @param device the device's name
 */
export function noDeviceChanges({ args, goneDevices }: DhcpdState, device: string): Change[] {
  if (args === undefined) return [];
  const { path, variable } = args;
  return [device, ...goneDevices].map((word) => [path, { variable, word, present: false }, `forget ${word}`]);
}

function dhcpdRelease(state: DhcpdState, { name, device }: Released): Step[] {
  const { conf, service, running } = state;
  const own = hostEntries(conf.text).filter((entry) => entry.name === name);
  const changes: Change[] = [
    ...own.map((entry): Change => [conf.path, { from: entry.line, to: undefined }, `forget ${name}`]),
    ...ownSubnets(state, name),
    ...noDeviceChanges(state, device),
  ];
  const steps = changeSteps(state, changes);
  // Without guests it may have nothing left to serve, and then it refuses to start.
  if (steps.length === 0 || !running) return steps;
  return [...steps, { ...restartStep(service, true), do: { ...restart(service, true), mayEnd: true } }];
}

/** The subnet that a guest needed for itself goes with the last guest in it. */
function ownSubnets({ conf, heldLines }: DhcpdState, name: string): Change[] {
  const entries = hostEntries(conf.text);
  const own = entries.filter((entry) => entry.name === name);
  const others = entries.filter((entry) => entry.name !== name);
  return ownSubnetLines(conf.text)
    .filter(({ line }) => !heldLines.includes(line))
    .filter(({ subnet }) => own.some((entry) => isInside(entry.address, subnet)))
    .filter(({ subnet }) => !others.some((entry) => isInside(entry.address, subnet)))
    .map(({ line }): Change => [conf.path, { from: line, to: undefined }, `forget the subnet of ${name}`]);
}

/**
 * Carries changes out; what changes nothing is left out. They are undone as a whole: the files first, and then the
 * server is made to read them.
 * @param state the server
 * @param changes in order
 * @param alone no guest's hook may have started a server meanwhile that did not run before, so that an undo stops it again
 */
export function changeSteps(state: DhcpdState, changes: readonly Change[], alone = false): Step[] {
  const { conf, args, service, running } = state;
  const texts = new Map([conf, ...(args === undefined ? [] : [args])].map((file) => [file.path, file.text]));
  const steps: Step[] = [];
  for (const [path, edit, why] of changes) {
    const before = texts.get(path) ?? '';
    const after = applyEdit(before, edit);
    if (after === before) continue;
    texts.set(path, after);
    const undo: Command = { tool: 'edit', path, edit: oppositeEdit(before, edit) };
    const settled = running || !alone ? restart(service, !running) : stopService(service, true);
    const settle = steps.length === 0 ? [settled] : [];
    steps.push({ do: { tool: 'edit', path, edit }, undo: [undo, ...settle], why: `${why} by DHCP` });
  }
  return steps;
}

function dnsmasqLease(state: DnsmasqState, lease: Lease): Step[] {
  const { folder, files, service, running, resolver, namesDevices, demanded, boot } = state;
  const name = guestFileName(lease.name);
  const text = guestFile(lease, leaseSubnet(lease), resolver, namesDevices, boot);
  const before = files.get(name);
  const gone = goneSteps(state, name);
  if (before === text && running && gone.length === 0) return [];
  return [
    ...gone,
    {
      do: record(`${folder}/${name}`, text),
      undo: [record(`${folder}/${name}`, before), restart(service, !running)],
      why: `hand out ${lease.address} to ${lease.name} by DHCP`,
    },
    restartStep(service, !demanded),
  ];
}

/** Files of guests that went without a word. They are not made again by an undo. */
function goneSteps({ folder, goneFiles }: DnsmasqState, but: string): Step[] {
  return goneFiles
    .filter((name) => name !== but)
    .map((name) => ({
      do: record(`${folder}/${name}`, undefined),
      undo: [],
      why: `forget ${guestOfFile(name)}, which is gone, by DHCP`,
    }));
}

/**
 * Takes the entries of guests away that went without a word, at the start of their network.
 * @param state the server
 */
export function planGone(state: DnsmasqState): Step[] {
  const steps = goneSteps(state, '');
  return steps.length === 0 || !state.running ? steps : [...steps, restartStep(state.service, true)];
}

function dnsmasqRelease({ folder, files, service, running }: DnsmasqState, guest: Released): Step[] {
  const name = guestFileName(guest.name);
  const before = files.get(name);
  if (before === undefined) return [];
  const steps: Step[] = [
    {
      do: record(`${folder}/${name}`, undefined),
      undo: [record(`${folder}/${name}`, before), ...(running ? [restart(service, true)] : [])],
      why: `forget ${guest.name} by DHCP`,
    },
  ];
  return running ? [...steps, restartStep(service, true)] : steps;
}

/**
 * Makes a server read its files, started or not.
 * @param service which one
 * @param optional whether it may refuse
 */
export function restart(service: Service, optional: boolean): ServiceCommand {
  return { tool: 'service', verb: 'restart', service, optional };
}

/**
 * Stops a server.
 * @param service which one
 * @param optional whether it may refuse
 */
export function stopService(service: Service, optional: boolean): Command {
  return { tool: 'service', verb: 'stop', service, optional };
}

/**
 * The same as a step, whose undo is that of the changes it follows.
 * @param service which one
 * @param optional whether it may refuse
 */
export function restartStep(service: Service, optional: boolean): Step {
  return {
    do: restart(service, optional),
    undo: [],
    why: `let the DHCP server ${service.program} read its files again`,
  };
}
