import { maskedAddresses, type Prefix, parseAddressList, prefixText } from '../../request/addresses.ts';
import { nearest } from '../../request/mistypes.ts';
import { deviceName, fitVifname } from '../../request/names.ts';
import { parseOvsBridge } from '../../request/openvswitch.ts';
import { parseVlans } from '../../request/vlan.ts';
import { listed, quote } from '../../text.ts';
import { type CardWord, type GuestCard, wordOf } from '../../wire/config/guest-file.ts';
import type { Place } from '../../wire/config/place.ts';
import { macFault } from '../mac/mac.ts';
import { type Findings, tried } from './finding.ts';
import type { HostFacts } from './host-facts.ts';
import { covers } from './prefixes.ts';

/**
 * The keys that xl knows in a card's text (xl-network-configuration(5)), without those of COLO, which share a prefix.
 */
const XL_KEYS: readonly string[] = [
  'mac',
  'bridge',
  'script',
  'ip',
  'vifname',
  'type',
  'model',
  'backend',
  'rate',
  'mtu',
  'devid',
  'vlan',
  'gatewaydev',
  'netdev',
  'trusted',
  'accel',
  'forwarddev',
];
/** Keys that only xend knew. */
const XEND_KEYS: readonly string[] = ['policy', 'label', 'security', 'uuid', 'pvid'];
/** Settings of our hooks that no toolstack passes on. */
const OWN_SETTINGS: readonly string[] = ['antispoof', 'locking', 'notrack', 'account', 'filter', 'dhcp'];

/** A guest's card to check. */
export interface CardCheck {
  readonly card: GuestCard;
  /** The guest also has a tap for the card, unless the card says type=vif. */
  readonly isHvm: boolean;
  readonly facts: HostFacts;
  readonly findings: Findings;
}

/**
 * Checks one card of a guest against this host.
 * @param check the card, the host, and the list of findings
 */
export function checkCard(check: CardCheck): void {
  for (const word of check.card.words) checkKey(check.findings, word);
  const script = scriptOf(check);
  checkMac(check);
  checkBridge(check, script);
  checkName(check);
  checkVlan(check, script);
  checkNumbers(check);
  checkAddresses(check, script);
}

function checkKey(findings: Findings, word: CardWord): void {
  const { key, value } = word;
  if (value === undefined) {
    const meant = nearest(key, XL_KEYS);
    const near =
      meant === undefined ? 'a card is described by KEY=VALUE with commas between' : `write ${meant}=VALUE`;
    findings.error(word, `${quote(key)} stands alone; ${near}.`);
  } else if (OWN_SETTINGS.includes(key)) {
    findings.error(
      word,
      `xl takes no ${key}= for a card. Say it to network-bridge or network-virtual for all guests of a bridge.`,
    );
  } else if (XEND_KEYS.includes(key)) {
    findings.warning(word, `${key}= was known to xend only; xl refuses it.`);
  } else if (!XL_KEYS.includes(key) && !/^colo_\w+$/.test(key)) {
    const meant = nearest(key, XL_KEYS);
    findings.error(
      word,
      `No toolstack knows ${quote(key)} of a card; ${meant === undefined ? `it takes ${listed(XL_KEYS.slice(0, 13))}` : `did you mean ${meant}=?`}${meant === undefined ? '.' : ''}`,
    );
  }
}

/** @returns the name of the card's script, without its folder */
function scriptOf({ card, facts, findings }: CardCheck): string {
  const word = wordOf(card, 'script');
  const script = textOf(word) ?? facts.usualScript;
  const fault = facts.scriptFault(script);
  if (fault !== undefined && word !== undefined)
    findings.error(word, `The script ${quote(script)} ${fault}.`);
  return script.slice(script.lastIndexOf('/') + 1);
}

function textOf(word: CardWord | undefined): string | undefined {
  return word?.value === undefined || word.value === '' ? undefined : word.value;
}

function checkMac({ card, findings }: CardCheck): void {
  const word = wordOf(card, 'mac');
  const fault = word?.value === undefined ? undefined : macFault(word.value);
  if (word === undefined || fault === undefined) return;
  const text = `mac is ${quote(word.value ?? '')}, which ${fault.text}.`;
  if (fault.isMild) findings.warning(word, text);
  else findings.error(word, text);
}

function checkBridge({ card, facts, findings }: CardCheck, script: string): void {
  const word = wordOf(card, 'bridge');
  const value = textOf(word) ?? facts.usualBridge;
  if (script === 'vif-openvswitch') {
    const target = value === undefined ? undefined : tried(() => parseOvsBridge(value));
    if (target !== undefined && 'sentence' in target) findings.error(word ?? card, target.sentence);
    return;
  }
  if (script === 'vif-route' || script === 'vif-nat') {
    checkGateway({ card, facts, findings }, script);
    if (word !== undefined)
      findings.warning(word, `${script} puts a guest on no bridge, so bridge= does nothing.`);
    return;
  }
  if (script !== 'vif-bridge' || value === undefined) return;
  const legal = tried(() => deviceName(value, 'bridge'));
  if ('sentence' in legal) findings.error(word ?? card, legal.sentence);
  else if (bridgeOf(facts, value) === undefined)
    findings.error(
      word ?? card,
      `The bridge ${value} does not exist${word === undefined ? ', and the card names no other' : ''}. The bridges of this host are ` +
        `${listed(facts.bridges.map(({ name }) => name))}. Start the network (xen-network start), or correct bridge=.`,
    );
}

