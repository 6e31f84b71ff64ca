import { listed } from '../../text.ts';
import { clash, type Use } from '../check/twice.ts';
import { type Complaint, complaint, type Rule } from './complaint.ts';

const guestsOffNetwork: Rule = (facts, networks) => {
  const attached = new Set(networks.flatMap(({ guests }) => guests.map(({ device }) => device)));
  return facts.guests.flatMap(({ guest, hotplug, bridge, script, devices }) =>
    devices
      .filter(
        ({ name }) => hotplug === 'connected' && !attached.has(name) && !/vif-(route|nat)/.test(script ?? ''),
      )
      .map(({ name }) =>
        complaint(
          'guests',
          'error',
          `${name} of ${guest} is on no network, though it should be on ${bridge ?? 'its bridge'}. Run "xen-network reattach ${guest}".`,
          guest,
        ),
      ),
  );
};

/** A device that its hook brought up, and that is down now. */
const downDevices: Rule = (facts) => {
  const links = new Map(facts.state.links.map((link) => [link.name, link]));
  return facts.guests.flatMap(({ guest, hotplug, devices }) =>
    devices.flatMap(({ name }) => {
      const link = links.get(name);
      if (hotplug !== 'connected' || link === undefined || link.flags.has('UP')) return [];
      return [
        complaint(
          'guests',
          'error',
          `${name} of ${guest} is down: no packet passes. Run "ip link set dev ${name} up".`,
          guest,
        ),
      ];
    }),
  );
};

const otherBridge: Rule = (facts, networks) => {
  const bridges = new Map(
    facts.guests.flatMap(({ devices, bridge }) => devices.map(({ name }) => [name, bridge] as const)),
  );
  return networks
    .filter(({ kind }) => kind === 'bridge')
    .flatMap(({ name, guests }) =>
      guests.flatMap(({ guest, device }) => {
        const wanted = bridges.get(device);
        if (wanted === undefined || wanted === '' || wanted === name) return [];
        return [
          complaint(
            'guests',
            'warning',
            `${device} of ${guest} is on ${name}; xenstore says ${wanted}. Somebody moved it by hand.`,
            guest,
          ),
        ];
      }),
    );
};

/** A guest that names no bridge joins the host's first, which may be one of another program. */
const foreignBridge: Rule = (_, networks) =>
  networks
    .filter(({ kind, name }) => kind === 'bridge' && /^(virbr\d+|docker0|br-[0-9a-f]{12}|lxcbr0)$/.test(name))
    .flatMap(({ name, guests }) =>
      guests.map(({ guest, device }) =>
        complaint(
          'guests',
          'warning',
          `${device} of ${guest} is on ${name}, a bridge that ${makerOf(name)} makes, filters and removes as it likes. Name another one (bridge=) in the guest's configuration, or take that bridge away (${removalOf(name)}).`,
          guest,
        ),
      ),
    );

function makerOf(bridge: string): string {
  if (bridge.startsWith('virbr')) return 'libvirt';
  return bridge.startsWith('lxc') ? 'LXC' : 'Docker';
}

function removalOf(bridge: string): string {
  if (bridge.startsWith('virbr'))
    return '"virsh net-destroy default", "virsh net-autostart --disable default"';
  return bridge.startsWith('lxc')
    ? 'USE_LXC_BRIDGE="false" in /etc/default/lxc-net'
    : '"bridge": "none" in /etc/docker/daemon.json';
}

const sameTwice: Rule = ({ uses }) => {
  const byValue = new Map<string, Use[]>();
  for (const use of uses) {
    const key = `${use.what} ${use.value}`;
    byValue.set(key, [...(byValue.get(key) ?? []), use]);
  }
  return [...byValue].flatMap(([key, all]): Complaint[] => {
    const both = all.filter((use) => all.some((other) => clash(use, other)));
    // The same in two files alone hurts nobody until both guests run; "check" tells.
    const isUsed = both.some(({ path }) => path === undefined);
    if (both.length < 2 || !isUsed) return [];
    const holders = [...new Set(both.map((use) => holderText(use)))];
    return [
      complaint(
        'guests',
        both.filter(({ path }) => path === undefined).length > 1 ? 'error' : 'warning',
        `${listed(holders)} have the same ${key}${holders.length === 1 ? ' twice' : ''}: packets for one reach the other. Give each card its own${key.startsWith('MAC') ? ' ("xen-network mac" draws one)' : ''}.`,
      ),
    ];
  });
};

function holderText({ guest, path, where }: Use): string {
  return path === undefined ? `${guest} (${where})` : `${guest} (not running, ${where})`;
}

/** A routed guest is held to its routes. */
const strictByMacAlone: Rule = (_, networks) =>
  networks.flatMap(({ guests, kind }) =>
    guests
      .filter(
        ({ filter, addresses }) => kind === 'bridge' && filter === 'strict locked' && addresses.length === 0,
      )
      .map(({ guest, device }) =>
        complaint(
          'guests',
          'warning',
          `${device} of ${guest} has no ip=, so antispoof=strict checks its MAC address alone: it may send from any IP address. Set ip= in the guest's configuration.`,
          guest,
        ),
      ),
  );

/** What is wrong with guests' devices. */
export const GUEST_RULES: readonly Rule[] = [
  guestsOffNetwork,
  downDevices,
  otherBridge,
  foreignBridge,
  sameTwice,
  strictByMacAlone,
];
