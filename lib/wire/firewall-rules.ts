import { parsed } from './json.ts';
// Reads the host's firewall from nft's JSON (libnftables-json(5)) and from iptables-save(8): chains, rules, and the
// devices that the rules match.

import { parseSavedTables } from './iptables-save.ts';

/** A device that a rule matches. */
export interface DeviceMatch {
  readonly direction: 'in' | 'out';
  /** nft's iif and oif match a device by its index, and so still match it when its name changes. */
  readonly by: 'name' | 'index';
  readonly negated: boolean;
  /** Names; a star at the end matches any rest. */
  readonly names: readonly string[];
}

/** What a rule does with a packet that it matches; 'go on' where it only counts, marks or logs. */
export type Verdict =
  | { readonly kind: 'accept' | 'drop' | 'return' | 'go on' }
  | { readonly kind: 'jump' | 'goto'; readonly target: string };

export interface FirewallRule {
  /** The rule in words for messages. */
  readonly text: string;
  readonly devices: readonly DeviceMatch[];
  /** All other matches, in a form that can be compared. */
  readonly others: readonly string[];
  readonly verdict: Verdict;
}

export interface FirewallChain {
  /** Such as "inet filter", or "ip filter" for a table of iptables. */
  readonly table: string;
  readonly name: string;
  /** The hook that runs the chain; undefined for one to which others jump. */
  readonly hook: string | undefined;
  readonly policy: 'accept' | 'drop';
  /** The devices of a chain of the netdev family. */
  readonly devices: readonly string[];
  readonly rules: readonly FirewallRule[];
}

type Json = Readonly<Record<string, unknown>>;

function fields(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {};
}

