import { XenNetworkError } from '../../errors.ts';
import type { Fault, Place } from '../../wire/config/place.ts';

/** A fault in a file, and its position. */
export interface Finding extends Place {
  readonly path: string;
  /** One sentence. */
  readonly text: string;
  /** A warning: the line works, though perhaps not as its author meant. */
  readonly isMild: boolean;
}

/** Collects the findings about one file. */
export interface Findings {
  /** Adds an error: the file cannot do what it is for. */
  error(place: Place, text: string): void;
  warning(place: Place, text: string): void;
  fault(fault: Fault): void;
  readonly all: readonly Finding[];
}

/**
 * Makes a list of findings for a file.
 * @param path the file's path
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
 * Runs a check that may throw XenNetworkError.
 * @param check reads something
 * @returns its result, or the error's sentence
 */
export function tried<T>(check: () => T): { readonly value: T } | { readonly sentence: string } {
  try {
    return { value: check() };
  } catch (thrown) {
    return { sentence: sentenceOf(thrown) };
  }
}

/** @throws what was thrown, unless it is a XenNetworkError */
function sentenceOf(thrown: unknown): string {
  if (thrown instanceof XenNetworkError) return thrown.message;
  throw thrown;
}

type Told = string | readonly string[] | undefined;

/**
 * What a look tells, or the sentences that say why nobody knows.
 * @param look gives a sentence or several, or throws XenNetworkError
 */
export async function toldOrUnknown(look: () => Told | Promise<Told>): Promise<readonly string[]> {
  try {
    return [(await look()) ?? []].flat();
  } catch (thrown) {
    return [sentenceOf(thrown)];
  }
}
