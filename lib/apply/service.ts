import { messageOf, XenNetworkError } from '../errors.ts';
import { portHolder } from '../observe/dhcp/others.ts';
import { beganWithin, hasRead, processOf, type Service, wordsOf } from '../observe/host/service.ts';
import type { Command, ServiceCommand } from '../plan/step.ts';
import { waitText, within, withinShare } from '../system/processes/deadline.ts';
import { failureText, isMissing } from '../system/processes/exec.ts';
import type { System } from '../system/system.ts';
import type { Outcome } from './execute.ts';

/** Less than the 40 s after which xl kills a hook without a message. */
const RUN_TIMEOUT_MS = 30_000;
const END_WAIT_MS = 5000;
const BEGIN_WAIT_MS = 2000;
const SHORT_WAIT_MS = 300;
const POLL_MS = 20;

/**
 * Restarts or stops servers. If a server ran before its restart and does not run afterwards, that is a failure even
 * where the restart is optional, since the server may serve others than guests.
 * @param system the way to the host; the caller must hold the servers' lock
 * @param commands the commands, each of tool 'service'
 * @param force a running server that would not start again is left running, which is no failure
 */
export async function runServices(
  system: System,
  commands: readonly Command[],
  force: boolean,
): Promise<Outcome> {
  const notes: string[] = [];
  for (const [done, command] of commands.entries()) {
    if (command.tool !== 'service') continue;
    const { service, verb, optional } = command;
    const idle = service.neededFor !== undefined && system.list(service.neededFor).length === 0;
    const { error, isFailure, isExpected } =
      verb === 'stop' || idle
        ? { error: await inWords(stop(system, service)), isFailure: !optional, isExpected: false }
        : await restartChecked(system, command, force);
    if (error === undefined) continue;
    if (isFailure) return { done, exact: false, error };
    if (!isExpected) notes.push(`The DHCP server does not use the change: ${error.replace(/\.$/, '')}.`);
  }
  return { done: commands.length, exact: true, ...(notes.length === 0 ? {} : { notes }) };
}

interface Restarted {
  readonly error: string | undefined;
  readonly isFailure: boolean;
  /** The failure is expected and needs no message. */
  readonly isExpected: boolean;
}

/**
 * Many guests that start at once need one restart, not one each: a server that began after the last change has read it.
 */
async function restartChecked(
  system: System,
  { service, optional, mayEnd = false }: ServiceCommand,
  force: boolean,
): Promise<Restarted> {
  const running = processOf(system, service);
  if (running !== undefined && hasRead(system, service, running))
    return { error: undefined, isFailure: false, isExpected: true };
  const wrong = running === undefined ? undefined : complaint(system, service, running);
  if (wrong !== undefined) return { error: wrong, isFailure: !force, isExpected: false };
  const refused = await inWords(restart(system, service));
  const runs = await comesUp(system, service, running === undefined ? SHORT_WAIT_MS : BEGIN_WAIT_MS);
  const isFailure = (refused !== undefined && !optional) || (running !== undefined && !runs);
  return {
    error:
      withHolder(system, refused) ??
      (runs ? undefined : `${service.program} does not run after it was started`),
    isFailure: isFailure && !mayEnd,
    isExpected: mayEnd,
  };
}

/** Where another program has the server's port, it is named. */
function withHolder(system: System, error: string | undefined): string | undefined {
  if (!/dhcp.*Address already in use/i.test(error ?? '')) return error;
  const holder = knownHolder(system);
  return holder === undefined ? error : `${error}; ${holder} has port 67: end it, or say dhcp=no`;
}

function knownHolder(system: System): string | undefined {
  try {
    return portHolder(system);
  } catch (thrown) {
    if (!(thrown instanceof XenNetworkError)) throw thrown;
    return undefined;
  }
}

async function inWords(change: Promise<string | undefined>): Promise<string | undefined> {
  try {
    return await change;
  } catch (thrown) {
    return messageOf(thrown).replace(/\.$/, '');
  }
}