function items(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function word(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/**
 * The chains in the output of `nft -j list ruleset`.
 * @param text the output
 * @returns none when the text is no JSON
 */
export function parseNftRuleset(text: string): FirewallChain[] {
  const objects = items(fields(parsed(text))['nftables']).map(fields);
  const sets = new Map<string, readonly unknown[]>();
  for (const object of objects) {
    const set = fields(object['set'] ?? object['map']);
    if (set['name'] !== undefined) sets.set(`${tableOf(set)} @${word(set['name'])}`, items(set['elem']));
  }
  const rules = objects.map(({ rule }) => fields(rule)).filter((rule) => rule['expr'] !== undefined);
  return objects
    .map(({ chain }) => fields(chain))
    .filter((chain) => chain['name'] !== undefined)
    .map((chain) => ({
      table: tableOf(chain),
      name: word(chain['name']),
      hook: typeof chain['hook'] === 'string' ? chain['hook'] : undefined,
      policy: chain['policy'] === 'drop' ? 'drop' : 'accept',
      devices: [chain['dev']]
        .flat()
        .map(word)
        .filter((name) => name !== ''),
      rules: rules
        .filter((rule) => tableOf(rule) === tableOf(chain) && rule['chain'] === chain['name'])
        .flatMap((rule) => nftRules(rule, (name) => sets.get(`${tableOf(rule)} ${name}`) ?? [])),
    }));
}

function tableOf(object: Json): string {
  return `${word(object['family'])} ${word(object['table'])}`;
}

type Elements = (name: string) => readonly unknown[];

/** Reads one rule of nft. A rule with a verdict map becomes one rule for each entry of the map. */
function nftRules(rule: Json, elementsOf: Elements): FirewallRule[] {
  const devices: DeviceMatch[] = [];
  const others: string[] = [];
  let verdict: Verdict = { kind: 'go on' };
  for (const expression of items(rule['expr']).map(fields)) {
    const map = fields(expression['vmap']);
    if (map['key'] !== undefined) {
      const entries = members(map['data'], elementsOf).map(items);
      return entries.map(([key, to]) => {
        const match = deviceMatch(map['key'], '==', key, elementsOf);
        const rest = match === undefined ? [JSON.stringify([map['key'], key])] : match.rest;
        return ruleOf([...devices, ...(match?.devices ?? [])], [...others, ...rest], verdictOf(fields(to)));
      });
    }
    const { left, op, right } = fields(expression['match']);
    const match = left === undefined ? undefined : deviceMatch(left, op, right, elementsOf);
    if (match !== undefined) {
      devices.push(...match.devices);
      others.push(...match.rest);
    } else if (isCondition(expression)) others.push(JSON.stringify(expression));
    const found = verdictOf(expression);
    if (found.kind !== 'go on') verdict = found;
  }
  return [ruleOf(devices, others, verdict)];
}

function isCondition(expression: Json): boolean {
  // nft 0.9.8 tells nothing of a match or target of iptables but that there is one.
  const isMatch = 'xt' in expression && fields(expression['xt'])['type'] !== 'target';
  return expression['match'] !== undefined || expression['limit'] !== undefined || isMatch;
}

function verdictOf(expression: Json): Verdict {
  for (const kind of ['jump', 'goto'] as const) {
    const target = fields(expression[kind])['target'];
    if (typeof target === 'string') return { kind, target };
  }
  const xt = fields(expression['xt']);
  if ('reject' in expression || 'drop' in expression) return { kind: 'drop' };
  if (xt['type'] === 'target' && /^(REJECT|DROP)$/.test(word(xt['name']))) return { kind: 'drop' };
  if ('accept' in expression) return { kind: 'accept' };
  return { kind: 'return' in expression ? 'return' : 'go on' };
}

const KEYS = new Map([
  ['iifname', ['in', 'name']],
  ['oifname', ['out', 'name']],
  ['iif', ['in', 'index']],
  ['oif', ['out', 'index']],
] as const);

function deviceKey(expression: unknown): readonly ['in' | 'out', 'name' | 'index'] | undefined {
  const key = word(fields(fields(expression)['meta'])['key']);
  return [...KEYS].find(([name]) => name === key)?.[1];
}

/** @returns undefined where the expression matches no device */
function deviceMatch(
  left: unknown,
  op: unknown,
  right: unknown,
  elementsOf: Elements,
): { readonly devices: DeviceMatch[]; readonly rest: string[] } | undefined {
  const concat = items(fields(left)['concat']);
  const parts = concat.length === 0 ? [left] : concat;
  const wanted = members(right, elementsOf);
  const devices = parts.flatMap((part, i): DeviceMatch[] => {
    const [direction, by] = deviceKey(part) ?? [];
    if (direction === undefined || by === undefined) return [];
    const of = (value: unknown) => (concat.length === 0 ? value : items(fields(value)['concat'])[i]);
    return [{ direction, by, negated: op === '!=', names: wanted.map((value) => word(of(value))) }];
  });
  if (devices.length === 0) return undefined;
  return { devices, rest: concat.length === 0 ? [] : [JSON.stringify([left, right])] };
}

function members(value: unknown, elementsOf: Elements): readonly unknown[] {
  if (typeof value === 'string' && value.startsWith('@')) return elementsOf(value).map(withoutComment);
  const set = fields(value)['set'];
  return set === undefined ? [value] : [set].flat().map(withoutComment);
}

/** An element with a comment, a counter or a timeout is wrapped in "elem". */
function withoutComment(element: unknown): unknown {
  return fields(fields(element)['elem'])['val'] ?? element;
}

function ruleOf(devices: DeviceMatch[], others: string[], verdict: Verdict): FirewallRule {
  const words = devices.map(({ direction, by, negated, names }) => {
    const key = `${direction === 'in' ? 'i' : 'o'}if${by === 'name' ? 'name' : ''}`;
    return `${key} ${negated ? '!= ' : ''}${names.length === 1 ? names[0] : `{ ${names.join(', ')} }`}`;
  });
  const end = 'target' in verdict ? `${verdict.kind} ${verdict.target}` : verdict.kind;
  const text = [...words, ...(others.length > 0 ? ['…'] : []), ...(end === 'go on' ? [] : [end])].join(' ');
  return { text, devices, others, verdict };
}

/**
 * The chains in the output of iptables-save or ip6tables-save.
 * @param text the output
 * @param family "ip" or "ip6"
 */
export function parseIptablesSave(text: string, family: 'ip' | 'ip6'): FirewallChain[] {
  return parseSavedTables(text).flatMap((saved) => {
    const table = `${family} ${saved.name}`;
    const rules = new Map<string, FirewallRule[]>();
    for (const line of saved.rules) {
      const [, chain = '', rule = ''] = /^(\S+) ?(.*)$/.exec(line) ?? [];
      const own = rules.get(chain) ?? [];
      own.push(iptablesRule(rule));
      rules.set(chain, own);
    }
    return [...saved.policies].map(
      ([name, policy]): FirewallChain => ({
        table,
        name,
        hook: policy === '-' ? undefined : name.toLowerCase(),
        policy: policy === 'DROP' ? 'drop' : 'accept',
        devices: [],
        rules: rules.get(name) ?? [],
      }),
    );
  });
}

function iptablesRule(text: string): FirewallRule {
  const words = text.match(/"(?:\\.|[^"])*"|\S+/g) ?? [];
  const devices: DeviceMatch[] = [];
  const others: string[] = [];
  let verdict: Verdict = { kind: 'go on' };
  for (let at = 0; at < words.length; at++) {
    const [now = '', next = ''] = words.slice(at, at + 2);
    if (now === '-i' || now === '-o') {
      const negated = words[at - 1] === '!';
      if (negated) others.pop();
      const direction = now === '-i' ? 'in' : 'out';
      devices.push({ direction, by: 'name', negated, names: [next.replace(/\+$/, '*')] });
      at++;
    } else if (now === '-j' || now === '-g') {
      verdict = iptablesVerdict(now, next);
      break;
    } else if (now === '-m' && next === 'comment') at += 3;
    else others.push(now);
  }
  return { text, devices, others, verdict };
}

const TARGETS = /^(LOG|NFLOG|ULOG|MARK|CONNMARK|TCPMSS|CLASSIFY|DSCP|TOS|TTL|HL|CT|NOTRACK|SET|TRACE|AUDIT)$/;

function iptablesVerdict(word: '-j' | '-g', target: string): Verdict {
  if (target === 'DROP' || target === 'REJECT') return { kind: 'drop' };
  if (target === 'ACCEPT') return { kind: 'accept' };
  if (target === 'RETURN') return { kind: 'return' };
  if (TARGETS.test(target)) return { kind: 'go on' };
  return { kind: word === '-g' ? 'goto' : 'jump', target };
}
