import type { System } from '../../system/system.ts';
import { policyOwner } from '../filter/forward-policy.ts';

const INTERFACES = '/etc/network/interfaces';

/**
 * Bridges that ifupdown makes of cards that a bridge of ours has (bridge-utils-interfaces(5)): a sentence for each.
 * @param system the way to its files
 * @param devices the cards, under all names that they have
 */
export function ifupdownBridges(system: System, devices: ReadonlySet<string>): string[] {
  const folder = `${INTERFACES}.d`;
  const paths = [INTERFACES, ...system.list(folder).map((name) => `${folder}/${name}`)];
  return paths.flatMap((path) => {
    let stanza = '';
    return (system.readText(path) ?? '').split('\n').flatMap((line) => {
      const words = line.trim().split(/\s+/);
      if (words[0] === 'iface') stanza = words[1] ?? '';
      if (words[0] !== 'bridge_ports' && words[0] !== 'bridge-ports') return [];
      return words
        .slice(1)
        .filter((card) => devices.has(card))
        .map(
          (card) =>
            `ifupdown makes the bridge ${stanza} of ${card} by ${path}, and takes the card away from the bridge that has it now. Take bridge_ports out of that file, or let guests use ${stanza} and start no network hook for ${card}.`,
        );
    });
  });
}

/**
 * Who set FORWARD's policy, with the setting by which that program lets others' packets pass.
 * @param system the way to its files
 */
export function policyWords(system: System): string {
  const owner = policyOwner(system, 'ip filter FORWARD');
  if (owner.startsWith('Docker'))
    return `${owner}; "ip-forward-no-drop": true in /etc/docker/daemon.json keeps it from that`;
  return owner.startsWith('ufw')
    ? `${owner}; DEFAULT_FORWARD_POLICY="ACCEPT" in /etc/default/ufw keeps it from that`
    : owner;
}