async function restart(system: System, service: Service): Promise<string | undefined> {
  const { control } = service;
  const began = performance.now();
  const error = await (async () => {
    if (control.kind === 'init') return run(system, [control.script, 'restart']);
    if (control.kind === 'process')
      return (await end(system, service)) ?? (await begin(system, service, control.argv));
    // systemd refuses to start a unit that was started too often within ten seconds.
    system.run(['systemctl', 'reset-failed', control.unit]);
    return run(system, ['systemctl', 'restart', control.unit]);
  })();
  if (error === undefined) return undefined;
  // A script that controls two servers, dhcpd for IPv4 and for IPv6, fails when only one of them is configured.
  const now = processOf(system, service);
  return now !== undefined && beganWithin(system, now, performance.now() - began) ? undefined : error;
}

/**
 * Why a running server would not start again. A restart would then also end what else it does, such as the host's DNS.
 * @returns undefined where the server finds no fault in its files
 */
function complaint(system: System, { program, files }: Service, pid: number): string | undefined {
  const argv =
    program === 'dnsmasq'
      ? [program, ...wordsOf(system, pid).slice(1), '--test']
      : [program, '-t', '-cf', files[0] ?? ''];
  const result = system.run(argv, { timeoutMs: RUN_TIMEOUT_MS });
  if (result.status === 0 || isMissing(result)) return undefined;
  const lines = result.stderr.split('\n').filter((line) => / line \d+/.test(line));
  const text = failureText(lines.length === 0 ? result : { ...result, stderr: lines[0] ?? '' }, /^$/g);
  return `${program} was not restarted, since it would not start again: ${text}`;
}

async function stop(system: System, service: Service): Promise<string | undefined> {
  const { control } = service;
  if (control.kind === 'systemd') return run(system, ['systemctl', 'stop', control.unit]);
  if (control.kind === 'init') return run(system, [control.script, 'stop']);
  const error = await end(system, service);
  if (error === undefined) for (const path of service.leavings ?? []) system.remove(path);
  return error;
}

/** Ends every process of the server: where a PID file was lost there may be two. */
async function end(system: System, service: Service): Promise<string | undefined> {
  const asked = new Set<number>();
  const waitMs = within(END_WAIT_MS);
  for (let waited = 0; ; waited += POLL_MS) {
    const pid = processOf(system, service);
    if (pid === undefined) return undefined;
    if (waited >= waitMs)
      return `process ${pid} of ${service.program} did not end within ${waitText(END_WAIT_MS, waitMs)}`;
    if (!asked.has(pid)) system.endProcess(pid);
    asked.add(pid);
    await system.sleep(POLL_MS);
  }
}

async function begin(system: System, service: Service, argv: readonly string[]): Promise<string | undefined> {
  // With the old PID file the number of a process that has ended would count as a running server.
  for (const path of service.pidFiles.filter((file) => system.exists(file))) system.remove(path);
  const error = run(system, argv);
  if (error !== undefined) return error;
  if (await comesUp(system, service, BEGIN_WAIT_MS)) return undefined;
  return `${service.program} ended at once; its messages are in the system log`;
}

/** The PID file may be written only after the program that starts the server has ended. */
async function comesUp(system: System, service: Service, longestMs: number): Promise<boolean> {
  const waitMs = within(longestMs);
  for (let waited = 0; processOf(system, service) === undefined; waited += POLL_MS) {
    if (waited >= waitMs) return false;
    await system.sleep(POLL_MS);
  }
  return true;
}

function run(system: System, argv: readonly string[]): string | undefined {
  const result = system.run(argv, { timeoutMs: withinShare(RUN_TIMEOUT_MS), ownSession: true });
  if (result.status === 0) return undefined;
  return failureText({ ...result, stderr: result.stderr || result.stdout }, /^$/g);
}
