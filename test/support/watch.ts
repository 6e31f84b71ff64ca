import type { Namespace } from './hosts/namespace.ts';

/** Counts the frames of one sender that come in at a machine's card. */
export class Watch {
  readonly #machine: Namespace;
  readonly #sender: string;

  /**
   * @param machine its card is eth0
   * @param sender the MAC address
   */
  constructor(machine: Namespace, sender: string) {
    this.#machine = machine;
    this.#sender = sender;
  }

  /** Begins to count, or begins anew. */
  start(): void {
    const lines = [
      'add table netdev watch',
      'add chain netdev watch in { type filter hook ingress device eth0 priority 0; }',
      'flush chain netdev watch in',
      `add rule netdev watch in ether saddr ${this.#sender} counter`,
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
