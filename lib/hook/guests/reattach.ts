import { messageOf, XenNetworkError } from '../../errors.ts';
import { readBridgeRecords } from '../../observe/bridge/uplink.ts';
import { readVirtualRecords } from '../../observe/forward/virtual.ts';
import type { Port } from '../../observe/host/port.ts';
import { readVifRecord } from '../../observe/records.ts';
import { backendPath, listBackends, type ReadBackend, readNamedBackend } from '../../observe/vif/backends.ts';
import { type DeviceFinder, deviceFinder } from '../../observe/vif/vif.ts';
import type { Values } from '../../request/arguments.ts';
import { VIF_KEYS } from '../../request/vif.ts';
import { withXenstore } from '../../system/xenstore/open.ts';
import type { Xenstore } from '../../system/xenstore/xenstore.ts';
import type { Context } from '../context.ts';
import { findScript, runHook, runScript } from '../scripts.ts';
import { readLeaving } from './leaving.ts';
import { cardDevices } from './running.ts';

/** The variables of the caller's environment that guests' hooks need; others may be about the caller's own call. */
const ENVIRONMENT = ['PATH', 'HOME', 'LANG', 'XENSTORED_PATH', 'XENSTORED_RUNDIR'];
const STATUS_KEY = 'hotplug-status';

/** A guest's device that was attached and that this host has. */
export interface AttachedDevice {
  /** The kernel's name of the device. */
  readonly device: string;
  /** The guest's name; its domain id where it has none. */
  readonly guest: string;
  readonly domid: string;
  /** The bridge, or switch, in xenstore. */
  readonly bridge: string | undefined;
  readonly port: Port;
}

/** The result for the devices. */
export interface Reattached {
  readonly done: readonly AttachedDevice[];
  /** One sentence for each failure. */
  readonly failures: readonly string[];
}

/**
 * Runs the scripts of running guests to attach their devices again, as the toolstack ran them. hotplug-status stays as
 * it is, whatever the result: the guest goes on.
 * @param context the call
 * @param isWanted selects the devices
 * @throws XenstoreError where no xenstore answers
 */
export async function reattach(
  context: Context,
  isWanted: (device: AttachedDevice) => boolean,
): Promise<Reattached> {
  const done: AttachedDevice[] = [];
  const failures: string[] = [];
  await withXenstore(await context.system.native(), context.env, async (store) => {
    const find = deviceFinder(context.system);
    for (const backend of await listBackends(store)) {
      const read = await readNamedBackend(store, backend, [...VIF_KEYS, STATUS_KEY]);
      for (const { found, run } of attachedDevices(context, store, read, find)) {
        if (!isWanted(found)) continue;
        if ((await run()) === 0) done.push(found);
        else
          failures.push(
            `${found.device} of ${found.guest} could not be attached again; the reason is above.`,
          );
      }
    }
  });
  return { done, failures };
}

/**
 * Attaches the guests of bridges that were started by network hooks and that lost their ports meanwhile: they were stopped
 * and started, or somebody else made the bridge again. A device that is on any bridge stays there, and so does one whose
 * offline has run or is asked for: xenstore calls it connected until the toolstack removes its entries.
 * @param context the call
 */
export async function reattachToBridges(context: Context): Promise<void> {
  const { system, log } = context;
  const bridges = [...readBridgeRecords(system), ...readVirtualRecords(system)].map(({ bridge }) => bridge);
  if (bridges.length === 0) return;
  try {
    const stays = (device: string) =>
      readVifRecord(system, device) !== undefined && readLeaving(system, device) === undefined;
    const { done, failures } = await reattach(
      context,
      ({ bridge, port, device }) =>
        bridge !== undefined && bridges.includes(bridge) && port.master === undefined && stays(device),
    );
    for (const { device, guest, bridge } of done) log.info(`${device} of ${guest} is on ${bridge} again.`);
    for (const sentence of failures) log.warn(sentence);
  } catch (thrown) {
    // At boot xenstore may not run yet, and there are no guests either.
    if (!(thrown instanceof XenNetworkError)) throw thrown;
    log.info(messageOf(thrown));
  }
}

interface Attachable {
  readonly found: AttachedDevice;
  /** Attaches the device. */
  readonly run: () => Promise<number>;
}

function attachedDevices(
  context: Context,
  store: Xenstore,
  backend: ReadBackend,
  find: DeviceFinder,
): Attachable[] {
  const { domid, guest = domid, values: stored } = backend;
  if (stored[STATUS_KEY] !== 'connected') return [];
  return cardDevices(context.system, backend, stored, find).flatMap(
    ({ call, command, variables, given, state: { port } }) => {
      if (port === undefined) return [];
      const found = { device: call.device, guest, domid, bridge: stored['bridge'], port };
      const words = [command, ...Object.entries(given).map(([key, value]) => `${key}=${value}`)];
      const script = stored['script'] ?? 'vif-bridge';
      return [{ found, run: () => attach(context, store, script, words, variables, backendPath(backend)) }];
    },
  );
}

/** Runs the guest's script; a failure is not reported to the guest. */
async function attach(
  context: Context,
  store: Xenstore,
  script: string,
  words: readonly string[],
  variables: Values,
  path: string,
): Promise<number> {
  const { hooks, system } = context;
  const kept = ENVIRONMENT.flatMap((name) => {
    const value = context.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  const env = { ...Object.fromEntries(kept), ...variables, script };
  const { path: file, name, isOurs } = findScript(system, hooks, script);
  const load = isOurs ? hooks[name] : undefined;
  const status =
    load === undefined
      ? (await runScript(system, [file, ...words], env)).status
      : await runHook({ ...context, env }, name, words, load);
  if (status !== 0) await store.write(`${path}/${STATUS_KEY}`, 'connected');
  return status;
}
