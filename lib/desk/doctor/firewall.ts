import { holdsFor } from '../../filter/packet.ts';
import { type Fits, fateIn, namesDevice } from '../../filter/walk.ts';
import { parsePrefix } from '../../request/addresses.ts';
import { listed, quote } from '../../text.ts';
import type { FirewallChain } from '../../wire/firewall-rules.ts';
import type { GuestPort, Network } from '../map/map.ts';
import { type Complaint, complaint, type Rule } from './complaint.ts';
import type { FilterDifference } from './facts.ts';

const MOST_NAMED = 2;

const bridgedDrops: Rule = ({ firewall }) =>
  [...firewall.bridged].flatMap(([bridge, drops]) =>
    drops
      .filter(({ byIptables }) => !byIptables)
      .map(({ chain }) =>
        complaint(
          'firewall',
          'warning',
          `Frames between guests of ${bridge} and its card go through the chain ${chain}, which drops what no rule lets pass, and no rule of this program can stand there. Add one (iifname "${bridge}" oifname "${bridge}" accept).`,
        ),
      ),
  );

/** In iptables' own chain a guest has rules for the families of its addresses, unless it was told filter=no. */
const bareGuests: Rule = ({ firewall, records }, networks) => {
  const byName = new Map([...records.values()].map(({ name, rules }) => [name, rules]));
  const hasRules = (device: string) => {
    const rules = byName.get(device);
    return rules !== undefined && rules[4].length + rules[6].length > 0;
  };
  return [...firewall.bridged].flatMap(([bridge, drops]) => {
    const drop = drops.find(({ byIptables }) => byIptables);
    if (drop === undefined) return [];
    const guests = networks.find(({ name }) => name === bridge)?.guests ?? [];
    return guests
      .filter(({ device }) => !hasRules(device))
      .map(({ device, guest }) =>
        complaint(
          'firewall',
          'error',
          `${device} of ${guest} is cut off: frames on ${bridge} go through iptables, ${drop.chain} drops what no rule lets pass (${firewall.owner}), and the guest has no rule there (filter=no). Leave filter=no out and run "xen-network reattach ${guest}", or ${firewall.unfilter.get(bridge) ?? 'let its frames pass'}.`,
          guest,
        ),
      );
  });
};

const routedDrops: Rule = ({ firewall }) =>
  firewall.routed.map((text) => complaint('firewall', 'error', text));

/** Tables of the bridge family, by nft or ebtables, through which all frames go. */
const bridgeFamily: Rule = ({ firewall: { chains } }, networks) =>
  chains
    .filter(({ table, hook }) => table.startsWith('bridge ') && hook === 'forward')
    .flatMap((chain) =>
      networks.flatMap(({ name, kind, guests, cards }) => {
        const [card] = cards;
        if (kind !== 'bridge' || card === undefined) return [];
        const cut = guests.filter(({ device }) => isCut(chains, chain, device, card.device));
        return cut.length === 0
          ? []
          : [
              complaint(
                'firewall',
                'error',
                `${named(cut)} cannot send to ${card.device}, the card of ${name}: the chain ${quote(`${chain.table} ${chain.name}`)} drops frames on bridges. Let them pass there ("nft list table ${chain.table}" shows its rules; for ebtables "ebtables -L").`,
              ),
            ];
      }),
    );

function isCut(
  chains: readonly FirewallChain[],
  chain: FirewallChain,
  device: string,
  card: string,
): boolean {
  const fits: Fits = (match) =>
    namesDevice(match, match.direction === 'in' ? device : card) !== match.negated;
  return fateIn(chains, chain, fits) === 'drop';
}

const hostShutOut: Rule = ({ firewall: { voided } }) =>
  [...voided].flatMap(([bridge, { closing, silencing }]) => {
    const shut = [...closing, ...silencing];
    if (shut.length === 0) return [];
    const rules = listed(shut.slice(0, MOST_NAMED).map((rule) => `"${rule}"`));
    return [
      complaint(
        'firewall',
        'error',
        `The firewall cuts this host off: it lets packets ${closing.length > 0 ? 'in' : 'out'} by ${rules}, which matches the card of ${bridge}, and the host's addresses are not on that card any more. Let the rule match the device that has the addresses now, by its name.`,
      ),
    ];
  });