/** xenbrN means ethN where only ethN is a bridge (docs/contract.md, "vif-bridge online"). */
function bridgeOf({ bridges }: HostFacts, name: string) {
  const old = /^xenbr(\d+)$/.exec(name)?.[1];
  return (
    bridges.find((bridge) => bridge.name === name) ?? bridges.find((bridge) => bridge.name === `eth${old}`)
  );
}

function checkGateway({ card, facts, findings }: Omit<CardCheck, 'isHvm'>, script: string): void {
  const word = wordOf(card, 'gatewaydev') ?? wordOf(card, 'netdev');
  const device = textOf(word);
  if (word !== undefined && device !== undefined && !facts.devices.includes(device))
    findings.error(
      word,
      `There is no device ${quote(device)}. The devices of this host are ${listed(facts.devices)}.`,
    );
  if (script === 'vif-route' && textOf(wordOf(card, 'ip')) === undefined)
    findings.warning(
      card,
      'vif-route leads to the addresses of ip=, and this card has none: no packet finds the guest.',
    );
}

function checkName({ card, isHvm, findings }: CardCheck): void {
  const word = wordOf(card, 'vifname');
  const value = textOf(word);
  if (word === undefined || value === undefined) return;
  const hasTap = isHvm && wordOf(card, 'type')?.value !== 'vif';
  const fitted = tried(() => fitVifname(value, hasTap));
  if ('sentence' in fitted) findings.error(word, fitted.sentence);
  else if (fitted.value.altname !== undefined)
    findings.warning(
      word,
      `vifname is ${quote(value)}, of which the device gets the first ${fitted.value.name.length} characters, ` +
        `${fitted.value.name}${hasTap ? ': the emulated card beside it is called the same with -emu' : ''}.`,
    );
}

function checkVlan({ card, facts, findings }: CardCheck, script: string): void {
  const word = wordOf(card, 'vlan');
  const value = textOf(word);
  if (word === undefined || value === undefined || script !== 'vif-bridge') return;
  const vlans = tried(() => parseVlans(value));
  if ('sentence' in vlans) {
    findings.error(word, vlans.sentence);
    return;
  }
  const bridge = bridgeOf(facts, textOf(wordOf(card, 'bridge')) ?? facts.usualBridge ?? '');
  if (bridge?.filtersVlans === false)
    findings.error(
      word,
      `The bridge ${bridge.name} does not filter VLANs, so vlan= is refused. Switch it on: ip link set dev ${bridge.name} type bridge vlan_filtering 1`,
    );
}

const FORMS: readonly (readonly [key: string, form: RegExp, words: string])[] = [
  ['mtu', /^\d{2,5}$/, 'a number of bytes such as 1500'],
  ['devid', /^\d{1,5}$/, 'a number'],
  ['type', /^(ioemu|vif)$/, 'ioemu or vif'],
  ['rate', /^\d+(\.\d+)?[GMK]?[Bb]\/s(@\d+(ms|us|s))?$/, 'such as 10Mb/s or 1MB/s@20ms'],
];

function checkNumbers({ card, findings }: CardCheck): void {
  for (const [key, form, words] of FORMS) {
    const word = wordOf(card, key);
    if (word?.value !== undefined && !form.test(word.value))
      findings.error(word, `${key} is ${quote(word.value)}; say ${words}.`);
  }
}

function checkAddresses({ card, facts, findings }: CardCheck, script: string): void {
  const word = wordOf(card, 'ip');
  const value = textOf(word);
  const bridge =
    script === 'vif-bridge'
      ? bridgeOf(facts, textOf(wordOf(card, 'bridge')) ?? facts.usualBridge ?? '')
      : undefined;
  if (word === undefined || value === undefined) {
    if (bridge !== undefined && bridge.antispoof !== 'no')
      findings.warning(
        card,
        `The bridge ${bridge.name} was started with antispoof=${bridge.antispoof}, and this card has no ip=: its guest may use any address. Add ip= with its own.`,
      );
    return;
  }
  const read = tried(() => parseAddressList(value));
  if ('sentence' in read) {
    findings.error(word, read.sentence);
    return;
  }
  if (script !== 'vif-nat')
    for (const one of maskedAddresses(value))
      findings.warning(
        word,
        `ip holds ${quote(one)}, which means the one address and not its network; write it without its length.`,
      );
  for (const prefix of read.value)
    checkAddress(word, prefix, { facts, findings, networks: bridge?.networks ?? [] });
}

interface AddressCheck {
  readonly facts: HostFacts;
  readonly findings: Findings;
  /** The networks of the bridge; empty where they are unknown. */
  readonly networks: readonly Prefix[];
}

function checkAddress(word: Place, prefix: Prefix, { facts, findings, networks }: AddressCheck): void {
  const text = prefixText(prefix).replace(/\/(32|128)$/, '');
  const own = facts.addresses.find(
    ({ address, network }) => network.family === prefix.family && covers(prefix, address),
  );
  if (own !== undefined)
    findings.error(word, `ip holds ${text}, and ${own.address} is the host's own, of ${own.device}.`);
  const gateway = facts.gateways.find(
    ({ family, address }) => family === prefix.family && covers(prefix, address),
  );
  if (own === undefined && gateway !== undefined)
    findings.error(word, `ip holds ${text}, and ${gateway.address} is the gateway that the host sends by.`);
  const alike = networks.filter(({ family }) => family === prefix.family);
  if (alike.length > 0 && !alike.some((network) => covers(network, prefix.address)))
    findings.warning(
      word,
      `ip holds ${text}, which is in none of the networks that the host has on this bridge (${listed(alike.map(prefixText))}).`,
    );
}
