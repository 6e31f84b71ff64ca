import type { SpanningState } from '../../observe/bridge/spanning-tree.ts';
import type { SpanningTree } from '../../request/bridge.ts';
import { listed } from '../../text.ts';
import { type DeviceMark, type Step, setting } from '../step.ts';

const CENTISECONDS = 100;
/** As a kernel's file says it (linux/if_bridge.h). */
const FORWARDING = '3';
/** Waits for at most five seconds, and never fails: a port may have lost its carrier meanwhile. */
const AWAIT_FORWARDING = `i=0; while [ $i -lt 50 ] && grep -qvx ${FORWARDING} "$@"; do sleep 0.1; i=$((i+1)); done`;
/** The spanning tree settings with which we make bridges. */
const OFF: SpanningState = { stp_state: '0', forward_delay: '0' };

/**
 * The steps that switch a bridge's spanning tree on (docs/contract.md, "Spanning tree"). They come after the ports:
 * ports that forward already continue to do so until a loop is found (net/bridge/br_stp.c, br_make_forwarding), so the
 * host keeps its network. The kernel lets a port forward a moment after it was enslaved (net/core/link_watch.c); one that
 * does not yet would listen first.
 * @param bridge the bridge's name
 * @param device the bridge's mark
 * @param wanted the settings; undefined leaves the bridge as it is
 * @param now the bridge's present settings; undefined for a bridge that the run makes
 * @param ports the ports that the run enslaves and that have a carrier
 */
export function spanningTreeSteps(
  bridge: string,
  device: DeviceMark,
  wanted: SpanningTree | undefined,
  now: SpanningState = OFF,
  ports: readonly string[] = [],
): Step[] {
  if (wanted === undefined) return [];
  const delay = `${wanted.forwardDelay * CENTISECONDS}`;
  const isOn = now.stp_state !== '0';
  return [
    ...(now.forward_delay === delay
      ? []
      : [change(bridge, device, 'forward_delay', delay, now.forward_delay)]),
    ...(isOn || ports.length === 0 ? [] : [awaitForwarding(ports)]),
    ...(isOn ? [] : [change(bridge, device, 'stp_state', '1', now.stp_state)]),
  ];
}

function awaitForwarding(ports: readonly string[]): Step {
  const files = ports.map((port) => `/sys/class/net/${port}/brport/state`);
  return {
    do: { tool: 'run', argv: ['sh', '-c', AWAIT_FORWARDING, 'sh', ...files] },
    undo: [],
    why: `wait until ${listed(ports)} can forward`,
  };
}

/**
 * The steps that restore the spanning tree settings of a bridge that existed before start.
 * @param bridge the bridge's name
 * @param device the bridge's mark
 * @param before the settings before start; undefined where start changed nothing
 * @param now the bridge's present settings
 */
export function spanningTreeBack(
  bridge: string,
  device: DeviceMark,
  before: SpanningState | undefined,
  now: SpanningState,
): Step[] {
  if (before === undefined) return [];
  // The kernel accepts a delay below two seconds only while the spanning tree is off.
  return (['stp_state', 'forward_delay'] as const)
    .filter((file) => before[file] !== now[file])
    .map((file) => change(bridge, device, file, before[file], now[file]));
}

function change(
  bridge: string,
  device: DeviceMark,
  file: keyof SpanningState,
  value: string,
  before: string,
): Step {
  const path = `/sys/class/net/${bridge}/bridge/${file}`;
  const isNew = device.index === 'new';
  const why =
    file === 'stp_state' ? `set the spanning tree of ${bridge}` : `set the forward delay of ${bridge}`;
  return { do: setting(path, value), undo: isNew ? [] : [setting(path, before)], why, device };
}
