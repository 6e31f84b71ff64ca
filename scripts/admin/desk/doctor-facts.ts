import { pendingRuns } from '../../../lib/apply/confirm.ts';
import { journalKeys } from '../../../lib/apply/journal.ts';
import { tried } from '../../../lib/desk/check/finding.ts';
import { type Use, usesOf } from '../../../lib/desk/check/twice.ts';
import { uplinkOf } from '../../../lib/desk/doctor/complaint.ts';
import type { DoctorFacts, LeftFacts } from '../../../lib/desk/doctor/facts.ts';
import type { MapFacts } from '../../../lib/desk/map/map.ts';
import type { Context } from '../../../lib/hook/context.ts';
import { goneDevices } from '../../../lib/hook/guests/leftovers.ts';
import { askedOnce } from '../../../lib/hook/guests/once.ts';
import { listAllRules } from '../../../lib/hook/guests/refilter/records.ts';
import { lockOf } from '../../../lib/hook/locks.ts';
import { SCRIPTS } from '../../../lib/hook/scripts.ts';
import { bridgeOwners } from '../../../lib/observe/bridge/owners.ts';
import { type BridgeRecord, otherOwners } from '../../../lib/observe/bridge/uplink.ts';
import { offloadsChecksums, readBadChecksums } from '../../../lib/observe/desk/checksums.ts';
import { switchRuns } from '../../../lib/observe/desk/facts.ts';
import { readHeldLocks } from '../../../lib/observe/desk/held-locks.ts';
import { ifupdownBridges } from '../../../lib/observe/desk/owners.ts';
import { observeHolders } from '../../../lib/observe/dhcp/dhcp.ts';
import { otherServer } from '../../../lib/observe/dhcp/others.ts';
import { readNatRecords } from '../../../lib/observe/forward/nat.ts';
import { readConfigFile } from '../../../lib/observe/host/config-file.ts';
import { configKind, filesBelow, XEN_FOLDER } from '../../../lib/observe/host/config-folder.ts';
import { readHookLinks } from '../../../lib/observe/host/hook-links.ts';
import type { HostState } from '../../../lib/observe/host/host.ts';
import { processOf } from '../../../lib/observe/host/service.ts';
import { damageOf } from '../../../lib/plan/bridge/found.ts';
import { bridgeDnsmasq } from '../../../lib/plan/dhcp/virtual.ts';
import { hookState } from '../../../lib/plan/hook-links.ts';
import { PORT_MAC } from '../../../lib/plan/vif/device.ts';
import { natRecordPath, virtualRecordPath } from '../../../lib/record/paths.ts';
import { parseAddressList } from '../../../lib/request/addresses.ts';
import { isGuestDevice } from '../../../lib/request/names.ts';
import { remembering } from '../../../lib/system/remembering.ts';
import type { System } from '../../../lib/system/system.ts';
import { listed } from '../../../lib/text.ts';
import { parseGuestFile } from '../../../lib/wire/config/guest-file.ts';
import { readMapFacts } from '../status.ts';
import { readFirewallFacts } from './doctor-filters.ts';
import { readScriptFacts } from './doctor-scripts.ts';

const SETTINGS = [
  'net/ipv4/ip_forward',
  'net/ipv6/conf/all/forwarding',
  'net/netfilter/nf_conntrack_count',
  'net/netfilter/nf_conntrack_max',
];

/**
 * Reads all that the doctor looks at. Nothing is changed.
 * @param context the call
 * @throws HostError where the host cannot be looked at
 */
export async function readDoctorFacts(given: Context): Promise<DoctorFacts> {
  // All rules are about one moment, and a thousand guests have many records.
  const context = { ...given, system: remembering(askedOnce(given.system)) };
  const { system } = context;
  const facts = await readMapFacts(context);
  const { state } = facts;
  const left = readLeft(system, facts);
  const busy = (device: string) => left.locks.some(({ path }) => path === lockOf(device).path);
  const badChecksums = readBadChecksums(system);
  const areBad = Object.values(badChecksums).some((count) => count > 0);
  return {
    ...facts,
    damages: facts.bridges.flatMap((record) => damageText(state, record)),
    settings: readSettings(system, uplinkOf(state).device),
    owners: ownersOf(system, facts),
    hooks: hooksOf(context),
    scripts: readScriptFacts(system, facts),
    firewall: await readFirewallFacts(context, facts, busy),
    left,
    uses: readUses(system, facts),
    badChecksums,
    offloading: areBad ? natDevices(facts).filter((name) => offloadsChecksums(system, name)) : [],
    servers: serversOf(system, facts),
    switchRuns: switchRuns(system),
  };
}

