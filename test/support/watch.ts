import type { Namespace } from './hosts/namespace.ts';

/** Counts frames of one kind that come in at a machine's card. */
export class Watch {
  readonly #machine: Namespace;
  readonly #kind: string;

  /**
   * @param machine its card is eth0
   * @param kind which frames, as nft matches them
   */
  constructor(machine: Namespace, kind: string) {
    this.#machine = machine;
    this.#kind = kind;
  }

  /** Begins to count, or begins anew. */
  start(): void {
    const lines = [
      'add table netdev watch',
      'add chain netdev watch in { type filter hook ingress device eth0 priority 0; }',
      'flush chain netdev watch in',
      `add rule netdev watch in ${this.#kind} counter`,
    ];
    const ran = this.#machine.run(['nft', '-f', '-'], { input: `${lines.join('\n')}\n` });
    if (ran.status !== 0) throw new Error(`nft: ${ran.stderr}`);
  }

  /** How many have come since. */
  count(): number {
    const listing = this.#machine.ok('nft', 'list', 'chain', 'netdev', 'watch', 'in');
    return Number(/packets (\d+)/.exec(listing)?.[1]);
  }
}
