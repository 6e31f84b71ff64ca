/** What a host looks like after a call, by topic; `status` is the call's own. */
export type Outcome = Readonly<Record<string, readonly string[]>>;

/** The stock script's outcome and ours, of one call in one scenario. */
export interface Pair {
  readonly stock: Outcome;
  readonly ours: Outcome;
}

/** A way in which our hooks mean to differ from the stock ones (docs/contract.md, "vif hooks"). */
export interface Difference {
  readonly name: string;
  readonly why: string;
  /** The scenarios in which it may show; all unless told. */
  readonly only?: RegExp;
  /** The pair without this difference; the very same pair where it does not show. */
  readonly without: (pair: Pair) => Pair;
}

const FILTERS = ['iptables', 'ip6tables'] as const;

/** The lines of one topic. */
export function lines(outcome: Outcome, topic: string): readonly string[] {
  return outcome[topic] ?? [];
}

/** Changes the lines of some topics on one side. */
export function change(
  topics: readonly string[],
  side: keyof Pair,
  edit: (own: readonly string[], other: readonly string[]) => readonly string[],
): (pair: Pair) => Pair {
  return (pair) => {
    const other = side === 'stock' ? pair.ours : pair.stock;
    const edited = topics.map(
      (topic) => [topic, edit(lines(pair[side], topic), lines(other, topic))] as const,
    );
    if (edited.every(([topic, text]) => text.join('\n') === lines(pair[side], topic).join('\n'))) return pair;
    return { ...pair, [side]: { ...pair[side], ...Object.fromEntries(edited) } };
  };
}

/** Whether nothing but ACCEPT rules change their places among each other. */
function isReordered(own: readonly string[], other: readonly string[]): boolean {
  const rest = (rules: readonly string[]) =>
    rules.map((rule) => (rule.endsWith(' -j ACCEPT') ? '' : rule)).join('\n');
  return own.toSorted().join('\n') === other.toSorted().join('\n') && rest(own) === rest(other);
}

/** The scenario's whole outcome differs: the stock script fails where ours succeeds. */
export function stockFails(pair: Pair): Pair {
  const failed = lines(pair.stock, 'status').join() === '1';
  const worked = lines(pair.ours, 'status').join() === '0';
  return failed && worked ? { stock: pair.ours, ours: pair.ours } : pair;
}

const STATUS = /\/hotplug-status = /;
export const ERROR = /\/hotplug-error = /;

const UNHEARD = /^ipv[46]\/conf\/(vif1\.0|web)[^/]*\/(accept_ra|autoconf|accept_redirects) = 0$/;