function readSettings(system: System, uplink: string | undefined): Record<string, string> {
  const paths = [...SETTINGS, ...(uplink === undefined ? [] : [`net/ipv4/conf/${uplink}/proxy_arp`])];
  return Object.fromEntries(
    paths.flatMap((path) => {
      const value = system.readText(`/proc/sys/${path}`)?.trim();
      return value === undefined ? [] : [[path, value]];
    }),
  );
}

function damageText(state: HostState, record: BridgeRecord): string[] {
  const found = tried(() => damageOf(state, record));
  if ('sentence' in found) return [found.sentence];
  return found.value === undefined ? [] : [`Of ${record.bridge}, ${found.value}.`];
}

/** Of cards and bridges that our hooks started, and of guests' devices. */
function ownersOf(system: System, { bridges, virtuals, guests, state }: MapFacts): string[] {
  const cards = new Set(bridges.flatMap(({ nic, netdev }) => [nic, netdev]));
  const made = [...bridges.filter(({ madeBridge }) => madeBridge), ...virtuals].map(({ bridge }) => bridge);
  const devices = new Set([...cards, ...guests.flatMap((one) => one.devices.map(({ name }) => name))]);
  const index = (bridge: string) => state.links.find(({ name }) => name === bridge)?.index;
  const found = [
    ...state.links
      .filter(({ name }) => devices.has(name) && !made.includes(name))
      .flatMap(({ name, index: at }) => otherOwners(system, name, at)),
    ...made.flatMap((bridge) => bridgeOwners(system, bridge, index(bridge))),
    ...ifupdownBridges(system, cards),
  ];
  return [...new Set(found)];
}

/** The hooks that are not this program, by how they stand. */
function hooksOf({ system, hooks }: Context): Record<string, string> {
  const program = system.linkTarget('/proc/self/exe') ?? '';
  const links = readHookLinks(system, { root: '', folder: SCRIPTS, program, hooks: Object.keys(hooks) });
  const states = new Map<string, string[]>();
  for (const place of links.places) {
    const state = hookState(place);
    if (place.what !== 'ours' && state !== 'missing')
      states.set(state, [...(states.get(state) ?? []), place.name]);
  }
  return Object.fromEntries([...states].map(([state, names]) => [state, listed(names)]));
}

function readLeft(system: System, { guests, state, virtuals, warnings }: MapFacts): LeftFacts {
  const locks = readHeldLocks(system);
  const isRunning = (key: string) => locks.some(({ path }) => path === lockOf(key).path);
  const devices = new Set(guests.flatMap((card) => card.devices.map(({ name }) => name)));
  // Where xenstore does not answer, no device has a known owner.
  const isAnswered = !warnings.some((text) => text.startsWith('No guest is shown'));
  const unowned = state.links
    .map(({ name }) => name)
    .filter((name) => isGuestDevice(name) && !devices.has(name));
  const isThere = (device: string) => state.links.some(({ name }) => name === device);
  return {
    leftovers: goneDevices(system, listAllRules(system)),
    interrupted: journalKeys(system).filter((key) => !isRunning(key)),
    pending: pendingRuns(system).map(({ id, remainingMs }) => ({
      id,
      seconds: Math.ceil(remainingMs / 1000),
    })),
    unowned: isAnswered ? unowned.filter((name) => !/^vif0\./.test(name) && !isRunning(name)) : [],
    bereft: [
      ...readNatRecords(system).map(({ netdev }) => ({
        hook: 'network-nat',
        device: netdev,
        record: natRecordPath(netdev),
      })),
      ...virtuals.map(({ bridge }) => ({
        hook: 'network-virtual',
        device: bridge,
        record: virtualRecordPath(bridge),
      })),
    ].filter(({ device }) => !isThere(device)),
    locks,
  };
}

