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
  type HostEntry,
  hostEntries,
  hostLine,
  hostOfFile,
  isDeclared,
  isHandMade,
  oppositeEdit,
  ownSubnetLines,
  subnetLine,
  variableWords,
} from '../../wire/dhcp-conf.ts';
import { type Command, record, type ServiceCommand, type Step } from '../step.ts';

/** The guest whose DHCP entry goes. */
export type Released = Pick<Lease, 'name' | 'device'>;

/**
 * The steps that give a guest its address by DHCP (docs/contract.md, "vif-nat online"): an entry, its device among
 * those that are served, a restart of the server. None where all of that is there. Other runs may do the same at the
 * same time.
 * @param state the server, as observeDhcp finds it
 * @param lease the guest's values, unchecked
 * @throws RequestError when a value is malformed; HostError when an entry made by hand has the name, or another guest
 * has the MAC address
 */
export function planGuestLease(state: DhcpState, lease: Lease): Step[] {
  const checked = checkLease(lease);
  mustBeOnlyCard(state, checked);
  return state.server === 'dhcpd' ? dhcpdLease(state, checked) : dnsmasqLease(state, checked);
}

/**
 * The steps that remove a guest's DHCP entry; none where there is none.
 * @param state the server, as observeDhcp finds it
 * @param guest the guest
 */
export function planGuestRelease(state: DhcpState, guest: Released): Step[] {
  return state.server === 'dhcpd' ? dhcpdRelease(state, guest) : dnsmasqRelease(state, guest);
}

/**
 * With two entries for one MAC address the server would take either, and could give one guest's address to the other.
 */
function mustBeOnlyCard(state: DhcpState, { name, mac, device }: Lease): void {
  const entries =
    state.server === 'dhcpd'
      ? hostEntries(state.conf.text).filter((entry) => !state.goneHosts.includes(entry.name))
      : [...state.files]
          .filter(([file]) => !state.goneFiles.includes(file))
          .map(([file, text]) => ({ name: guestOfFile(file), mac: hostOfFile(text)?.mac }));
  const other = entries.find((entry) => entry.name !== name && entry.mac === mac.toLowerCase());
  if (other === undefined) return;
  throw new HostError(
    `${device} can have no DHCP entry: ${other.name} has the MAC address ${mac} as well, and one of both would get the other's address. ` +
      'Give one of them another mac=.',
  );
}

/** A change of one of the server's files, with its reason. */
export type Change = readonly [path: string, edit: FileEdit, why: string];

function dhcpdLease(state: DhcpdState, lease: Lease): Step[] {
  const { conf, running, service, demanded } = state;
  if (isHandMade(conf.text, lease.name))
    throw new HostError(
      `${conf.path} declares a host ${lease.name} that was made by hand, so ${lease.device} can have no DHCP entry. Give that host another name.`,
    );
  const [old, ...doubles] = hostEntries(conf.text).filter(({ name }) => name === lease.name);
  const changes: Change[] = [
    ...subnetChanges(state, lease),
    ...doubles.map((entry) => forget(state, entry)),
    ...goneChanges(state, lease.name),
    [
      conf.path,
      { from: old?.line, to: hostLine(lease) },
      `hand out ${lease.address} to ${lease.name} by DHCP`,
    ],
    ...deviceChanges(state, lease.device, lease.address),
  ];
  const steps = changeSteps(state, changes);
  return steps.length === 0 && running ? [] : [...steps, restartStep(service, !demanded)];
}

/**
 * The changes that remove the entries of guests that no longer exist. Otherwise a guest that restarts with another domain id
 * would have two entries for its MAC address, and the server would use either.
 * @param state the server
 * @param but the name of an entry to keep
 */
export function goneChanges(state: DhcpdState, but?: string): Change[] {
  return hostEntries(state.conf.text)
    .filter(({ name }) => name !== but && state.goneHosts.includes(name))
    .map((entry) => forget(state, entry));
}

function forget({ conf }: DhcpdState, { name, line }: HostEntry): Change {
  return [conf.path, { from: line, to: undefined }, `remove the DHCP entry of ${name}`];
}

/** A guest outside the subnet that network-nat declares needs a declaration of its own. */
function subnetChanges({ conf, resolver }: DhcpdState, lease: Lease): Change[] {
  if (isDeclared(declaredSubnets(conf.text), lease.address)) return [];
  const line = subnetLine(leaseSubnet(lease), resolver);
  return [[conf.path, { from: undefined, to: line }, `declare the DHCP subnet of ${lease.address}`]];
}

