import type { Family } from '../../request/addresses.ts';
import type { RunResult } from '../../system/processes/exec.ts';
import { onceEach } from '../../system/remembering.ts';
import type { System } from '../../system/system.ts';

/**
 * The system, which asks the host only once for what concerns all guests and grows with their number: the firewall's
 * chains, the addresses.
 * @param system the system
 */
export function askedOnce(system: System): System {
  const answers = new Map<string, RunResult>();
  return {
    ...system,
    ipv4Addresses: onceEach((device: string) => system.ipv4Addresses(device)),
    forwardingChains: onceEach((family: Family) => system.forwardingChains?.(family)),
    run(argv, options) {
      const question = [...argv, options?.input ?? ''].join(' ');
      const answer = answers.get(question) ?? system.run(argv, options);
      answers.set(question, answer);
      return answer;
    },
  };
}
