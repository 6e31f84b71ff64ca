import type { Connections } from '../../observe/desk/path.ts';
import type { HopCounts } from './counts.ts';
import type { Hop } from './path.ts';

/** A hop with what it counted in some time. */
export interface WatchedHop {
  readonly hop: Hop;
  readonly counts: HopCounts;
}

/** Where a guest's packets stop. */
export interface Stop {
  /** The name of the first hop that they do not reach, or that drops them; undefined where all pass. */
  readonly at: string | undefined;
  readonly sentence: string;
}

/**
 * The difference between two readings of a hop.
 * @param before the earlier one
 * @param after the later one
 */
export function difference(before: HopCounts, after: HopCounts): HopCounts {
  const less = (one: number | undefined, other: number | undefined) =>
    one === undefined || other === undefined ? undefined : Math.max(0, other - one);
  return {
    from: less(before.from, after.from),
    to: less(before.to, after.to),
    dropped: less(before.dropped, after.dropped),
  };
}

/**
 * Says where packets stop that somebody else sends meanwhile, such as a ping from the guest. Cards count the packets of
 * all, so only a count of nothing proves something there.
 * @param guest the guest's name
 * @param hops the hops in order, with what each counted
 * @param connections the guest's connections now; undefined where they are not tracked
 */
export function whereItStops(
  guest: string,
  hops: readonly WatchedHop[],
  connections: Connections | undefined,
): Stop {
  const find = (counter: Hop['counter']) => hops.find(({ hop }) => hop.counter === counter);
  const [device, rules, uplink, end] = [find('guest'), find('rules'), find('uplink'), find('host')];
  const stop = (at: WatchedHop | undefined, text: string): Stop => ({ at: at?.hop.name, sentence: text });
  const sent = device?.counts.from ?? 0;
  const back = device?.counts.to ?? 0;
  const refused = find('refused');
  const name = device?.hop.name ?? guest;
  if (sent === 0 && back === 0)
    return stop(
      device,
      `Nothing comes from ${guest}, and nothing goes to it: let it ping somebody meanwhile.`,
    );
  if (sent === 0)
    return stop(
      device,
      `${guest} sends nothing, though ${back} packets went to it by ${name}: look inside of the guest.`,
    );
  if ((refused?.counts.dropped ?? 0) > 0)
    return stop(
      refused,
      `antispoof=strict dropped ${refused?.counts.dropped} packets of ${guest}: they have another MAC or IP address than its configuration. "xen-network vif ${name} log on" writes them to the kernel log.`,
    );
  // Where FORWARD lets everything pass, what no rule of the guest matches goes on.
  if (rules?.counts.from === 0 && (uplink?.counts.from ?? 0) === 0)
    return stop(
      rules,
      `${sent} packets came from ${guest}, its rules in FORWARD matched none, and none left this host: they are not for outside, or have another address than its configuration.`,
    );
  return outside(guest, { sent, back, name }, { rules, uplink, end }, connections);
}

/** The second half of the way: from the rules to the wire, and back. */
function outside(
  guest: string,
  { sent, back, name }: { readonly sent: number; readonly back: number; readonly name: string },
  at: Readonly<Record<'rules' | 'uplink' | 'end', WatchedHop | undefined>>,
  connections: Connections | undefined,
): Stop {
  const { rules, uplink, end } = at;
  const stop = (where: WatchedHop | undefined, sentence: string): Stop => ({ at: where?.hop.name, sentence });
  const card = uplink?.hop.name;
  if (uplink !== undefined && uplink.counts.from === 0) {
    const isForHost = (end?.counts.from ?? 0) > 0 && back > 0;
    return isForHost
      ? stop(
          undefined,
          `${guest} and dom0 (${end?.hop.name}) talk to each other, and nothing leaves by ${card}.`,
        )
      : stop(
          uplink,
          `${sent} packets came from ${guest}, and none left by ${card}: they stop between ${name} and there, or are for another guest.`,
        );
  }
  // Where the guest's rules count, they tell its own packets from what is sent to everybody.
  const isUnanswered = uplink?.counts.to === 0 || (back > 0 && rules?.counts.to === 0);
  if (uplink !== undefined && isUnanswered)
    return stop(
      uplink,
      `The packets of ${guest} leave by ${card}, and nothing comes back to it: nobody outside answers, or the gateway has no route to it.`,
    );
  if (back === 0 && (rules?.counts.to ?? 0) > 0)
    return stop(
      rules,
      `Answers pass FORWARD, and do not reach ${name}: look at the bridge and at the VLANs.`,
    );
  if (back === 0)
    return stop(
      rules ?? uplink,
      `Packets come back${card === undefined ? '' : ` by ${card}`}, and none of them goes to ${guest} by ${name}: they are for others, or are dropped before.`,
    );
  if (connections !== undefined && connections.all > 0 && connections.unanswered === connections.all)
    return stop(
      uplink,
      `None of ${connections.all} connections of ${guest} has got an answer: nobody outside answers, or the gateway has no route to it.`,
    );
  return stop(undefined, `Packets pass both ways: ${sent} from ${guest}, ${back} to it.`);
}
