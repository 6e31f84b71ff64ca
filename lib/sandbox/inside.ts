import { HostError, XenstoreError } from '../errors.ts';
import { CHILD_ENVIRONMENT } from '../system/processes/exec.ts';
import type { System } from '../system/system.ts';
import { openXenstore } from '../system/xenstore/open.ts';
import type { Xenstore } from '../system/xenstore/xenstore.ts';
import { play, type Stage } from './acts.ts';
import { networkNamespace } from './enter.ts';
import { furnish, GATEWAY, GUEST1, SCRIPTS, XENSTORE_SOCKET } from './world.ts';

const START_MS = 10_000;
const POLL_MS = 5;

/** The options of the program inside. */
export interface InsideOptions extends Omit<Stage, 'store'> {
  /** The caller's network namespace, in which this program must not be. */
  readonly outside: string;
  /** The names of all hooks. */
  readonly hooks: readonly string[];
  /** Whether to open a shell while bridge and guests are up. */
  readonly shell: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * The sandbox, run by the first process in its namespaces.
 * @param options its options
 * @throws HostError when it was started anywhere else, at the first act that fails, and when the shell cannot be
 * started
 */
export async function runInside(options: InsideOptions): Promise<void> {
  const { outside, hooks, system, show, topology } = options;
  if (process.pid !== 1 || networkNamespace(system) === outside)
    throw new HostError('--inside is for the sandbox alone, which makes namespaces first: leave it out.');
  show.title('xen-network sandbox: a Xen host and its guests, in throw-away namespaces');
  furnish(system, hooks);
  system.startDetached([process.execPath, 'serve-xenstore', XENSTORE_SOCKET], 'xen-network');
  const store = await awaitXenstore(system);
  try {
    await play({ show, system, store, topology }, async () => {
      if (options.shell) await openShell(options);
    });
  } finally {
    store.close();
  }
}

/** The server needs a moment to start. */
async function awaitXenstore(system: System): Promise<Xenstore> {
  const native = await system.native();
  for (let waited = 0; ; waited += POLL_MS) {
    try {
      return await openXenstore(native, { XENSTORED_PATH: XENSTORE_SOCKET });
    } catch (thrown) {
      if (waited >= START_MS || !(thrown instanceof XenstoreError)) throw thrown;
    }
    await system.sleep(POLL_MS);
  }
}

async function openShell({ show, system, env }: InsideOptions): Promise<void> {
  show.act('A shell in dom0; "exit" goes on. For example:');
  show.command('dom0', 'network-bridge status');
  if (system.exists('/usr/bin/xenstore-ls')) show.command('dom0', 'xenstore-ls backend/vif');
  show.command('dom0', `ip netns exec ${GUEST1.name} ping ${GATEWAY.addresses[4]}`);
  show.command('dom0', 'XENBUS_PATH=backend/vif/1/0 vif=vif1.0 vif-bridge offline');
  const { XENSTORED_PATH: _path, XENSTORED_RUNDIR: _folder, ...rest } = env;
  const shell = env['SHELL'] || 'bash';
  // Debian's prompt shows debian_chroot.
  const { failure } = await system.pass([shell], {
    ...rest,
    PATH: `${SCRIPTS}:${CHILD_ENVIRONMENT['PATH']}`,
    debian_chroot: 'sandbox',
  });
  if (failure !== undefined) throw new HostError(`${shell} cannot be started: ${failure}.`);
}
