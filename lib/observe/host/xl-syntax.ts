import type { System } from '../../system/system.ts';

/** What xl's own reader says of a guest's file. */
export type XlVerdict =
  /** It reads it. */
  | { readonly kind: 'fine' }
  /** It does not, and why, by line. */
  | { readonly kind: 'refused'; readonly faults: readonly { readonly line: number; readonly text: string }[] }
  /** It does not work here, or found fault with something else. */
  | { readonly kind: 'none' };

const TIME_LIMIT_MS = 20_000;

/**
 * Lets xl read a guest's file, and create nothing (xl create -n).
 * @param system the way to xl
 * @param path the file
 */
export function xlSyntax(system: System, path: string): XlVerdict {
  const { status, stderr } = system.run(['xl', 'create', '-n', path], { timeoutMs: TIME_LIMIT_MS });
  if (status === 0) return { kind: 'fine' };
  const lines = stderr.matchAll(/^(?:.*):(\d+): config parsing error near (.*)$/gm);
  const faults = [...lines].map(([, line, text = '']) => ({
    line: Number(line),
    text: `xl does not read this: near ${text}.`,
  }));
  return faults.length === 0 ? { kind: 'none' } : { kind: 'refused', faults };
}
