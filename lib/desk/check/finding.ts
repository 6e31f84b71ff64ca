import { XenNetworkError } from '../../errors.ts';
import type { Fault, Place } from '../../wire/config/place.ts';

/** What is wrong in a file, and where. */
export interface Finding extends Place {
  readonly path: string;
  /** A sentence. */
  readonly text: string;
  /** It works all the same, though perhaps not as it is meant. */
  readonly isMild: boolean;
}

/** Takes what is found in one file. */
export interface Findings {
  /** What keeps the file from doing what it is for. */
  error(place: Place, text: string): void;
  warning(place: Place, text: string): void;
  fault(fault: Fault): void;
  readonly all: readonly Finding[];
}

/**
 * A list of what is found in a file.
 * @param path the file
 */
export function findingsOf(path: string): Findings {
  const all: Finding[] = [];
  const add = ({ line, column }: Place, text: string, isMild: boolean) =>
    void all.push({ path, line, column, text, isMild });
  return {
    all,
    error: (place, text) => add(place, text, false),
    warning: (place, text) => add(place, text, true),
    fault: (fault) => add(fault, fault.text, fault.isMild === true),
  };
}

/**
 * Runs a check that throws a sentence.
 * @param check reads something; throws XenNetworkError where it cannot be used
 * @returns what it gives, or the sentence
 */
export function tried<T>(check: () => T): { readonly value: T } | { readonly sentence: string } {
  try {
    return { value: check() };
  } catch (thrown) {
    if (thrown instanceof XenNetworkError) return { sentence: thrown.message };
    throw thrown;
  }
}