export const DIFFERENCES: readonly Difference[] = [
  {
    name: 'no routes from a guest',
    why: "with stock a guest's router advertisement gives dom0 a default route and an address",
    without: change(['sysctl'], 'ours', (own) => own.filter((line) => !UNHEARD.test(line))),
  },
  {
    name: 'record',
    why: 'what online gave a device is remembered under /run/xen-network, so that offline takes exactly that away',
    without: change(['files'], 'ours', () => []),
  },
  {
    name: 'owner of a renamed device',
    why: 'a device with a vifname carries an alias that says whose it is, so that nobody else is taken for it',
    without: change(['links'], 'ours', (own) =>
      own.map((line) => line.replace(/ alias "xen-network [^"]*"/, '')),
    ),
  },
  {
    name: 'owners of rules',
    why: "a comment says whose each rule is, so that taking them out never takes an administrator's with the same text",
    without: change(FILTERS, 'ours', (own) =>
      own.map((line) => line.replace(/ -m comment --comment "xen-network [^"]*"/, '')),
    ),
  },
  {
    name: 'one rule towards the guest',
    why: 'stock inserts the same --physdev-out rule once for each address',
    without: change(FILTERS, 'stock', (own) => own.filter((line, i) => own.indexOf(line) === i)),
  },
  {
    name: 'what an argument alone told',
    why: "it is left in xenstore, beside the card's own keys, so that a refilter and a change of mode know it",
    only: /by argument/,
    without: change(['xenstore'], 'ours', (own) => own.filter((line) => !/\/xen-network = /.test(line))),
  },
  {
    name: 'order of rules',
    why: 'rules stand in the order of the addresses; they all accept, so that the order changes nothing',
    without: change(FILTERS, 'ours', (own, other) => (isReordered(own, other) ? other : own)),
  },
  {
    name: 'IPv6 rules',
    why: 'stock makes no rule for an IPv6 address and says nothing of it',
    only: /IPv6/,
    without: change(['ip6tables'], 'ours', (own, other) => (other.length === 0 ? [] : own)),
  },
  {
    name: "the guest's MTU with a vifname",
    why: 'stock makes domain and device out of the name and writes to /local/domain/NAME/device/vif/NAME',
    without: (pair) => {
      const wrong = /^\/local\/domain\/[^/]*[^/\d][^/]*(\/| = )/;
      const right = /^\/local\/domain\/\d+\/device\/vif\/\d+\/mtu = /;
      const stock = lines(pair.stock, 'xenstore');
      if (!stock.some((line) => wrong.test(line))) return pair;
      return {
        stock: { ...pair.stock, xenstore: stock.filter((line) => !wrong.test(line)) },
        ours: { ...pair.ours, xenstore: lines(pair.ours, 'xenstore').filter((line) => !right.test(line)) },
      };
    },
  },
  {
    name: 'rules after a second online',
    why: 'stock adds all rules again, and a later offline takes only one set away',
    only: /online twice/,
    without: change(FILTERS, 'stock', (own, other) => (other.length === 0 ? [] : own)),
  },
  {
    name: 'a second online of a renamed vif',
    why: 'stock takes the vif itself for another device that has its name, and reports an error',
    only: /renamed, online twice/,
    without: stockFails,
  },
  {
    name: 'a vifname over 15 characters',
    why: 'stock fails with no reason; here it is cut, and kept in full as an altname',
    only: /vifname over 15/,
    without: stockFails,
  },
  {
    name: 'the bridge gone before offline',
    why: 'offline always cleans and always succeeds; stock stops where the bridge is gone, and leaves the rules',
    only: /bridge gone/,
    without: stockFails,
  },
  {
    name: 'the words of an error',
    why: 'hotplug-error is a full sentence with the hook, the device and what to do',
    without(pair) {
      const stated = (outcome: Outcome) =>
        lines(outcome, 'xenstore').filter((line) => ERROR.test(line) || STATUS.test(line));
      const [stock, ours] = [stated(pair.stock), stated(pair.ours)];
      const bothFailed = stock.length === 2 && ours.length === 2 && stock[1] === ours[1];
      return bothFailed
        ? change(['xenstore'], 'ours', (own) =>
            own.map((line) => (ERROR.test(line) ? (stock[0] ?? '') : line)),
          )(pair)
        : pair;
    },
  },
  {
    name: 'a wrong call is told',
    why: 'a guest waits for an answer even where it is the call that is wrong; stock ends without a word in xenstore',
    only: /unknown type/,
    without: change(['xenstore'], 'ours', (own) =>
      own.filter((line) => !ERROR.test(line) && !STATUS.test(line)),
    ),
  },
  {
    name: 'a failure leaves nothing',
    why: 'stock renames the vif before it looks for the bridge, and leaves it so',
    only: /missing bridge, renamed/,
    without: change(['links'], 'stock', (own, other) =>
      own.some((line) => line.startsWith('web ')) ? other : own,
    ),
  },
];

/** Those of the differences with these names, for other hooks than vif-bridge. */
export function known(...names: string[]): Difference[] {
  return names.flatMap((name) => DIFFERENCES.filter((difference) => difference.name === name));
}