/**
 * The changes that let the server serve a device. With an empty list the server serves every device whose subnet is
 * declared, and one device in the list would exclude all others. Where no other subnet is declared the device is
 * listed, since today's Debian starts no IPv4 server with an empty list.
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
    (word): Change => [path, { variable, word, present: false }, `serve ${word} by DHCP no longer`],
  );
  const listed = variableWords(text, variable) ?? [];
  const others = declaredSubnets(conf.text).filter((subnet) => !isDeclared([subnet], address));
  if (listed.length === 0 && others.length > 0) return gone;
  return [...gone, [path, { variable, word: device, present: true }, `serve ${device} by DHCP`]];
}

/**
 * The changes that remove a device, and those that are gone, from the list of served devices.
 * @param state the server
 * @param device the device's name
 */
export function noDeviceChanges({ args, goneDevices }: DhcpdState, device: string): Change[] {
  if (args === undefined) return [];
  const { path, variable } = args;
  return [device, ...goneDevices].map((word) => [
    path,
    { variable, word, present: false },
    `serve ${word} by DHCP no longer`,
  ]);
}

function dhcpdRelease(state: DhcpdState, { name, device }: Released): Step[] {
  const { conf, service, running } = state;
  const own = hostEntries(conf.text).filter((entry) => entry.name === name);
  const changes: Change[] = [
    ...own.map((entry) => forget(state, entry)),
    ...ownSubnets(state, name),
    ...noDeviceChanges(state, device),
  ];
  const steps = changeSteps(state, changes);
  // Without guests the server may have nothing to serve, and then refuses to start.
  if (steps.length === 0 || !running) return steps;
  return [...steps, { ...restartStep(service, true), do: { ...restart(service, true), mayEnd: true } }];
}

/** A declaration for guests' own subnet goes with the last guest in that subnet. */
function ownSubnets({ conf, heldLines }: DhcpdState, name: string): Change[] {
  const entries = hostEntries(conf.text);
  const own = entries.filter((entry) => entry.name === name);
  const others = entries.filter((entry) => entry.name !== name);
  return ownSubnetLines(conf.text)
    .filter(({ line }) => !heldLines.includes(line))
    .filter(({ subnet }) => own.some((entry) => isInside(entry.address, subnet)))
    .filter(({ subnet }) => !others.some((entry) => isInside(entry.address, subnet)))
    .map(
      ({ line }): Change => [conf.path, { from: line, to: undefined }, `remove the DHCP subnet of ${name}`],
    );
}

/**
 * The steps for a list of changes; a change that changes nothing is left out. The undo of all of them restores the
 * files first and then restarts the server.
 * @param state the server
 * @param changes the changes, in order
 * @param alone no guest's hook can have started a server that did not run before, so the undo stops it
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
    const lastStep = running || !alone ? restart(service, !running) : stopService(service, true);
    const last = steps.length === 0 ? [lastStep] : [];
    steps.push({ do: { tool: 'edit', path, edit }, undo: [undo, ...last], why });
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

/** Removes the files of guests that went without an offline. An undo does not restore them. */
function goneSteps({ folder, goneFiles }: DnsmasqState, but: string): Step[] {
  return goneFiles
    .filter((name) => name !== but)
    .map((name) => ({
      do: record(`${folder}/${name}`, undefined),
      undo: [],
      why: `remove the DHCP entry of ${guestOfFile(name)}, which is gone`,
    }));
}

/**
 * The steps that remove the entries of guests that went without an offline, when their network starts.
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
      why: `remove the DHCP entry of ${guest.name}`,
    },
  ];
  return running ? [...steps, restartStep(service, true)] : steps;
}

/**
 * Makes a server read its files; starts it where it does not run.
 * @param service the server
 * @param optional whether it may refuse
 */
export function restart(service: Service, optional: boolean): ServiceCommand {
  return { tool: 'service', verb: 'restart', service, optional };
}

/**
 * Stops a server.
 * @param service the server
 * @param optional whether it may refuse
 */
export function stopService(service: Service, optional: boolean): Command {
  return { tool: 'service', verb: 'stop', service, optional };
}

/**
 * A restart as a step, which needs no undo because the undo of the changes before it restarts the server.
 * @param service the server
 * @param optional whether it may refuse
 */
export function restartStep(service: Service, optional: boolean): Step {
  return {
    do: restart(service, optional),
    undo: [],
    why: `let the DHCP server ${service.program} read its files again`,
  };
}
