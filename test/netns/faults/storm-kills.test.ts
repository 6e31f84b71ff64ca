import { constants } from 'node:os';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { differencesFrom, lookAround } from '../../soak/checks.ts';
import { Host, xlEnv } from '../../support/hosts/host.ts';
import { PLAIN_ENV, type Ran } from '../../support/hosts/namespace.ts';
import { guestMac } from '../../support/hosts/strict-host.ts';
import { compile } from '../../support/kernel/compile.ts';
import type { Snapshot } from '../../support/models/snapshot.ts';
import { type Random, randomNumbers } from '../../support/random.ts';
import { waitUntil } from '../../support/wait.ts';

// xl kills a hook that has not ended after 40 s. Here hooks come to a stop in the midst of a storm, with whatever locks they
// hold or wait for, and are killed then.

type Antispoof = 'yes' | 'strict';
type Command = 'online' | 'offline';

interface Call {
  readonly domid: number;
  readonly command: Command;
}

/** Bridged by an even domain, routed by an odd one. */
const STAYING = range(1, 6);
const GOING = range(7, 14);
const COMING = range(15, 30);
/** How many of those that come or go are stopped at a moment of their own, and how many behind a lock of the test. */
const STOPPED = 8;
const BEHIND_LOCK = 3;
/** An online has as many beginnings and ends of system calls, give or take. */
const MOMENTS = 400;
/** No hook has so many. */
const NEVER = 1_000_000;
const KILLED = 128 + constants.signals.SIGKILL;

/** All processes and locks. */
const PROCESSES = 'ps -eo pid=,ppid=,stat=,comm=; cat /proc/locks';

let host: Host;
let model: Host;

beforeEach(async () => {
  [host, model] = await Promise.all([raise(), raise()]);
});

afterEach(() => Promise.all([host.close(), model.close()]));

