// Lets a second run in at each boundary between the steps of a first, and tells what is left each time. Run by Bun in a
// test host, fed with an Overlap as JSON. The first runs in this process, since it has to be held up between its steps;
// the second is the program itself.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { messageOf, XenNetworkError } from '../../lib/errors.ts';
import type { Applet } from '../../lib/hook/context.ts';
import { withFirewall } from '../../lib/system/firewall.ts';
import { loadNative } from '../../lib/system/load-native.ts';
import type { Native } from '../../lib/system/native.ts';
import { openSystem, type System } from '../../lib/system/system.ts';
import { adminTool } from '../../scripts/admin/tool.ts';
import { differences } from './bridge-state.ts';
import { faultySystem, type StepWatch } from './faulty-system.ts';
import { HOOKS } from './hooks.ts';
import { xlEnv } from './host.ts';
import { mortal } from './mortal.ts';
import { Namespace, PLAIN_ENV } from './namespace.ts';
import type { Act, Overlap, OverlapOutcome } from './overlap.ts';
import { type Snapshot, takeSnapshot } from './snapshot.ts';
import { guestMac, strictElementsIn } from './strict-host.ts';

const MOST_STEPS = 400;
/** What comes by itself a little later is waited for so long. */
const SETTLE_MS = 10_000;
const here = new Namespace([]);
const native = await loadNative();

/** Lets something happen once, after a number of steps. */
class Boundary implements StepWatch {
  readonly #at: number;
  readonly #happens: () => void;
  steps = 0;
  passed = false;

  /**
   * @param at after so many steps
   * @param happens what happens then
   */
  constructor(at: number, happens: () => void) {
    this.#at = at;
    this.#happens = happens;
  }

  through<T>(
    count: number,
    all: () => T,
    upTo: (n: number, skipped: boolean) => T,
    rest?: (n: number, done: T) => T,
  ): T {
    const n = this.#at - this.steps;
    this.steps += count;
    if (this.passed || n >= count) return all();
    this.passed = true;
    if (n === 0 || rest === undefined) {
      this.#happens();
      return all();
    }
    const done = upTo(n, false);
    this.#happens();
    return rest(n, done);
  }
}

/** As the faulty system, and words to xenstore and locks are steps as well: a lock's boundary is before it is asked for. */
function watched(watch: StepWatch, door: 'kernel' | 'ip', isDead: () => boolean): System {
  const single = <T>(does: () => T): T => {
    const alive = () => {
      if (isDead()) throw new Error('The program is dead.');
      return does();
    };
    return watch.through(1, alive, alive);
  };
  const system = withFirewall(openSystem(native));
  const ways: Native = {
    ...native,
    lock: (path, waitMs) => single(() => native.lock(path, waitMs)),
    async connectStream(path, timeoutMs) {
      const channel = await native.connectStream(path, timeoutMs);
      return {
        send: (bytes) => single(() => channel.send(bytes)),
        receive: () => channel.receive(),
        close: () => channel.close(),
      };
    },
  };
  const steps = {
    ...faultySystem(system, watch, door),
    native: async () => ways,
    // The clock of a start that waits for its confirmation is set on by hand.
    startDetached: () => {},
  };
  return mortal(steps, isDead);
}

/** Runs something in this process. */
async function runHere(act: Act, system: System): Promise<void> {
  const [hook = '', ...argv] = act.run ?? [];
  const applet: Applet | undefined = hook === 'xen-network' ? adminTool([]) : HOOKS[hook];
  if (applet === undefined) throw new Error(`${JSON.stringify(act)} cannot be the first.`);
  const log = { error: () => {}, warn: () => {}, info: () => {}, flush: async () => {} };
  const env = act.guest === undefined ? {} : xlEnv(act.guest);
  try {
    await applet({ hook, argv, env, system, log, print: () => {}, interrupted: () => false });
  } catch (thrown) {
    if (!(thrown instanceof XenNetworkError)) throw new Error(messageOf(thrown), { cause: thrown });
  }
}

function script(act: Act): { readonly argv: readonly string[]; readonly env: Record<string, string> } {
  const { run: [hook = '', ...words] = [], guest, card, unplug, shell } = act;
  if (card !== undefined) return { argv: ['sh', '-ec', cardScript(card, act.values ?? {})], env: PLAIN_ENV };
  if (unplug !== undefined) return { argv: ['sh', '-c', unplugScript(unplug)], env: PLAIN_ENV };
  if (shell !== undefined) return { argv: ['sh', '-c', shell], env: PLAIN_ENV };
  const env = guest === undefined ? PLAIN_ENV : { ...PLAIN_ENV, ...xlEnv(guest) };
  return { argv: [`/etc/xen/scripts/${hook}`, ...words], env };
}

function cardScript(domid: number, values: Readonly<Record<string, string>>): string {
  const [backend, frontend] = [
    `/local/domain/0/backend/vif/${domid}/0`,
    `/local/domain/${domid}/device/vif/0`,
  ];
  const entries = Object.entries({
    mac: guestMac(domid),
    handle: '0',
    'frontend-id': `${domid}`,
    frontend,
    online: '1',
    state: '1',
    script: '/etc/xen/scripts/vif-bridge',
    ...values,
  }).map(([key, value]) => `${backend}/${key} '${value}'`);
  return `
[ -e /run/netns/guest${domid} ] || ip netns add guest${domid}
ip link add vif${domid}.0 address ${guestMac(domid).replace('00:16:3e', '02:00:5e')} type veth peer name eth0 \
  address ${guestMac(domid)} netns guest${domid}
xenstore-write -R ${entries.join(' ')} ${frontend}/backend ${backend}`;
}

