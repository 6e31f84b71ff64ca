import { join } from 'node:path';
import { type RuleSet, tableOf } from '../../../lib/filter/forward.ts';
import type { Family } from '../../../lib/request/addresses.ts';
import { findBun } from '../bun.ts';
import { Host } from './host.ts';

const DRIVER = join(import.meta.dirname, '../kernel/nf-tables-driver.ts');
export const FAMILIES = [
  { family: 4, tool: 'iptables' },
  { family: 6, tool: 'ip6tables' },
] as const;

/** A line of iptables-restore for a table. */
export type Line = readonly [table: string, line: string];

/** Two hosts alike: in one the kernel is asked for rules, in the other iptables is run. */
export class NfHosts {
  readonly asked: Host;
  readonly told: Host;

  private constructor(asked: Host, told: Host) {
    this.asked = asked;
    this.told = told;
  }

  /** Makes them; close them when done. */
  static async create(): Promise<NfHosts> {
    const [asked, told] = await Promise.all([Host.create(), Host.create()]);
    return new NfHosts(asked, told);
  }

  async close(): Promise<void> {
    await Promise.all([this.asked.close(), this.told.close()]);
  }

  get both(): readonly Host[] {
    return [this.asked, this.told];
  }

  /** Chains with no rule, as they are once iptables was used for the first time. */
  reset(): void {
    for (const host of this.both) {
      host.ok('nft', 'flush', 'ruleset');
      for (const { tool } of FAMILIES) {
        host.ok(tool, '-P', 'FORWARD', 'ACCEPT');
        host.ok(tool, '-t', 'raw', '-P', 'PREROUTING', 'ACCEPT');
      }
    }
  }

  /**
   * @param family iptables' or ip6tables'
   * @param lines lines with -I and -D
   * @param host where the kernel is asked
   * @returns an empty object when the kernel has done it, null when it is left to iptables
   */
  byKernel(family: Family, lines: readonly Line[], host = this.asked): unknown {
    const input = JSON.stringify([family, lines]);
    const ran = host.run([findBun(), DRIVER, 'put'], { input });
    if (ran.status !== 0) throw new Error(ran.stderr);
    return JSON.parse(ran.stdout);
  }
}

/**
 * Runs a restore, as the hooks do.
 * @throws Error with what it said
 */
export function byIptables(host: Host, family: Family, lines: readonly Line[]): void {
  const input = lines.map(([table, line]) => `*${table}\n${line}\nCOMMIT\n`).join('');
  const tool = family === 4 ? 'iptables-restore' : 'ip6tables-restore';
  const ran = host.run([tool, '--noflush', '-w'], { input });
  if (ran.status !== 0) throw new Error(ran.stderr);
}

/** The expressions of each rule as the kernel has them, in hex digits. */
export function dumped(host: Host, family: Family): string[] {
  return host.ok(findBun(), DRIVER, 'dump', `${family}`).split('\n');
}

/** The lines that put rules at the top of their chains. */
export function topLines(family: Family, sets: readonly RuleSet[]): Line[] {
  return sets.flatMap((set) => set[family].map((rule): Line => [tableOf(rule), `-I ${rule}`]));
}
