import { messageOf } from '../errors.ts';
import { processOf, type Service, startedAt } from '../observe/service.ts';
import type { Command } from '../plan/step.ts';
import type { System } from '../system/system.ts';
import { failureText, type Outcome } from './execute.ts';

/** Less than the 40 s after which xl kills a hook without a word. */
const RUN_TIMEOUT_MS = 30_000;
const END_WAIT_MS = 5000;
const BEGIN_WAIT_MS = 2000;
const POLL_MS = 20;
/** How exactly the beginning of a process is known. */
const CLOCK_ERROR_MS = 50;

/**
 * Restarts or stops servers.
 * @param system the way to the host; the lock of the servers must be held
 * @param commands each of tool 'service'
 */
export async function runServices(system: System, commands: readonly Command[]): Promise<Outcome> {
  for (const [done, command] of commands.entries()) {
    if (command.tool !== 'service') continue;
    const { service, verb, optional } = command;
    const idle = service.neededFor !== undefined && system.list(service.neededFor).length === 0;
    const error = await inWords(verb === 'stop' || idle ? stop(system, service) : restart(system, service));
    if (error !== undefined && !optional) return { done, exact: false, error };
  }
  return { done: commands.length, exact: true };
}

async function inWords(change: Promise<string | undefined>): Promise<string | undefined> {
  try {
    return await change;
  } catch (thrown) {
    return messageOf(thrown).replace(/\.$/, '');
  }
}

/** Many guests that start at once need one restart, not one each: a server that began after the last change has read it. */
async function restart(system: System, service: Service): Promise<string | undefined> {
  const running = processOf(system, service);
  if (running !== undefined && hasRead(system, service, running)) return undefined;
  const { control } = service;
  const error = await (async () => {
    if (control.kind === 'init') return run(system, [control.script, 'restart']);
    if (control.kind === 'process')
      return (await end(system, service)) ?? (await begin(system, service, control.argv));
    // systemd refuses to start a unit that was started too often within ten seconds.
    system.run(['systemctl', 'reset-failed', control.unit]);
    return run(system, ['systemctl', 'restart', control.unit]);
  })();
  if (error === undefined) return undefined;
  // A script that controls two servers, dhcpd for IPv4 and for IPv6, complains when only one of them is set up.
  const now = processOf(system, service);
  return now !== undefined && hasRead(system, service, now) ? undefined : error;
}

function hasRead(system: System, service: Service, pid: number): boolean {
  const changed = service.files.map((path) => system.modifiedAt(path) ?? 0);
  return startedAt(system, pid) > Math.max(...changed) + CLOCK_ERROR_MS;
}

async function stop(system: System, service: Service): Promise<string | undefined> {
  const { control } = service;
  if (control.kind === 'systemd') return run(system, ['systemctl', 'stop', control.unit]);
  if (control.kind === 'init') return run(system, [control.script, 'stop']);
  const error = await end(system, service);
  if (error === undefined) for (const path of service.leavings ?? []) system.remove(path);
  return error;
}

async function end(system: System, service: Service): Promise<string | undefined> {
  const pid = processOf(system, service);
  if (pid === undefined) return undefined;
  system.endProcess(pid);
  for (let waited = 0; processOf(system, service) === pid; waited += POLL_MS) {
    if (waited >= END_WAIT_MS) return `process ${pid} of ${service.program} does not end`;
    await system.sleep(POLL_MS);
  }
  return undefined;
}

async function begin(system: System, service: Service, argv: readonly string[]): Promise<string | undefined> {
  // It would take the number of a process that is gone for that of a server that runs.
  for (const path of service.pidFiles.filter((file) => system.exists(file))) system.remove(path);
  const error = run(system, argv);
  if (error !== undefined) return error;
  for (let waited = 0; processOf(system, service) === undefined; waited += POLL_MS) {
    if (waited >= BEGIN_WAIT_MS)
      return `${service.program} ended at once; its messages are in the system log`;
    await system.sleep(POLL_MS);
  }
  return undefined;
}

function run(system: System, argv: readonly string[]): string | undefined {
  const result = system.run(argv, { timeoutMs: RUN_TIMEOUT_MS, ownSession: true });
  if (result.status === 0) return undefined;
  return failureText({ ...result, stderr: result.stderr || result.stdout }, /^$/g);
}
