import { pendingRuns, pendingSentences } from '../../apply/confirm.ts';
import { damagedJournals } from '../../apply/journal.ts';
import { toldOrUnknown } from '../../desk/check/finding.ts';
import { readBridgeRecords } from '../../observe/bridge/uplink.ts';
import { readStrictRecords } from '../../observe/filter/strict.ts';
import { strictDamage } from '../../observe/filter/strict-health.ts';
import { type HostState, type Link, observeHost } from '../../observe/host/host.ts';
import { damagedRecords } from '../../observe/records.ts';
import { readSharedSettings } from '../../observe/shared-settings.ts';
import type { Values } from '../../request/arguments.ts';
import type { System } from '../../system/system.ts';
import { listed } from '../../text.ts';
import type { Context } from '../context.ts';
import { strictBridges, strictNetworks } from '../guests/strict-table.ts';
import { lostSettings } from './shared-settings.ts';

interface BridgeStatus {
  readonly name: string;
  readonly id: string;
  readonly stp: boolean;
  readonly ports: readonly string[];
}

/**
 * Prints addresses, bridges in the form of `brctl show`, and routes; or all of that as JSON.
 * @param context the call
 * @param _values no variable changes the output
 * @param json whether to print JSON
 */
export async function printStatus(context: Context, _values: Values, json: boolean): Promise<void> {
  const { system, print, log } = context;
  const state = observeHost(system);
  const bridges = state.links
    .filter((link) => link.kind === 'bridge')
    .map((link) => bridgeStatus(system, state, link));
  const strict = {
    bridges: strictBridges(system),
    networks: strictNetworks(system),
    ports: [...readStrictRecords(system).keys()],
  };
  const [damage] = await toldOrUnknown(() => strictDamage(system, [...strict.bridges, ...strict.networks]));
  if (damage !== undefined) log.warn(damage);
  const lost = await toldOrUnknown(() => lostSettings(system));
  for (const sentence of [...damagedJournals(system), ...damagedRecords(system), ...lost]) log.warn(sentence);
  if (json) {
    const found = {
      links: state.links.map(linkJson),
      bridges,
      routes: state.routes,
      bridged: readBridgeRecords(system),
      shared: readSharedSettings(system),
      strict: { ...strict, damage: damage ?? null },
      pending: pendingRuns(system).map(({ id, remainingMs }) => ({ id, remainingMs })),
    };
    print(`${JSON.stringify(found, null, 2)}\n`);
    return;
  }
  const show = (...args: string[]) => system.run(['ip', ...args], { isListing: true }).stdout;
  print(
    `${rule}\n${show('address', 'show')}${rule}\n${bridgeTable(bridges)}${rule}\n${show('-4', 'route', 'show')}${show('-6', 'route', 'show')}${rule}\n${strictLines(strict)}${pendingLines(system)}`,
  );
}

/** Empty where no start waits for confirmation. */
function pendingLines(system: System): string {
  const sentences = pendingSentences(system);
  return sentences.length === 0 ? '' : `${sentences.join('\n')}\n${rule}\n`;
}

const rule = '='.repeat(60);

interface StrictStatus {
  readonly bridges: readonly string[];
  readonly networks: readonly string[];
  readonly ports: readonly string[];
}

/** Empty where nobody asked for antispoof=strict. */
function strictLines({ bridges, networks, ports }: StrictStatus): string {
  const users = [...bridges, ...networks];
  if (users.length === 0 && ports.length === 0) return '';
  const on = users.length === 0 ? '' : ` on ${listed(users)}`;
  return `antispoof=strict${on}; held: ${ports.join(' ') || 'no guest yet'}\n${rule}\n`;
}

function bridgeStatus(system: System, state: HostState, link: Link): BridgeStatus {
  const read = (file: string) => system.readText(`/sys/class/net/${link.name}/bridge/${file}`) ?? '';
  const ports = state.links.filter((port) => port.master === link.name).map((port) => port.name);
  return { name: link.name, id: read('bridge_id'), stp: read('stp_state') !== '0', ports: ports.sort() };
}

function bridgeTable(bridges: readonly BridgeStatus[]): string {
  const lines = bridges.flatMap(({ name, id, stp, ports }) => [
    `${name}\t\t${id}\t${stp ? 'yes' : 'no'}\t\t${ports[0] ?? ''}`,
    ...ports.slice(1).map((port) => `\t\t\t\t\t\t\t${port}`),
  ]);
  return ['bridge name\tbridge id\t\tSTP enabled\tinterfaces', ...lines, ''].join('\n');
}

function linkJson(link: Link) {
  const plain = link.addresses.map((address) => ({ ...address, flags: [...address.flags] }));
  return { ...link, flags: [...link.flags], addresses: plain };
}
