import { HostError } from '../errors.ts';
import type { Topology } from '../observe/bridge/uplink.ts';
import { families } from '../observe/host/host.ts';
import type { Family } from '../request/addresses.ts';
import type { System } from '../system/system.ts';
import { runChild } from './child.ts';
import { type Facts, readBridges, settledDifferences, settledFacts } from './facts.ts';
import { columns, type Show } from './show.ts';
import { callNetworkScript, type Desk, networkScript, xlCreate, xlDestroy } from './toolstack.ts';
import {
  commandOn,
  connectDom0,
  DOM0,
  GATEWAY,
  GUEST1,
  GUEST2,
  GUEST3,
  type Machine,
  prefixOf,
  SCRIPTS,
} from './world.ts';

const MISSING_BRIDGE = 'xenbr7';
const PING_SECONDS = 3;

/** What every act needs. */
export interface Stage extends Desk {
  readonly topology: Topology;
}

/**
 * Plays the demo, from a host without a bridge back to one.
 * @param stage the sandbox
 * @param interlude runs while bridge and guests are up
 * @throws HostError at the first act that fails; everything made so far goes with the namespaces
 */
export async function play(stage: Stage, interlude: () => Promise<void>): Promise<void> {
  const before = await raiseDom0(stage);
  const bridge = startBridge(stage);
  await createGuests(stage, bridge);
  lookAround(stage);
  pingAll(stage);
  await askForMissingBridge(stage);
  mistype(stage);
  askTheDesk(stage);
  await interlude();
  await destroyGuests(stage);
  await stopBridge(stage, before);
}

async function raiseDom0({ show, system }: Stage): Promise<Facts> {
  show.act('A host (dom0) with one NIC, and a gateway at the other end of its cable');
  connectDom0(system);
  const facts = await settledFacts(system);
  const prefixes = families(system).map((family) => prefixOf(DOM0, family));
  show.good(`eth0 has ${prefixes.join(' and ')}, a default route and a static one`);
  show.good('xenstore answers, from a small server of our own');
  return facts;
}

/** @returns the bridge's name */
function startBridge(stage: Stage): string {
  const { show, system, topology } = stage;
  const script = networkScript(topology);
  show.act(`xend starts, with (network-script '${script}')`);
  const { status, took, sentence } = callNetworkScript(stage, script, 'start');
  if (status !== 0) fail(show, 'there is no bridge', sentence);
  const [bridge] = readBridges(system);
  if (bridge === undefined || bridge.ports.length === 0)
    fail(show, 'there is no bridge', `No bridge of this host has a port, though ${sentence}`);
  show.good(`the bridge ${bridge.name} has ${bridge.ports.join(' and ')}`, took);
  return bridge.name;
}

async function createGuests(stage: Stage, bridge: string): Promise<void> {
  const { show } = stage;
  show.act(`xl creates two guests on the bridge ${bridge}, the second with vifname=${GUEST2.vifname}`);
  for (const guest of [GUEST1, GUEST2]) {
    const { status, told, took, sentence } = await xlCreate(stage, guest, bridge);
    if (status !== 0 || told !== 'connected')
      fail(show, `${guest.name} is not connected`, `${guest.name} has hotplug-status "${told}": ${sentence}`);
    const named = guest.vifname === undefined ? '' : `, and its vif is called ${guest.vifname}`;
    show.good(`${guest.name} has hotplug-status "${told}"${named}`, took);
  }
}

function lookAround({ show, system }: Stage): void {
  show.act('The bridge and the filter rules');
  for (const { table } of readBridges(system)) show.output(table);
  const words = ['iptables', '-S', 'FORWARD'];
  show.command(DOM0.name, words.join(' '));
  const { status, stdout, stderr } = runChild(system, words);
  if (status !== 0) fail(show, 'the rules cannot be read', `"${words.join(' ')}" failed: ${stderr.trim()}`);
  show.output(stdout.trim().split('\n'));
}

function pingAll({ show, system }: Stage): void {
  show.act('Everybody reaches everybody');
  const pairs: readonly (readonly [Machine, Machine])[] = [
    [GUEST1, GUEST2],
    [GUEST2, GUEST1],
    [GUEST1, GATEWAY],
    [GUEST2, GATEWAY],
    [DOM0, GATEWAY],
    [DOM0, GUEST1],
  ];
  const rows: string[][] = [];
  for (const [from, to] of pairs) {
    const row = [`${from.name} → ${to.name}`];
    for (const family of families(system))
      row.push(to.addresses[family], ping(system, show, from, to, family));
    rows.push(row);
  }
  for (const row of columns(rows)) show.good(row);
}