async function raise(): Promise<Host> {
  const made = await Host.create();
  made.nic('eth0', { address: '198.51.100.2/24', gateway: '198.51.100.1', mac: '02:00:00:00:00:02' });
  made.ip('link add xenbr0 address 02:00:00:00:00:01 type bridge', 'link set xenbr0 addrgenmode none up');
  // Tables that are made by looking at them are there from the first.
  for (const tool of ['iptables', 'ip6tables']) made.ok(tool, '-P', 'FORWARD', 'DROP');
  made.netns('guests');
  await made.xenstore();
  return made;
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

const hookOf = (domid: number) => (domid % 2 === 0 ? 'vif-bridge' : 'vif-route');
const argvOf = (domid: number, command: Command) => [
  `/etc/xen/scripts/${hookOf(domid)}`,
  command,
  'type_if=vif',
];

/** What xenstore has of a card of a guest, by path. */
function entriesOf(domid: number, antispoof: Antispoof): [path: string, value: string][] {
  const script = `/etc/xen/scripts/${hookOf(domid)}`;
  const addressed =
    domid % 2 === 0
      ? { bridge: 'xenbr0', ip: `192.0.2.${100 + domid} 2001:db8::${100 + domid}` }
      : { ip: `198.51.100.${100 + domid} 2001:db8:1::${100 + domid}` };
  const frontend = `/local/domain/${domid}/device/vif/0`;
  const fixed = { handle: '0', 'frontend-id': `${domid}`, frontend, online: '1', state: '1' };
  const all = { mac: guestMac(domid), script, antispoof, ...fixed, ...addressed };
  return Object.entries(all).map(([key, value]) => [`/local/domain/0/backend/vif/${domid}/0/${key}`, value]);
}

/** Gives guests their cards. */
async function plug(on: Host, domids: readonly number[], antispoof: Antispoof): Promise<void> {
  on.ip(
    ...domids.map((domid) => {
      const mac = guestMac(domid).replace('00:16:3e', '02:00:5e');
      return `link add vif${domid}.0 address ${mac} type veth peer name g${domid} netns guests`;
    }),
  );
  const store = await on.xenstore();
  store.write(Object.fromEntries(domids.flatMap((domid) => entriesOf(domid, antispoof))));
}

/** The device and its entries go, whatever a hook has left. */
async function unplug(on: Host, domid: number): Promise<void> {
  on.ip(`link del dev vif${domid}.0`);
  const store = await on.xenstore();
  for (const path of [`/local/domain/0/backend/vif/${domid}`, `/local/domain/${domid}`]) store.remove(path);
}

function call(on: Host, { domid, command }: Call): Promise<Ran> {
  return on.start(argvOf(domid, command), { env: { ...PLAIN_ENV, ...xlEnv(domid) } });
}

/** Calls a hook as xl does; the device goes with an offline. @returns what went wrong */
async function finish(on: Host, { domid, command }: Call): Promise<string[]> {
  const { status, stderr } = await call(on, { domid, command });
  if (command === 'offline') await unplug(on, domid);
  return status === 0 ? [] : [`${command} of guest ${domid}: status ${status}, ${stderr}`];
}

const allOf = async (calls: readonly Promise<string[]>[]): Promise<string[]> =>
  (await Promise.all(calls)).flat();

function shuffled<T>(random: Random, items: readonly T[]): T[] {
  const left = [...items];
  return items.flatMap(() => left.splice(random(left.length), 1));
}

/** A hook that is to be killed. */
interface Victim extends Call {
  /** Ends with the hook. */
  readonly ended: Promise<Ran>;
}

/** Starts a hook that stops after so many moments. */
function startVictim({ domid, command }: Call, moments: number): Victim {
  const argv = [compile('kill-at', []), `${moments}`, `${constants.signals.SIGSTOP}`];
  const env = { ...PLAIN_ENV, ...xlEnv(domid) };
  return { domid, command, ended: host.start([...argv, ...argvOf(domid, command)], { env }) };
}

/** Holds the locks of some devices. @returns lets them go */
async function holdLocks(domids: readonly number[]): Promise<() => Promise<void>> {
  host.ok('mkdir', '-p', '/run/xen-network/lock');
  const locks = domids.map((domid) => `/run/xen-network/lock/vif${domid}.0`);
  const holders = locks.map((lock) =>
    host.start(['flock', lock, 'sh', '-c', 'until [ -e /run/go ]; do sleep 0.02; done']),
  );
  for (const lock of locks) await waitUntil(lock, () => host.run(['flock', '-n', lock, 'true']).status === 1);
  return async () => {
    host.ok('touch', '/run/go');
    await Promise.all(holders);
    host.ok('rm', '/run/go');
  };
}

/**
 * The processes, all children of kill-at, that were stopped or wait for a lock.
 * @returns their numbers in the host
 */
function haltedHooks(): string[] {
  const lines = host.ok('sh', '-c', PROCESSES).split('\n');
  const processes = lines.flatMap((line) => {
    const [, pid = '', parent = '', state = '', name = ''] =
      /^ *(\d+) +(\d+) ([A-Z])\S* +(\S+)/i.exec(line) ?? [];
    return pid === '' ? [] : { pid, parent, state, name };
  });
  const starters = new Set(processes.filter(({ name }) => name.startsWith('kill-at')).map(({ pid }) => pid));
  const waiting = new Set(lines.flatMap((line) => /-> FLOCK +\S+ +\S+ +(\d+)/.exec(line)?.[1] ?? []));
  return processes
    .filter(({ pid, parent, state }) => starters.has(parent) && (state === 'T' || waiting.has(pid)))
    .map(({ pid }) => pid);
}

/** Kills victims as they are found to have stopped or to wait for a lock, until all are over. @returns those that were killed */
async function killAll(victims: readonly Victim[]): Promise<Victim[]> {
  let over = 0;
  for (const { ended } of victims) void ended.then(() => over++);
  await waitUntil('the victims to stop', () => {
    const halted = haltedHooks();
    if (halted.length > 0) host.run(['kill', '-KILL', ...halted]);
    return over === victims.length;
  });
  const ran = await Promise.all(victims.map(({ ended }) => ended));
  expect(ran.filter(({ status }) => status !== KILLED && status !== 0)).toEqual([]);
  return victims.filter((_, i) => ran[i]?.status === KILLED);
}

/** Whose a rule is, so that rules are compared in each guest's own order. */
const vifOf = (line: string): string => /vif\d+\.\d+/.exec(line)?.[0] ?? '';

function lookByGuest(on: Host): Snapshot {
  const { iptables = [], ip6tables = [], ...rest } = lookAround(on);
  const byGuest = (lines: readonly string[]) => lines.toSorted((a, b) => vifOf(a).localeCompare(vifOf(b)));
  return { ...rest, iptables: byGuest(iptables), ip6tables: byGuest(ip6tables) };
}

/**
 * After an online that failed xl calls for the domain's end, and after an offline nobody calls; or the administrator tries
 * it once more.
 */
function lastCall(random: Random, { domid, command }: Call): Call | undefined {
  const choice = random(command === 'online' ? 2 : 3);
  return choice === 2 ? undefined : { domid, command: choice === 0 ? 'online' : 'offline' };
}

/** Lets refilters run one after the other. @returns ends them, and tells what went wrong */
function keepRefiltering(): () => Promise<string[]> {
  let isOver = false;
  const said: string[] = [];
  const running = (async () => {
    while (!isOver) {
      const { status, stderr } = await host.startHook('xen-network', ['refilter']);
      if (status !== 0 || stderr !== '') said.push(`refilter: status ${status}, ${stderr}`);
    }
  })();
  return async () => {
    isOver = true;
    await running;
    return said;
  };
}

/** Lets all come and go at once, and kills some of the hooks. @returns the guests that run then, in order */
async function storm(random: Random): Promise<number[]> {
  const all = shuffled<Call>(random, [
    ...GOING.map((domid) => ({ domid, command: 'offline' as const })),
    ...COMING.map((domid) => ({ domid, command: 'online' as const })),
  ]);
  const behind = all.slice(0, BEHIND_LOCK);
  const stopped = all.slice(BEHIND_LOCK, BEHIND_LOCK + STOPPED);
  const letGo = await holdLocks(behind.map(({ domid }) => domid));
  const endRefilters = keepRefiltering();
  const victims: Victim[] = [];
  const others: Promise<string[]>[] = [];
  for (const one of shuffled(random, all)) {
    if (behind.includes(one)) victims.push(startVictim(one, NEVER));
    else if (stopped.includes(one)) victims.push(startVictim(one, 1 + random(MOMENTS)));
    else others.push(finish(host, one));
  }
  const killed = await killAll(victims);
  await letGo();
  expect(killed.length).toBeGreaterThanOrEqual(BEHIND_LOCK);
  const lasts = new Map<number, Command | undefined>(all.map(({ domid, command }) => [domid, command]));
  for (const { domid, command } of shuffled(random, victims)) {
    const isKilled = killed.some((one) => one.domid === domid);
    const last = isKilled ? lastCall(random, { domid, command }) : undefined;
    if (last !== undefined) others.push(finish(host, last));
    else if (command === 'offline') await unplug(host, domid);
    if (last !== undefined) lasts.set(domid, last.command);
  }
  expect([...(await allOf(others)), ...(await endRefilters())]).toEqual([]);
  const running = [...lasts].filter(([, last]) => last === 'online').map(([domid]) => domid);
  return [...STAYING, ...running].sort((a, b) => a - b);
}

test.each([
  ['yes', 1],
  ['strict', 2],
] as const)(
  'with antispoof=%s nobody is lost, and nothing left, when hooks are killed in a storm beside refilters, seed %i',
  async (antispoof, seed) => {
    await plug(host, [...STAYING, ...GOING, ...COMING], antispoof);
    const first = [...STAYING, ...GOING].map((domid) => finish(host, { domid, command: 'online' }));
    expect(await allOf(first)).toEqual([]);
    const running = await storm(randomNumbers(seed));
    // Whom nobody called for once more is cleaned up after by any call.
    expect(await host.startHook('xen-network', ['refilter'])).toMatchObject({ status: 0, stderr: '' });
    await plug(model, running, antispoof);
    for (const domid of running) expect(await finish(model, { domid, command: 'online' })).toEqual([]);
    const models = () => [lookByGuest(model)];
    expect(await differencesFrom(host, models, lookByGuest)).toEqual([]);
    for (const each of [host, model])
      expect(await allOf(running.map((domid) => finish(each, { domid, command: 'offline' })))).toEqual([]);
    expect(await differencesFrom(host, models, lookByGuest)).toEqual([]);
  },
);
