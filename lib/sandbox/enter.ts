import { HostError, XenNetworkError } from '../errors.ts';
import type { Context } from '../hook/context.ts';
import { CHILD_ENVIRONMENT } from '../system/processes/exec.ts';
import type { System } from '../system/system.ts';
import { runChild } from './child.ts';

/** Programs that the sandbox calls, and Debian's package of each. */
const PROGRAMS: readonly (readonly [program: string, debianPackage: string])[] = [
  ['ip', 'iproute2'],
  ['iptables', 'iptables'],
  ['ip6tables', 'iptables'],
  ['mount', 'mount'],
  ['ping', 'iputils-ping'],
  ['setpriv', 'util-linux'],
  ['unshare', 'util-linux'],
];

/**
 * When the first process of a PID namespace ends, the kernel kills all others in it (unshare(1), pid_namespaces(7)).
 */
const UNSHARE = [
  ...['unshare', '--net', '--mount', '--propagation', 'private'],
  ...['--pid', '--fork', '--kill-child', '--mount-proc', '--'],
];
/** The exit status after SIGINT or SIGTERM. */
const INTERRUPTED = 130;
const END_MS = 2000;
const POLL_MS = 5;

/**
 * The network namespace of this process: "net:[4026531840]" (namespaces(7)).
 * @param system the way to /proc
 */
export function networkNamespace(system: System): string {
  return system.linkTarget('/proc/self/ns/net') ?? '';
}

/**
 * Runs this program again in network, mount and PID namespaces of its own, on the same terminal. However either process
 * ends, everything inside ends too.
 * @param context the call; a shell in the sandbox gets its environment too
 * @param words the arguments of the program inside
 * @returns its exit status
 * @throws HostError without root, when a program is missing, or where the kernel refuses namespaces
 * @throws XenNetworkError when SIGINT or SIGTERM ended it
 */
export async function enterSandbox(context: Context, words: readonly string[]): Promise<number> {
  const { system, env, interrupted } = context;
  if (system.userId() !== 0)
    throw new HostError('The sandbox makes network namespaces, which only root may: run it with sudo.');
  checkPrograms(system);
  const tried = runChild(system, [...UNSHARE, 'true']);
  if (tried.status !== 0)
    throw new HostError(
      `This machine lets nobody make namespaces (${tried.stderr.trim()}), so there can be no sandbox: run it outside of the container, or in a privileged one.`,
    );
  let inside: number | undefined;
  const { status, failure } = await system.pass(
    // unshare dies with this process, even by SIGKILL, and everything inside dies with unshare.
    ['setpriv', '--pdeathsig', 'KILL', '--', ...UNSHARE, process.execPath, ...words],
    { ...env, PATH: CHILD_ENVIRONMENT['PATH'] },
    (unshare) => {
      if (interrupted()) inside ??= endUnshare(system, unshare);
    },
  );
  if (failure !== undefined) throw new HostError(`The sandbox cannot be started: ${failure}.`);
  if (inside !== undefined) await awaitEnd(system, inside);
  if (interrupted())
    throw new XenNetworkError('The sandbox was interrupted; nothing is left of it.', {
      exitCode: INTERRUPTED,
    });
  return status;
}

function checkPrograms(system: System): void {
  const folders = (CHILD_ENVIRONMENT['PATH'] ?? '').split(':');
  const missing = PROGRAMS.filter(([name]) => !folders.some((folder) => system.exists(`${folder}/${name}`)));
  if (missing.length === 0) return;
  const names = missing.map(([name]) => name).join(', ');
  const packages = [...new Set(missing.map(([, debianPackage]) => debianPackage))].join(' ');
  throw new HostError(`The sandbox needs ${names}, not installed here: apt-get install ${packages}`);
}

/**
 * Kills unshare, and with it its child, the first process inside.
 * @returns the child's process id; 0 when there is none yet
 */
function endUnshare(system: System, unshare: number): number {
  const inside = Number(system.readText(`/proc/${unshare}/task/${unshare}/children`)?.split(' ')[0]);
  system.endProcess(unshare, 'killed');
  return inside;
}

/** The first process of a PID namespace ends last. */
async function awaitEnd(system: System, inside: number): Promise<void> {
  for (let waited = 0; inside > 0 && system.exists(`/proc/${inside}`) && waited < END_MS; waited += POLL_MS)
    await system.sleep(POLL_MS);
}
