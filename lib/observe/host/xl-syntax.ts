import type { System } from '../../system/system.ts';

/** The result of xl's own reader for a guest's file. */
export type XlVerdict =
  /** xl can read it. */
  | { readonly kind: 'fine' }
  /** xl cannot read it; the reasons by line. */
  | { readonly kind: 'refused'; readonly faults: readonly { readonly line: number; readonly text: string }[] }
  /** xl does not work here, or failed for another reason. */
  | { readonly kind: 'none' };

const TIME_LIMIT_MS = 20_000;

/**
 * Runs xl to read a guest's file without creating the guest (xl create -n).
 * @param system the way to xl
 * @param path the file's path
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
