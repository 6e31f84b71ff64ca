// Reads the packet counters of iptables-save -c (iptables-save(8)).

/** The packets that rules counted. */
export interface RuleCounts {
  /** By the rules for what comes from the device. */
  readonly from: number;
  /** By the rules for what goes to it. */
  readonly to: number;
}

/**
 * What a device's own rules in FORWARD counted.
 * @param listing the output of iptables-save -c
 * @param device the kernel's name of the device, which is in the rules' comments
 * @returns undefined where it has no rules there
 */
export function ownRuleCounts(listing: string, device: string): RuleCounts | undefined {
  const counts = { from: 0, to: 0 };
  let isThere = false;
  for (const [, packets, rule = ''] of listing.matchAll(/^\[(\d+):\d+\] -A FORWARD (.*)$/gm)) {
    if (!rule.includes(`"xen-network ${device} `)) continue;
    isThere = true;
    const isTo = rule.includes('--physdev-out ') || / -o /.test(` ${rule}`);
    counts[isTo ? 'to' : 'from'] += Number(packets);
  }
  return isThere ? counts : undefined;
}

/**
 * The connections that rules gave the host's address: only the first packet of each goes through the table nat.
 * @param listing the output of iptables-save -c
 * @param device the device by which they leave
 * @returns undefined where no rule is for packets that leave by the device
 */
export function masqueradedCount(listing: string, device: string): number | undefined {
  const rules = [...listing.matchAll(/^\[(\d+):\d+\] -A POSTROUTING (.*) -j (?:MASQUERADE|SNAT)\b/gm)];
  const own = rules.filter(([, , rule = '']) => {
    const out = /(! )?-o (\S+)/.exec(rule);
    return out === null || (out[2] === device) === (out[1] === undefined);
  });
  return own.length === 0 ? undefined : own.reduce((sum, [, packets]) => sum + Number(packets), 0);
}
