import { HostError } from '../errors.ts';
import { CHILD_ENVIRONMENT } from '../system/exec.ts';
import { nodeNative } from '../system/native-node.ts';
import { openXenstore } from '../system/xenstore.ts';
import { play, type Stage } from './acts.ts';
import { runInTerminal } from './child.ts';
import { networkNamespace } from './enter.ts';
import { furnish, GATEWAY, GUEST1, SCRIPTS, XENSTORE_SOCKET } from './world.ts';
import { startXenstored } from './xenstored.ts';

/** What the program inside was told. */
export interface InsideOptions extends Omit<Stage, 'store'> {
  /** The network namespace that it must not be in: the caller's. */
  readonly outside: string;
  /** The names of all hooks. */
  readonly hooks: readonly string[];
  /** Whether to open a shell while all is running. */
  readonly shell: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * The sandbox, seen from the first process in its namespaces.
 * @param options what it was told
 * @throws HostError when it was started anywhere else, at the first act that fails, and when there is no such shell
 */
export async function runInside(options: InsideOptions): Promise<void> {
  const { outside, hooks, system, show, topology } = options;
  if (process.pid !== 1 || networkNamespace() === outside)
    throw new HostError('--inside is for the sandbox alone, which makes namespaces first: leave it out.');
  show.title('xen-network sandbox: a Xen host and its guests, in throw-away namespaces');
  await furnish(hooks);
  const server = await startXenstored(XENSTORE_SOCKET);
  // The server is in this process, so its client must not block: not Bun's, but Node's.
  const store = await openXenstore(nodeNative, { XENSTORED_PATH: XENSTORE_SOCKET });
  try {
    await play({ show, system, store, topology }, async () => {
      if (options.shell) await openShell(options);
    });
  } finally {
    store.close();
    await server.close();
  }
}

async function openShell({ show, system, env }: InsideOptions): Promise<void> {
  show.act('A shell in dom0; "exit" goes on. For example:');
  show.command('dom0', 'network-bridge status');
  if (system.exists('/usr/bin/xenstore-ls')) show.command('dom0', 'xenstore-ls backend/vif');
  show.command('dom0', `ip netns exec ${GUEST1.name} ping ${GATEWAY.addresses[4]}`);
  show.command('dom0', 'XENBUS_PATH=backend/vif/1/0 vif=vif1.0 vif-bridge offline');
  const { XENSTORED_PATH: _path, XENSTORED_RUNDIR: _folder, ...rest } = env;
  // Debian's prompt shows debian_chroot.
  await runInTerminal([env['SHELL'] || 'bash'], {
    ...rest,
    PATH: `${SCRIPTS}:${CHILD_ENVIRONMENT['PATH']}`,
    debian_chroot: 'sandbox',
  });
}
