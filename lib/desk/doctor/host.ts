import { complaint, type Rule } from './complaint.ts';

/** Of the table of connections. */
const FULL = 0.8;

const full: Rule = ({ settings }) => {
  const count = Number(settings['net/netfilter/nf_conntrack_count'] ?? 0);
  const most = Number(settings['net/netfilter/nf_conntrack_max'] ?? 0);
  if (most === 0 || count < most * FULL) return [];
  return [
    complaint(
      'host',
      'warning',
      `Connection tracking holds ${count} of ${most} connections; from the last one on packets are dropped. Raise net.netfilter.nf_conntrack_max, or say notrack=yes for bridged guests.`,
    ),
  ];
};

const owned: Rule = ({ owners }) => owners.map((text) => complaint('host', 'warning', text));

const hookFiles: Rule = ({ hooks }) =>
  Object.entries(hooks).map(([state, names]) =>
    complaint(
      'host',
      state === 'replaced' ? 'error' : 'warning',
      state === 'replaced'
        ? `${names} in /etc/xen/scripts: a file lies over the link to this program, as an upgrade of Xen leaves it. Run "xen-network hooks enable".`
        : `${names} in /etc/xen/scripts: not this program (${state}). "xen-network hooks enable" puts it there.`,
    ),
  );

/** What is wrong with the host itself. */
export const HOST_RULES: readonly Rule[] = [full, owned, hookFiles];
