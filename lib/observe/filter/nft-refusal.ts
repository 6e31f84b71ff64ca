import { HostError } from '../../errors.ts';
import { silenceText } from '../../system/processes/exec.ts';
import type { System } from '../../system/system.ts';

/**
 * Asks nft and the kernel whether they can do something; changes nothing.
 * @param system the way to nft
 * @param input commands as nft(8) reads them
 * @param what what they do, for the message: "drop frames by their bridge"
 * @returns why not, in their words; undefined where they can
 * @throws HostError where they could not tell for want of memory or the like, or nft was killed or could not be started:
 *   who took that for a no would filter less than this host can
 */
export function nftRefusal(system: Pick<System, 'run'>, input: string, what: string): string | undefined {
  const ran = system.run(['nft', '-c', '-f', '-'], { input });
  if (ran.status === 0) return undefined;
  const silence = silenceText(ran);
  if (silence !== undefined)
    throw new HostError(
      `nft could not tell whether this host can ${what} (${silence}). Mend the cause and try again.`,
    );
  const said = /Error: ([^\n]+)/.exec(ran.stderr)?.[1] ?? ran.stderr.trim();
  return said === '' ? 'nft is not installed' : `nft says: ${said}`;
}
