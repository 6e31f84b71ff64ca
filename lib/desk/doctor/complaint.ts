import type { MapFacts, Network } from '../map/map.ts';

/** Something that the doctor found. */
export interface Complaint {
  /** What it is about, such as "network", "guests" or "host". */
  readonly topic: string;
  /** error: something does not work; warning: it may not be meant. */
  readonly level: 'error' | 'warning';
  /** What is so, and what to do. */
  readonly text: string;
  /** The guest that it is about. */
  readonly guest?: string;
}

/** What the doctor looks at, beside what the map is drawn from. */
export interface DoctorFacts extends MapFacts {
  /** Sentences about bridges that somebody took apart. */
  readonly damages: readonly string[];
  /** Kernel settings by their path below /proc/sys; those that there are not are left out. */
  readonly settings: Readonly<Record<string, string>>;
  /** Sentences about programs that manage cards and guests' devices, too. */
  readonly owners: readonly string[];
  /** Hooks whose file in /etc/xen/scripts is not this program, by what is there instead. */
  readonly hooks: Readonly<Record<string, string>>;
  /** Devices of which a killed run, or one that never came, left rules, records or a journal. */
  readonly leftovers: readonly string[];
  /** Keys of journals of interrupted runs. */
  readonly interrupted: readonly string[];
  /** Starts that wait for their confirmation, with the seconds left. */
  readonly pending: readonly { readonly id: string; readonly seconds: number }[];
  /** Chains that drop guests' frames which cross a bridge, and in which no rule of ours can stand, by the bridge. */
  readonly dropping: ReadonlyMap<string, readonly string[]>;
  /** Rules of guests' records that are not in FORWARD, by the device. */
  readonly missingRules: ReadonlyMap<string, readonly string[]>;
  /** Devices that lead outside and by which guests' packets are masqueraded. */
  readonly masqueraded: readonly string[];
  /** Servers of started networks that do not run. */
  readonly idleServers: readonly string[];
  readonly switchRuns: boolean;
}

/** Looks for one kind of fault. */
export type Rule = (facts: DoctorFacts, networks: readonly Network[]) => readonly Complaint[];

/**
 * A complaint.
 * @param topic what it is about, such as "network"
 * @param level error where something does not work
 * @param text what is so, and what to do
 * @param guest the guest that it is about
 */
export function complaint(topic: string, level: Complaint['level'], text: string, guest?: string): Complaint {
  return { topic, level, text, ...(guest === undefined ? {} : { guest }) };
}
