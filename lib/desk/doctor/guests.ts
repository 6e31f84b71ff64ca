import { listed } from '../../text.ts';
import { complaint, type Rule } from './complaint.ts';

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

const otherBridge: Rule = (facts, networks) =>
  networks
    .filter(({ kind }) => kind === 'bridge')
    .flatMap(({ name, guests }) =>
      guests.flatMap(({ guest, device, domid }) => {
        const card = facts.guests.find(
          (one) => one.domid === domid && one.devices.some((each) => each.name === device),
        );
        const wanted = card?.bridge;
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

const sameTwice: Rule = ({ guests }) => {
  const uses = guests.flatMap(({ guest, mac, addresses }) => [
    ...(mac === '' ? [] : [{ what: `the MAC address ${mac.toLowerCase()}`, guest }]),
    ...addresses
      .filter((word) => !word.includes('/'))
      .map((word) => ({ what: `the address ${word}`, guest })),
  ]);
  const byWhat = new Map<string, string[]>();
  for (const { what, guest } of uses) byWhat.set(what, [...(byWhat.get(what) ?? []), guest]);
  return [...byWhat]
    .filter(([, users]) => users.length > 1)
    .map(([what, users]) =>
      complaint(
        'guests',
        'error',
        `${listed([...new Set(users)])} have ${what} ${users.length} times. Give each card its own ("xen-network mac" draws one).`,
      ),
    );
};

const firewallDrops: Rule = ({ dropping }) =>
  [...dropping].flatMap(([bridge, chains]) =>
    chains.map((chain) =>
      complaint(
        'firewall',
        'warning',
        `Frames between guests of ${bridge} and its card go through the chain ${chain}, which drops what no rule lets pass, and no rule of this program can stand there. Add one (iifname "${bridge}" oifname "${bridge}" accept).`,
      ),
    ),
  );

const rulesGone: Rule = ({ missingRules }) =>
  [...missingRules].map(([device, rules]) =>
    complaint(
      'firewall',
      'error',
      `${device} lacks ${rules.length} of its rules in FORWARD (${rules[0]}). Run "xen-network refilter".`,
    ),
  );

/** What is wrong with guests' devices and what lets their packets pass. */
export const GUEST_RULES: readonly Rule[] = [
  guestsOffNetwork,
  otherBridge,
  sameTwice,
  firewallDrops,
  rulesGone,
];
