import type { HostState } from '../../observe/host/host.ts';
import type { Network } from '../map/map.ts';
import type { DoctorFacts } from './facts.ts';

/** Something that the doctor found. */
export interface Complaint {
  /** What it is about, such as "network", "guests" or "host". */
  readonly topic: string;
  /**
   * error: something does not work; warning: it may not be meant; note: this host cannot know whether it is right, so it
   * is only said.
   */
  readonly level: 'error' | 'warning' | 'note';
  /** What is so, why it matters, and what to do. */
  readonly text: string;
  /** The guest that it is about. */
  readonly guest?: string;
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

/**
 * The device of the IPv4 default route of the main table, by which routed guests reach the outside, and its gateway.
 * @param state the host
 */
export function uplinkOf({ routes }: HostState): {
  readonly device: string | undefined;
  readonly gateway: string | undefined;
} {
  const all = routes.filter(
    ({ destination, table, family }) => destination === 'default' && table === 'main' && family === 4,
  );
  const best = [...all].sort((a, b) => (a.metric ?? 0) - (b.metric ?? 0))[0]?.hops[0];
  return { device: best?.dev, gateway: best?.gateway };
}
