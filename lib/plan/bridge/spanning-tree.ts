import type { SpanningState } from '../../observe/bridge/spanning-tree.ts';
import type { SpanningTree } from '../../request/bridge.ts';
import { type DeviceMark, type Step, setting } from '../step.ts';

const CENTISECONDS = 100;
/** The spanning tree settings with which we make bridges. */
const OFF: SpanningState = { stp_state: '0', forward_delay: '0' };

/**
 * The steps that switch a bridge's spanning tree on (docs/contract.md, "Spanning tree"). They come after the ports:
 * ports that forward already continue to do so until a loop is found (net/bridge/br_stp.c, br_make_forwarding), so the
 * host keeps its network.
 * @param bridge the bridge's name
 * @param device the bridge's mark
 * @param wanted the settings; undefined leaves the bridge as it is
 * @param now the bridge's present settings; undefined for a bridge that the run makes
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