/** @returns the round-trip time, for people */
function ping(system: System, show: Show, from: Machine, to: Machine, family: Family): string {
  const address = to.addresses[family];
  const words = ['ping', '-n', '-c', '1', '-W', `${PING_SECONDS}`, address];
  const { status, stdout, stderr } = runChild(system, commandOn(from, words));
  if (status === 0) return /time=(\S+ ms)/.exec(stdout)?.[1] ?? 'answers';
  const why = stderr.trim() || `no answer within ${PING_SECONDS} s`;
  return fail(
    show,
    `${from.name} → ${to.name} ${address}`,
    `${from.name} cannot reach ${to.name} at ${address}, though all hooks ended well: ${why}.`,
  );
}

async function askForMissingBridge(stage: Stage): Promise<void> {
  const { show } = stage;
  show.act(`A mistake: a third guest wants the bridge ${MISSING_BRIDGE}, which is not there`);
  const { status, told, error, took, sentence } = await xlCreate(stage, GUEST3, MISSING_BRIDGE);
  if (status === 0 || told !== 'error' || !error)
    fail(
      show,
      `${GUEST3.name} was not refused`,
      `${GUEST3.name} has hotplug-status "${told}" and no proper hotplug-error: ${sentence}`,
    );
  show.good('refused, and xl prints why:', took);
  show.output([error]);
}

/** A slip of the keyboard changes nothing. */
function mistype({ show, system }: Stage): void {
  show.act('A slip of the keyboard: --dryrun for --dry-run');
  const words = ['network-bridge', 'start', '--dryrun'];
  show.command(DOM0.name, words.join(' '));
  const { status, stderr } = runChild(system, [`${SCRIPTS}/${words[0]}`, ...words.slice(1)]);
  if (status !== 1 || !stderr.includes('--dry-run'))
    fail(show, 'it was not refused', `"${words.join(' ')}" ended with status ${status}: ${stderr.trim()}`);
  show.good('refused, and nothing was changed:');
  show.output(stderr.trim().split('\n'));
}

/** The map shows the guests, and the doctor finds the one that was refused. */
function askTheDesk({ show, system }: Stage): void {
  show.act("The administrator's desk: the map of the host, and what is wrong with it");
  for (const [word, shown] of [
    ['status', GUEST2.vifname ?? GUEST2.name],
    ['doctor', MISSING_BRIDGE],
  ] as const) {
    show.command(DOM0.name, `xen-network ${word}`);
    // 1 says that something is wrong, as it is.
    const { status, stdout, stderr } = runChild(system, [process.execPath, word], {
      env: { LC_ALL: 'C.UTF-8' },
    });
    if (status !== 1 || !stdout.includes(shown))
      fail(
        show,
        `${word} does not show it`,
        `"xen-network ${word}" ended with status ${status}: ${stderr.trim()}`,
      );
    show.output(stdout.trimEnd().split('\n'));
  }
}

async function destroyGuests(stage: Stage): Promise<void> {
  const { show } = stage;
  show.act('xl destroys the guests');
  for (const guest of [GUEST1, GUEST2, GUEST3]) {
    const { status, took, sentence } = await xlDestroy(stage, guest);
    if (status !== 0) fail(show, `${guest.name} is still on a bridge`, sentence);
    show.good(`${guest.name} is gone`, took);
  }
}

async function stopBridge(stage: Stage, before: Facts): Promise<void> {
  const { show, system, topology } = stage;
  show.act('xend stops');
  const { status, took, sentence } = callNetworkScript(stage, networkScript(topology), 'stop');
  if (status !== 0) fail(show, 'eth0 is still bridged', sentence);
  const [bridge] = readBridges(system);
  if (bridge !== undefined)
    fail(show, 'eth0 is still bridged', `The bridge ${bridge.name} is there, though ${sentence}`);
  show.good('the bridge is gone', took);
  const changed = await settledDifferences(system, before);
  if (changed.length > 0) {
    show.output(changed);
    fail(
      show,
      'dom0 is not as it was',
      `After network-bridge stop dom0 differs from before the start: ${changed.join('; ')}.`,
    );
  }
  show.good('dom0 has the devices, addresses, routes and rules that it had before');
}

function fail(show: Show, short: string, sentence: string): never {
  show.bad(short);
  throw new HostError(sentence);
}
