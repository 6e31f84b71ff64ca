import type { VifCall } from '../contract/vif-request.ts';
import { HostError } from '../errors.ts';
import type { System } from '../system/system.ts';

const FOLDER = '/etc/xen/scripts/vif-post.d';
/** Bytes of what it says: the end is what tells why. */
const MOST_SAID = 65_536;
const TIMEOUT_MS = 30_000;

// What a sourced post hook may call. `fatal` only speaks and ends: the hook that started us tells xenstore why.
const PRELUDE = `
set -e
dir=/etc/xen/scripts
log() { local level=$1; shift; logger -p "daemon.$level" -t vif-post -- "$*" 2>/dev/null || :; }
fatal() { log err "$*"; printf '%s\\n' "$*" >&2; exit 1; }
sigerr() { fatal "\${hook##*/} failed in line $1"; }
do_or_die() { "$@" || fatal "$* failed"; }
do_without_error() { "$@" 2>/dev/null || log debug "$* failed"; }
xenstore_read() { local v; v=$(xenstore-read "$@" || :); [ -n "$v" ] || fatal "xenstore-read $* failed"; printf '%s\\n' "$v"; }
xenstore_read_default() { xenstore-read "$1" 2>/dev/null || printf '%s\\n' "$2"; }
xenstore_write() { xenstore-write "$@" || fatal "xenstore-write $* failed"; }
ip_of() { ip -4 -o addr show primary dev "$1" | { read -r _ _ _ a _ && printf '%s\\n' "\${a%%/*}"; }; }
iptables_w() { iptables -w "$@"; }
lock_folder=/var/run/xen-hotplug
claim_lock() {
  mkdir -p "$lock_folder"
  while :; do
    exec {lock_fd}<>"$lock_folder/$1"
    flock -x "$lock_fd"
    [ "$lock_folder/$1" -ef "/proc/self/fd/$lock_fd" ] && return
    exec {lock_fd}<&-
  done
}
release_lock() { rm -f "$lock_folder/$1"; exec {lock_fd}<&-; }
trap 'sigerr $LINENO' ERR
for hook in "$dir"/vif-post.d/*.hook; do
  if [ -x "$hook" ]; then . "$hook"; fi
done
`;

/** What the sourced files find set (contract 3); empty when unset. */
export interface PostVariables {
  readonly dev: string;
  readonly bridge: string;
  readonly ip: string;
  readonly vifname: string;
  readonly mac: string;
}

/**
 * Sources the administrator's post hooks by bash, in name order (contract 3). No child is started when there is none.
 * @param system the way to the host
 * @param hook the hook's name, for $0
 * @param call command, device and path
 * @param variables what the files find set; passed as environment, never as text to evaluate
 * @throws HostError with what the failing file said
 */
export function runPostHooks(system: System, hook: string, call: VifCall, variables: PostVariables): void {
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
      keepsLast: MOST_SAID,
      env: {
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