const differences: Rule = ({ firewall }) =>
  firewall.differences.flatMap(({ device, guest, missing, extra, strict, refusal }) => {
    const say = (level: Complaint['level'], text: string) => complaint('firewall', level, text, guest);
    const more = (rules: readonly string[]) => `${rules.length} (${rules[0]})`;
    return [
      ...(refusal === undefined
        ? []
        : [say('error', `${device} of ${guest} has no right filter: ${refusal}`)]),
      ...(missing.length === 0
        ? []
        : [
            say(
              'error',
              `${device} lacks ${missing.length} of its rules in FORWARD (${missing[0]}): packets of ${guest} may be dropped. Run "xen-network refilter".`,
            ),
          ]),
      ...(extra.length === 0
        ? []
        : [
            say(
              'warning',
              `${device} has rules that ${guest} is not to have by xenstore: ${more(extra)}. They let more pass than its configuration says. Run "xen-network refilter".`,
            ),
          ]),
      ...strictText(strict, device).map((text) => say('error', text)),
    ];
  });

function strictText(state: FilterDifference['strict'], device: string): string[] {
  if (state === 'missing')
    return [
      `${device} is to be held by antispoof=strict, and is not: its guest may send as anybody. Run "xen-network refilter".`,
    ];
  if (state === 'other')
    return [
      `What antispoof=strict holds ${device} to is not what xenstore says: the guest may be cut off, or send as another. Run "xen-network refilter".`,
    ];
  return state === 'needless'
    ? [
        `${device} is held by antispoof=strict, and nothing asks for that any more: its guest may be cut off. Run "xen-network refilter".`,
      ]
    : [];
}

const strays: Rule = ({ firewall: { strays: rules } }) =>
  rules.length === 0
    ? []
    : [
        complaint(
          'firewall',
          'warning',
          `FORWARD has ${rules.length} ${rules.length === 1 ? 'rule' : 'rules'} for guests' devices that this host does not have, as the stock scripts leave them: a new guest with the number of an old one would get them. Delete ${rules.length === 1 ? 'it' : 'each'}: "iptables -D ${rules[0]}".`,
        ),
      ];

/** A rule of the table nat that was meant for routed packets rewrites bridged ones, too. */
const masqueradedOnBridge: Rule = ({ firewall: { chains, filtered } }, networks) =>
  networks
    .filter(({ name, kind }) => kind === 'bridge' && filtered.get(name)?.includes(4) === true)
    .flatMap((network) => {
      const rule = chains
        .filter(({ hook, table }) => hook === 'postrouting' && /^(ip|inet) /.test(table))
        .flatMap((chain) => firstRewrite(chain, network))[0];
      return rule === undefined
        ? []
        : [
            complaint(
              'firewall',
              'warning',
              `Frames on ${network.name} go through iptables, where the rule "${rule}" gives guests' packets the host's address though they are only bridged: others see the host in place of the guest. Add "-m physdev ! --physdev-is-bridged" to the rule, or set net.bridge.bridge-nf-call-iptables to 0.`,
            ),
          ];
    });

/** The first rule that decides about a packet of the network's guests, if it rewrites the source. */
function firstRewrite(chain: FirewallChain, { name, guests }: Network): string[] {
  const sources = guests.flatMap(({ addresses }) => addresses.flatMap((word) => parsePrefix(word) ?? []));
  const of = sources.length === 0 ? [undefined] : sources;
  const fits = (text: { readonly devices: FirewallChain['rules'][number]['devices'] }) =>
    text.devices.every((match) => match.direction === 'out' && namesDevice(match, name) !== match.negated);
  for (const rule of chain.rules) {
    const bare = rule.others.filter((word) => !/^(-m|physdev|--physdev-is-bridged)$/.test(word));
    const exempts = rule.others.includes('--physdev-is-bridged') && bare.length === 0;
    if (!fits(rule) || guests.length === 0) continue;
    if (exempts) return [];
    const { verdict } = rule;
    const isRewrite = 'target' in verdict && /^(MASQUERADE|SNAT)$/.test(verdict.target);
    if (isRewrite && of.some((source) => holdsFor(source)(rule.others)))
      return [`${chain.name} ${rule.text}`];
  }
  return [];
}

function named(ports: readonly GuestPort[]): string {
  return listed(ports.map(({ device, guest }) => `${device} of ${guest}`));
}

/** What is wrong with the host's firewall. */
export const FIREWALL_RULES: readonly Rule[] = [
  bridgedDrops,
  bareGuests,
  routedDrops,
  bridgeFamily,
  hostShutOut,
  differences,
  strays,
  masqueradedOnBridge,
];
