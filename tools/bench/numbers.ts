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
 * What part of a value another one is; NaN where one is missing.
 * @param value any number
 * @param base any number
 */
export function ratio(value: number | undefined, base: number | undefined): number {
  return value === undefined || base === undefined ? Number.NaN : value / base;
}

/**
 * A number with about three significant digits.
 * @param value any number; none is shown for NaN
 */
export function short(value: number): string {
  if (Number.isNaN(value)) return '-';
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2);
}

/**
 * Those who take turns, in another order each round, the same in every run: in the long run each comes as often at each
 * place and after each other one, so that what one leaves behind meets all others alike.
 * @param all who take turns
 * @param round which round, from 0
 */
export function shuffled<T>(all: readonly T[], round: number): T[] {
  let state = round;
  // The generator splitmix32: rounds that follow each other have nothing in common.
  const below = (bound: number) => {
    state = (state + 0x9e3779b9) | 0;
    const first = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    const second = Math.imul(first ^ (first >>> 15), 0x735a2d97);
    return Math.floor((((second ^ (second >>> 15)) >>> 0) / 2 ** 32) * bound);
  };
  const order = [...all];
  for (let i = order.length - 1; i > 0; i--) {
    const other = below(i + 1);
    const [here, there] = [order[i], order[other]];
    if (here === undefined || there === undefined) continue;
    [order[i], order[other]] = [there, here];
  }
  return order;
}
