import type { SpanningState } from '../../observe/bridge/spanning-tree.ts';
import type { SpanningTree } from '../../request/bridge.ts';
import { type DeviceMark, type Step, setting } from '../step.ts';

const CENTISECONDS = 100;
/** What a bridge of ours is made with. */
const OFF: SpanningState = { stp_state: '0', forward_delay: '0' };

/**
 * Lets a bridge take part in the spanning tree (docs/contract.md, "Spanning tree"). It comes after the ports: those that
 * forward already go on doing so until a loop is found (net/bridge/br_stp.c, br_make_forwarding), and the host stays on
 * the network.
 * @param bridge its name
 * @param device what tells it from another of that name
 * @param wanted undefined leaves the bridge as it is
 * @param now what the bridge has; undefined for one that the run makes
 */
export function spanningTreeSteps(
  bridge: string,
  device: DeviceMark,
  wanted: SpanningTree | undefined,
  now: SpanningState = OFF,
): Step[] {
  if (wanted === undefined) return [];
  const delay = `${wanted.forwardDelay * CENTISECONDS}`;
  const isOn = now.stp_state !== '0';
  return [
    ...(now.forward_delay === delay
      ? []
      : [change(bridge, device, 'forward_delay', delay, now.forward_delay)]),
    ...(isOn ? [] : [change(bridge, device, 'stp_state', '1', now.stp_state)]),
  ];
}

/**
 * Gives a bridge that was there before start what it had of the spanning tree.
 * @param bridge its name
 * @param device what tells it from another of that name
 * @param before what start found; undefined where start changed nothing
 * @param now what the bridge has
 */
export function spanningTreeBack(
  bridge: string,
  device: DeviceMark,
  before: SpanningState | undefined,
  now: SpanningState,
): Step[] {
  if (before === undefined) return [];
  // A delay below two seconds is taken only where the spanning tree is off.
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
