import type { Host } from './host.ts';

const PROGRAMS = ['iptables', 'ip6tables'].flatMap((tool) => [tool, `${tool}-restore`, `${tool}-save`]);

/** What the commands of iptables are: the legacy back end, programs that fail, or not there. */
export type Iptables = 'legacy' | 'broken' | 'absent';

/**
 * Lets the commands of iptables lead elsewhere while a test runs.
 * @param host where
 * @param kind where to
 * @param run what is tried meanwhile
 */
export function withIptables(host: Host, kind: Iptables, run: () => void): void {
  const link = (to: string, name: string) => host.ok('ln', '-sf', to, `/etc/alternatives/${name}`);
  for (const name of PROGRAMS) {
    if (kind === 'absent') host.ok('rm', `/etc/alternatives/${name}`);
    else link(kind === 'broken' ? '/bin/false' : behind(name, 'legacy'), name);
  }
  try {
    run();
  } finally {
    for (const name of PROGRAMS) link(behind(name, 'nft'), name);
  }
}

function behind(name: string, backEnd: 'legacy' | 'nft'): string {
  return `/usr/sbin/${name.replace('tables', `tables-${backEnd}`)}`;
}