/** What cards need for themselves alone. A guest that has no name of its own is called by its domain. */
function readUses(system: System, { guests, records, state }: MapFacts): Use[] {
  const use = (what: Use['what'], value: string, guest: string, where: string): Use => ({
    what,
    value,
    guest,
    where,
    path: undefined,
    line: 0,
    column: 0,
  });
  const running = guests.flatMap((card) => {
    const { guest, mac, domid, devid, addresses, script } = card;
    const where = `vif${domid}.${devid}`;
    const routed = (records.get(where)?.assigned ?? []).flatMap((item) =>
      item.kind === 'route' ? [item.prefix] : [],
    );
    const words = /vif-nat/.test(script ?? '') ? routed : addresses;
    return [
      ...(mac === '' ? [] : [use('MAC address', mac.toLowerCase(), guest, where)]),
      ...singles(words.join(' ')).map((address) => use('IP address', address, guest, where)),
    ];
  });
  const own = state.links.filter(({ name }) => !isGuestDevice(name));
  const hosts = [
    ...own
      .filter(({ mac, type }) => type === 'ether' && mac !== PORT_MAC)
      .map(({ mac, name }) => use('MAC address', mac, 'this host', name)),
    ...own.flatMap(({ addresses, name }) =>
      addresses
        .filter(({ scope }) => scope === 'global')
        .map(({ local }) => use('IP address', local, 'this host', name)),
    ),
  ];
  // Several devices of the host may have one address.
  const once = new Map(hosts.map((each) => [`${each.what} ${each.value}`, each]));
  return [...running, ...once.values(), ...fileUses(system)];
}

function singles(text: string): string[] {
  const read = tried(() => parseAddressList(text));
  if ('sentence' in read) return [];
  return read.value
    .filter(({ family, length }) => length === (family === 4 ? 32 : 128))
    .map(({ address }) => address);
}

function fileUses(system: System): Use[] {
  return filesBelow(system, XEN_FOLDER).flatMap((path) => {
    const file = readConfigFile(system, path);
    return 'problem' in file || configKind(path, file.text) !== 'guest'
      ? []
      : usesOf(path, parseGuestFile(file.text)).filter(({ what }) => what !== 'vifname');
  });
}

/** The devices of guests whose packets are masqueraded: those of vif-nat, and those on a network-virtual with NAT. */
function natDevices({ guests, virtuals, state }: MapFacts): string[] {
  const bridges = virtuals.filter(({ form }) => form === 'nat').map(({ bridge }) => bridge);
  const master = (name: string) => state.links.find((link) => link.name === name)?.master ?? '';
  return guests.flatMap(({ script, devices }) =>
    devices
      .filter(({ name }) => /vif-nat/.test(script ?? '') || bridges.includes(master(name)))
      .map(({ name }) => name),
  );
}

/** Started networks whose DHCP server does not run, or is not alone. */
function serversOf(system: System, { virtuals }: MapFacts): string[] {
  const idle = (server: string, hook: string) =>
    `${server} does not run, though ${hook} serves DHCP by it: new guests get no address. Look at its log, and start it.`;
  const nats = readNatRecords(system).flatMap(({ netdev, dhcp }) => {
    if (dhcp === undefined) return [];
    // dnsmasq has nothing to do as long as there is no guest.
    const needed = observeHolders(system, dhcp).filter(
      (found) => found.server === 'dhcpd' || found.files.size > 0,
    );
    const isIdle = needed.length > 0 && needed.every(({ running }) => !running);
    return isIdle ? [idle(dhcp.server, `network-nat on ${netdev}`)] : [];
  });
  const own = virtuals.flatMap(({ bridge, dhcp }) => {
    if (dhcp === undefined) return [];
    const pid =
      dhcp.server === 'dnsmasq'
        ? processOf(system, bridgeDnsmasq(bridge))
        : observeHolders(system, dhcp).map(({ service }) => processOf(system, service))[0];
    const other = otherServer(system, bridge, pid);
    return [
      ...(pid === undefined ? [idle(dhcp.server, `network-virtual on ${bridge}`)] : []),
      ...(other === undefined || pid === undefined
        ? []
        : [
            `${other} hands out addresses on ${bridge}, too: with two servers a guest gets now one's and now the other's. Take that server off the bridge, or start network-virtual without dhcp=.`,
          ]),
    ];
  });
  return [...nats, ...own];
}
