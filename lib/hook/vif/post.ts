import { HostError } from '../../errors.ts';
import type { VifCall } from '../../request/vif.ts';
import type { System } from '../../system/system.ts';
import { heldVariable } from '../locks.ts';
import { PRELUDE } from './post-prelude.ts';

const FOLDER = '/etc/xen/scripts/vif-post.d';
const TIMEOUT_MS = 30_000;

/** The variables of the sourced files (docs/contract.md, "Post hooks"); empty when unset. */
export interface PostVariables {
  readonly dev: string;
  readonly bridge: string;
  readonly ip: string;
  readonly vifname: string;
  readonly mac: string;
  /** Further variables of one hook: main_ip and metric of vif-route, vif_ip and router_ip of vif-nat. */
  readonly more: Readonly<Record<string, string>>;
  /** The keys of the locks that are held while post hooks run. */
  readonly held: readonly string[];
}

/**
 * Sources the administrator's post hooks with bash, in the order of their names (docs/contract.md, "Post hooks").
 * Starts no child when there are none.
 * @param system the way to the host
 * @param hook the hook's name, for $0
 * @param call command, device and path
 * @param variables the variables for the files; passed as environment, never as text to evaluate
 * @throws HostError with the message of the file that failed
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