const unplugScript = (domid: number): string => `
ip netns exec guest${domid} ip link del dev eth0
xenstore-rm /local/domain/0/backend/vif/${domid}/0 /local/domain/${domid}/device/vif/0 2>/dev/null`;

/** Runs something as the program itself, to its end. */
function runAway(act: Act): string {
  const { argv, env } = script(act);
  const { status, stderr } = here.run(argv, { env });
  return `${status} ${stderr.trim()}`;
}

/** Starts something, and comes back when it has ended or waits for a lock. */
function letIn(act: Act): Promise<string> {
  const {
    argv: [file = '', ...args],
    env,
  } = script(act);
  const child = spawn(file, args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  const ended = once(child, 'close');
  const waits = new RegExp(`-> FLOCK +ADVISORY +WRITE ${child.pid} `);
  while (isRunning(child.pid ?? 0) && !waits.test(readFileSync('/proc/locks', 'utf8'))) Bun.sleepSync(1);
  return ended.then(([status, signal]) => `${status ?? signal} ${said.trim()}`);
}

function isRunning(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

/** What a look finds beside the snapshot: the strict filter's elements, and what xenstore says of guests. */
function look(): Snapshot {
  const { sysctl = [], ...rest } = takeSnapshot(here);
  const store = here.run(['xenstore-ls', '-f', '/local/domain/0/backend/vif']).stdout.split('\n');
  return {
    ...rest,
    sysctl: sysctl.filter((line) => !/\/(stable_secret|retrans)/.test(line)),
    strict: strictElementsIn(here),
    store: store.filter((line) => /\/(hotplug-status|hotplug-error|xen-network|locking) = /.test(line)),
  };
}

/** Looks until it is one of the expected; otherwise tells how it differs from the one that is nearest. */
function wrongAfter(expected: readonly Snapshot[]): string[] {
  const texts = expected.map((each) => JSON.stringify(each));
  for (const end = performance.now() + SETTLE_MS; ; Bun.sleepSync(20)) {
    const now = look();
    if (texts.includes(JSON.stringify(now))) return [];
    if (performance.now() < end) continue;
    const all = expected.map((each) => differences(each, now));
    return all.sort((a, b) => a.length - b.length)[0] ?? [];
  }
}

/** Looks once the host has come to rest. */
function settled(): Snapshot {
  let before = '';
  for (let tries = 0; ; tries++) {
    const now = look();
    const text = JSON.stringify(now);
    if ((text === before && !text.includes('tentative')) || tries > 50) return now;
    before = text;
    Bun.sleepSync(100);
  }
}

/** Does the two one after the other, as the model of what may come of both. */
function inTurn(
  overlap: Overlap,
  acts: readonly Act[],
  bare: Snapshot,
): { state: Snapshot; wrong: string[] } {
  const all = [...overlap.before, ...acts, ...overlap.after];
  const said = all.map((act) => `${JSON.stringify(act)}: ${runAway(act)}`);
  const state = settled();
  for (const act of overlap.end) said.push(`${JSON.stringify(act)}: ${runAway(act)}`);
  const wrong = wrongAfter([bare]);
  return { state, wrong: wrong.length === 0 ? [] : [...wrong, ...said] };
}

/** Lets the second in after `at` steps and tells how it ended; the number of steps when the first has no more than that. */
async function overlapAt(overlap: Overlap, at: number): Promise<string | number> {
  let second: Promise<string> | undefined;
  let dead = false;
  const boundary = new Boundary(at, () => {
    if (overlap.how === 'killed') dead = true;
    else second = letIn(overlap.second);
  });
  const system = watched(boundary, at % 2 === 0 ? 'kernel' : 'ip', () => dead);
  try {
    await runHere(overlap.first, system);
  } catch (thrown) {
    if (!dead) throw thrown;
  }
  if (!boundary.passed) return boundary.steps;
  return overlap.how === 'killed' ? runAway(overlap.second) : (second ?? '');
}

async function tryAll(overlap: Overlap): Promise<OverlapOutcome> {
  const { first, second } = overlap;
  const bare = settled();
  const models = [[first, second], [second, first], ...(overlap.how === 'killed' ? [[second]] : [])].map(
    (acts) => inTurn(overlap, acts, bare),
  );
  const faults = models.flatMap(({ wrong }) => wrong);
  if (faults.length > 0) return { steps: 0, wrong: [`in turn: ${faults.join('\n')}`] };
  const expected = models.map(({ state }) => state);
  for (let at = 0; at < MOST_STEPS; at += overlap.every) {
    for (const act of overlap.before) runAway(act);
    const said = await overlapAt(overlap, at);
    for (const act of overlap.after) runAway(act);
    const wrong = typeof said === 'number' ? [] : wrongAfter(expected);
    const ends = overlap.end.map((act) => `${JSON.stringify(act)}: ${runAway(act)}`);
    const left = wrongAfter([bare]);
    if (wrong.length + left.length > 0) {
      const leftovers = left.length === 0 ? [] : ['left at the end:', ...left, ...ends];
      return { steps: at, wrong: [`after ${at} steps, second: ${said}`, ...wrong, ...leftovers] };
    }
    if (typeof said === 'number') return { steps: said, wrong: [] };
  }
  return { steps: MOST_STEPS, wrong: ['The first has no end.'] };
}

if (process.argv[1] === import.meta.filename) {
  const overlap: Overlap = JSON.parse(readFileSync(0, 'utf8'));
  process.stdout.write(JSON.stringify(await tryAll(overlap)));
}
