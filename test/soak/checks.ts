import { setTimeout as sleep } from 'node:timers/promises';
import type { Host } from '../support/hosts/host.ts';
import { differences } from '../support/models/bridge-state.ts';
import type { Snapshot } from '../support/models/snapshot.ts';
import { look } from '../support/overlap/look.ts';

/** What comes by itself a little later is waited for so long: on a machine with nothing else to do a second is enough. */
const CALM_MS = 30_000;

/** Programs that run, what lies in /run, and how many clients xenstored has. */
const LEFT = `
ps -eo args= | sed 's/^/process /' | grep -v 'ps -eo\\|grep\\|sed\\|sort\\|sh -c' | sort
find /run -xdev -not -path '/run/private*' -not -path '/run/xen-network/lock/*' -not -path '/run/netns/*' | sed 's/^/file /' | sort
daemon=$(pidof xenstored)
echo "descriptors of xenstored $(ls /proc/$daemon/fd | wc -l)"
nft list tables | sort
`;

/** All that a look finds, and what a hook could leave behind elsewhere. */
function lookAround(host: Host): Snapshot {
  const { files = [], store = [], ...rest } = look(host, false);
  return {
    ...rest,
    files: files.filter((line) => !line.startsWith('xen-network/tables ')),
    store: store.toSorted(),
    left: host.ok('sh', '-c', LEFT).split('\n'),
  };
}

/**
 * Looks at both hosts until they are alike.
 * @param tried what was disturbed
 * @param model the one on which the same was done undisturbed
 * @returns how the first differs; nothing when it does not
 */
export async function differencesOf(tried: Host, model: Host): Promise<string[]> {
  for (const end = performance.now() + CALM_MS; ; await sleep(50)) {
    const [is, must] = [lookAround(tried), lookAround(model)];
    // A flush takes empty tables, too; whoever needs one makes it again.
    const found = differences(must, is).filter((line) => !line.startsWith('- left: table '));
    if (found.length === 0 || performance.now() > end) return found;
  }
}
