import type { CardRecord, Settings } from '../../observe/bridge/uplink.ts';
import type { HostState, Link } from '../../observe/host/host.ts';
import { damageOf } from '../bridge/found.ts';
import { presentMark, type StopFacts, settingsOf } from '../bridge/stop-facts.ts';
import { ownAddresses, ownRoutes } from './addressing.ts';
import { ACCEPT_DAD, type AddressSource, DISABLE_IPV6, FAMILIES } from './source.ts';
import { labelsOf } from './target.ts';

/**
 * The addresses, routes and settings of a card at start, for a stop that finds that the device which took them was
 * deleted. Addresses with a lifetime are left out, because a DHCP server or router gives them; so are all routes of
 * their family, which may depend on them.
 * @param state the host
 * @param link the card
 * @param settings its kernel settings
 */
export function cardRecord(state: HostState, link: Link, settings: Settings): CardRecord {
  const lent = new Set(
    link.addresses.filter(({ validSeconds }) => validSeconds !== undefined).map(({ family }) => family),
  );
  const addresses = FAMILIES.flatMap((family) => ownAddresses(link, family)).filter(
    ({ validSeconds, scope }) => validSeconds === undefined && scope !== 'link',
  );
  const routes = FAMILIES.filter((family) => !lent.has(family))
    .flatMap((family) => ownRoutes(state, link.name, family))
    .filter(({ hops, words }) => hops.every(({ dev }) => dev === link.name) && !words.includes('ra'));
  const changed = [DISABLE_IPV6, ACCEPT_DAD].flatMap((key) => {
    const value = settings.get(key);
    return value === undefined ? [] : [[key, value] as const];
  });
  return {
    addresses: addresses.map((address) => ({ ...address, flags: [...address.flags] })),
    routes,
    settings: Object.fromEntries(changed),
    ...labelsOf(link),
  };
}

/**
 * Stands in for the deleted device that had the host's addresses: it has what the card had at start, except what
 * another device has now.
 * @param facts the host and the bridge's record
 */
export function standIn(facts: StopFacts): AddressSource {
  const { state, record: saved, nic } = facts;
  const had: CardRecord = saved.had ?? { addresses: [], routes: [], settings: { [DISABLE_IPV6]: '0' } };
  const isElsewhere = (local: string) =>
    state.links.some(
      (link) => link.index !== nic.index && link.addresses.some((address) => address.local === local),
    );
  const addresses = had.addresses
    .filter(({ local }) => !isElsewhere(local))
    .map((address) => ({ ...address, flags: new Set(address.flags) }));
  const isTaken = ({ family, destination, table, metric }: (typeof had.routes)[number]) =>
    state.routes.some(
      (route) =>
        route.family === family &&
        route.destination === destination &&
        route.table === table &&
        route.metric === metric,
    );
  const isWhole = addresses.length === had.addresses.length;
  const mtu = saved.mtu ?? nic.mtu;
  const link: Link = { ...nic, ...labelsOf(had), name: saved.netdev, mac: saved.mac, mtu, addresses };
  return {
    state: {
      links: [link],
      routes: isWhole ? had.routes.filter((route) => !isTaken(route)) : [],
      rules: [],
      neighbours: [],
    },
    link,
    settings: new Map([...settingsOf(facts, nic.name), ...Object.entries(had.settings)]),
    mark: presentMark(nic, nic.name),
  };
}

/**
 * Sentences about what others have changed since start and stop cannot restore.
 * @param facts the host and the bridge's record
 */
export function lossesOf(facts: StopFacts): string[] {
  const { record: saved, top, bridge } = facts;
  const damage = damageOf(facts.state, saved);
  if (damage === undefined) return [];
  const isSaidBelow = top === undefined && (bridge !== undefined || saved.topology !== 'classic');
  const sentences = isSaidBelow ? [] : [`Since the start of network-bridge ${damage}.`];
  if (top !== undefined) return sentences;
  const lost = saved.topology === 'classic' ? saved.netdev : saved.bridge;
  const back = standIn(facts).link.addresses.map(({ local, length }) => `${local}/${length}`);
  const gets =
    back.length === 0
      ? `give ${saved.netdev} its addresses and routes again`
      : `${saved.netdev} gets back what it had at the start (${back.join(', ')}), and what was changed since then is lost`;
  return [
    ...sentences,
    `${lost}, which had the host's addresses, was deleted, and these with it: ${gets}. A lease has to be asked for anew.`,
  ];
}
