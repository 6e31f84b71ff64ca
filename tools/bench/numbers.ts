/**
 * The value that a given part of all values lies below; NaN for none.
 * @param values any numbers
 * @param part from 0 to 1
 */
export function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  if (sorted.length === 0) return Number.NaN;
  const at = part * (sorted.length - 1);
  const low = sorted[Math.floor(at)] ?? Number.NaN;
  const high = sorted[Math.ceil(at)] ?? Number.NaN;
  return low + (high - low) * (at - Math.floor(at));
}

/** @param values any numbers */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/**
 * A number with about three significant digits.
 * @param value any number; none is shown for NaN
 */
export function short(value: number): string {
  if (Number.isNaN(value)) return '-';
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2);
}
