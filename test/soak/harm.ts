import { type Act, shell, tool } from '../support/overlap/overlap.ts';
import type { Random } from '../support/random.ts';
import { RESTORE_ENTRIES, restartXenstored } from '../support/xenstore/restart.ts';
import type { Deed } from './deed.ts';

/** Who finishes what a signal ended: the same call again, recover alone, refilter alone, or what takes the deed back. */
export type Finish = 'again' | 'recover' | 'refilter' | 'opposite';

/** What goes wrong while something is done. */
export type Harm =
  /** The program gets a signal after so many beginnings and ends of its system calls. */
  | {
      readonly how: 'signal';
      readonly signal: 'KILL' | 'TERM';
      readonly stops: number;
      readonly finish: Finish;
    }
  /** The n-th system call of a kind fails. */
  | { readonly how: 'error'; readonly call: string; readonly error: string; readonly nth: number }
  /** /run has room for so many pages only. */
  | { readonly how: 'full'; readonly pages: number }
  /** The program and its children have so much memory each. */
  | { readonly how: 'memory'; readonly kib: number }
  /** Something else happens, before it, or while it runs after so many microseconds. */
  | { readonly how: 'meanwhile'; readonly what: string; readonly afterUs: number };

/** What happens beside a hook. */
interface Event {
  readonly script: string;
  /** What mends it. */
  readonly mends: readonly Act[];
  /** Whether the toolstack or the administrator calls the hook again for it. */
  readonly isCalledAgain: boolean;
}

/** The administrator's own rules, in a file of each family. */
export const ADMIN_RULES = ['iptables', 'ip6tables'] as const;
const LOAD_RULES = ADMIN_RULES.map((name) => `${name}-restore </etc/${name}.rules`).join(' && ');
const LOCKS = 'rm -rf /run/xen-network/lock /run/xen-hotplug/*';

/** What may happen beside a hook, by its name. */
export const EVENTS: Readonly<Record<string, Event>> = {
  'all rules are flushed': {
    script: 'nft flush ruleset',
    mends: [shell(LOAD_RULES), tool('refilter')],
    isCalledAgain: false,
  },
  "the administrator's rules are loaded again": {
    script: LOAD_RULES,
    mends: [tool('refilter')],
    isCalledAgain: false,
  },
  'all locks are removed': { script: LOCKS, mends: [], isCalledAgain: false },
  'xenstored restarts': { script: restartXenstored(true), mends: [], isCalledAgain: true },
  'xenstored comes back empty': {
    script: restartXenstored(false),
    mends: [shell(RESTORE_ENTRIES)],
    isCalledAgain: true,
  },
};
const EVENT_NAMES = Object.keys(EVENTS);

/** A vif hook has some 300 such moments, a start of a bridge some 1000. */
const STOPS = { guest: 400, host: 1400 } as const;

/** Which errors a system call may give, and up to which call of its kind. */
const ERRORS: readonly [...(readonly [call: string, error: string, most: number])[]] = [
  ['openat', 'ENOSPC', 25],
  ['openat', 'EMFILE', 25],
  ['write', 'ENOSPC', 12],
  ['rename', 'ENOSPC', 4],
  ['sendto', 'ENOBUFS', 12],
  ['recvmsg', 'ENOMEM', 12],
  ['socket', 'ENFILE', 5],
  ['mmap', 'ENOMEM', 6],
  ['flock', 'EINTR', 6],
];
/** From too little for the program to start to enough for all that it calls. */
const LEAST_KIB = 4_000;
const MOST_KIB = 40_000;
const MOST_PAGES = 12;

/**
 * Something that goes wrong.
 * @param random the numbers
 * @param deed what is done meanwhile
 */
export function nextHarm(random: Random, deed: Deed): Harm {
  const kind = random(20);
  if (kind < 10) return nextSignal(random, deed);
  if (kind < 15) {
    const what = EVENT_NAMES[random(EVENT_NAMES.length)] ?? '';
    return { how: 'meanwhile', what, afterUs: random(3) === 0 ? 0 : random(6000) };
  }
  if (kind < 16) return { how: 'full', pages: random(MOST_PAGES) };
  if (kind < 17) return { how: 'memory', kib: LEAST_KIB + random(MOST_KIB - LEAST_KIB) };
  const [call, error, most] = ERRORS[random(ERRORS.length)] ?? ['write', 'ENOSPC', 12];
  return { how: 'error', call, error, nth: 1 + random(most) };
}

function nextSignal(random: Random, deed: Deed): Harm {
  const most = deed.about.startsWith('guest') ? STOPS.guest : STOPS.host;
  const stops = 1 + random(most);
  const signal = random(4) === 0 ? 'TERM' : 'KILL';
  const choice = random(4);
  return { how: 'signal', signal, stops, finish: finishOf(deed, signal, choice) };
}

function finishOf(deed: Deed, signal: 'KILL' | 'TERM', choice: number): Finish {
  if (choice < 2 || deed.isOpen === true) return 'again';
  if (choice === 3 && deed.opposite !== undefined) return 'opposite';
  if (signal === 'TERM') return 'again';
  return choice === 3 && deed.isLast === true ? 'refilter' : 'recover';
}

/** A harm in words, to be put behind a deed. */
export function harmText(harm: Harm | undefined): string {
  switch (harm?.how) {
    case undefined:
      return '';
    case 'signal':
      return `; SIG${harm.signal} after ${harm.stops} moments, finished by ${FINISHES[harm.finish]}`;
    case 'error':
      return `; ${harm.call} number ${harm.nth} fails with ${harm.error}`;
    case 'full':
      return `; /run has room for ${harm.pages} pages`;
    case 'memory':
      return `; it has ${harm.kib} KiB of memory`;
    case 'meanwhile':
      return `; ${harm.what} after ${harm.afterUs} µs`;
  }
}

const FINISHES: Readonly<Record<Finish, string>> = {
  again: 'the same again',
  recover: 'recover',
  refilter: 'refilter',
  opposite: 'what takes it back',
};
