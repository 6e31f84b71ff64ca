import { HostError } from '../../errors.ts';
import type { VifCall } from '../../request/vif.ts';
import type { System } from '../../system/system.ts';
import { heldVariable } from '../locks.ts';
import { PRELUDE } from './post-prelude.ts';

const FOLDER = '/etc/xen/scripts/vif-post.d';
const TIMEOUT_MS = 30_000;

/** What the sourced files find set (docs/contract.md, "Post hooks"); empty when unset. */
export interface PostVariables {
  readonly dev: string;
  readonly bridge: string;
  readonly ip: string;
  readonly vifname: string;
  readonly mac: string;
  /** What a hook has beside these: vif-route main_ip and metric, vif-nat vif_ip and router_ip. */
  readonly more: Readonly<Record<string, string>>;
  /** Keys of the locks that are held meanwhile. */
  readonly held: readonly string[];
}

/**
 * Sources the administrator's post hooks by bash, in name order (docs/contract.md, "Post hooks"). No child is started
 * when there is none.
 * @param system the way to the host
 * @param hook the hook's name, for $0
 * @param call command, device and path
 * @param variables what the files find set; passed as environment, never as text to evaluate
 * @throws HostError with what the failing file said
 */
export function runPostHooks(
  system: System,
  hook: string,
  call: VifCall,
  { more, held, ...variables }: PostVariables,
): void {
  if (!system.list(FOLDER).some((name) => name.endsWith('.hook'))) return;
  const result = system.run(
    [
      'bash',
      '--noprofile',
      '--norc',
      '-c',
      PRELUDE,
      `/etc/xen/scripts/${hook}`,
      call.command,
      `type_if=${call.type}`,
    ],
    {
      timeoutMs: TIMEOUT_MS,
      env: {
        ...more,
        ...heldVariable(held),
        ...variables,
        command: call.command,
        type_if: call.type,
        vif: call.device.replace(/-emu$/, ''),
        XENBUS_PATH: call.path,
        XENBUS_TYPE: 'vif',
        ...(call.hasTap ? { INTERFACE: `${call.device.replace(/-emu$/, '')}-emu` } : {}),
      },
    },
  );
  if (result.status === 0) return;
  const said = result.stderr.trim().split('\n').at(-1) || `exit status ${result.status}`;
  throw new HostError(
    `${variables.dev}: a post hook in ${FOLDER} failed (${said}). Mend that file or take it away.`,
  );
}
