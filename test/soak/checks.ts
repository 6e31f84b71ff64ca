import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Host } from '../support/hosts/host.ts';
import { differences } from '../support/models/bridge-state.ts';
import type { Snapshot } from '../support/models/snapshot.ts';
import { look } from '../support/overlap/look.ts';

/** What comes by itself a little later is waited for so long: on a machine with nothing else to do a second is enough. */
const CALM_MS = 30_000;

/**
 * Programs that run; what lies in /run; mounts; namespaces; who has files or locks of ours open; how many
 * descriptors xenstored has, and all that it says of guests.
 */
const LEFT = `
ps -eo args= | sed 's/ --no-fork$//; s/^/process /' | grep -v 'ps -eo\\|grep\\|sed\\|sort\\|sh -c\\|\\[sh\\] <defunct>' | sort
find /run -xdev -not -type d -not -path '/run/private*' -not -path '/run/netns/*' -not -name xenstored.entries | sed 's/^/file /' | sort
find /run/netns | sed 's/^/namespace /' | sort
cut -d ' ' -f 4,5,9 /proc/self/mountinfo | grep -v '/run/netns\\|/sys ' | sed 's/^/mount /' | sort
find /proc/[0-9]*/fd -lname '/run/xen*' -printf 'open %l\\n' 2>/dev/null | sort
daemon=$(pidof xenstored)
echo "sockets of xenstored $(find /proc/$daemon/fd -lname 'socket:*' ! -name '[012]' | wc -l)"
xenstore-ls -f | grep -v '/script = ' | sed 's/^/xenstore /' | sort
nft list tables | sort
`;

/** All that a look finds, and what a hook could leave behind elsewhere. */
export function lookAround(host: Host): Snapshot {
  const { files = [], store = [], ...rest } = look(host, existsSync(host.path('/run/openvswitch')));
  return {
    ...rest,
    files: files.filter((line) => !line.startsWith('xen-network/tables ')).flatMap(sharedLines),
    store: store.toSorted(),
    left: host
      .ok('sh', '-c', LEFT)
      .split('\n')
      .filter((line) => !isOfKilled(line)),
  };
}

/** Looks at a host until nothing changes any more: a server that starts is two processes for a moment. */
export async function lookAtRest(host: Host): Promise<Snapshot> {
  for (let before = lookAround(host); ; await sleep(50)) {
    const now = lookAround(host);
    if (isDeepStrictEqual(now, before)) return now;
    before = now;
  }
}

/** What hooks and guests share, a line for each setting. */
function sharedLines(line: string): string[] {
  const [, entries] = /^xen-network\/ledger (.*)$/.exec(line) ?? [];
  if (entries === undefined) return [line];
  const all: unknown = JSON.parse(entries);
  return Array.isArray(all) ? all.map((entry) => `shared ${withoutStrictBefore(`${entry}`)}`) : [line];
}

/** Whether the strict table was there before its first holder makes no difference: the last one removes it. */
const withoutStrictBefore = (entry: string): string =>
  entry.replace(/("kind":"strict"\}),"before":"\w+"/, '$1');

/** The file of a lock that a killed run held stays until the next one takes it. */
const isOfKilled = (line: string): boolean => /^file \/run\/(xen-network\/lock|xen-hotplug)(\/|$)/.test(line);

/**
 * Looks at a host until it is as one of others that it may be like.
 * @param tried the host
 * @param models how it may be
 * @param lookAt looks at it as at the models
 * @returns how it differs from the one that it is most like; nothing when it does not
 */
export async function differencesFrom(
  tried: Host,
  models: () => readonly Snapshot[],
  lookAt = lookAround,
): Promise<string[]> {
  for (const end = performance.now() + CALM_MS; ; await sleep(50)) {
    const is = lookAt(tried);
    const [best = []] = models()
      // A flush takes empty tables, too; whoever needs one makes it again.
      .map((must) => differences(must, is).filter((line) => !line.startsWith('- left: table ')))
      .sort((a, b) => a.length - b.length);
    if (best.length === 0 || performance.now() > end) return best;
  }
}

/**
 * Looks at both hosts until they are alike.
 * @param tried what was disturbed
 * @param model the one on which the same was done undisturbed
 * @returns how the first differs; nothing when it does not
 */
export function differencesOf(tried: Host, model: Host): Promise<string[]> {
  return differencesFrom(tried, () => [lookAround(model)]);
}
