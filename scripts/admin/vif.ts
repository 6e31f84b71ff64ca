import { applyParts } from '../../lib/apply/apply.ts';
import { recoverRun } from '../../lib/apply/recover.ts';
import { HostError, RequestError } from '../../lib/errors.ts';
import { loggedElement } from '../../lib/filter/strict.ts';
import type { Context } from '../../lib/hook/context.ts';
import { type RunningVif, runningVifs, wantedFilter } from '../../lib/hook/guests/running.ts';
import { strictUsers } from '../../lib/hook/guests/strict-table.ts';
import { deviceKeys, journalKeyOf, withLocks } from '../../lib/hook/locks.ts';
import { portFilterSteps, sharedElements, tableSteps } from '../../lib/hook/vif/port-filter.ts';
import { readStrictRecords, type StrictRecord } from '../../lib/observe/filter/strict.ts';
import { strictDamage } from '../../lib/observe/filter/strict-health.ts';
import { readDrops } from '../../lib/observe/filter/strict-listing.ts';
import { deviceExists } from '../../lib/observe/host/port.ts';
import { deviceNames } from '../../lib/observe/vif/backends.ts';
import { unheldFinder } from '../../lib/observe/vif/switch.ts';
import { planStrict } from '../../lib/plan/filter/strict.ts';
import type { Step } from '../../lib/plan/step.ts';
import { STRICT_LOCK_PATH, strictRecordPath } from '../../lib/record/paths.ts';
import { LOCKING_MODES, type LockingMode } from '../../lib/request/arguments.ts';
import { parseBackendPath } from '../../lib/request/vif.ts';
import type { System } from '../../lib/system/system.ts';
import { withXenstore } from '../../lib/system/xenstore/open.ts';
import { listed, quote } from '../../lib/text.ts';
import { table } from './table.ts';

/** The arguments of "xen-network vif". */
export interface VifOptions {
  /** The port's name, or the kernel's name of the device. */
  readonly name: string | undefined;
  /** A locking mode, or "log". */
  readonly setting: string | undefined;
  /** For log: on or off. */
  readonly value: string | undefined;
  readonly json: boolean;
}

/**
 * Shows each guest's mode under the strict filter and how many of its packets were dropped, or changes a guest's mode
 * or logging.
 * @param context the call
 * @param options the arguments
 * @throws RequestError, HostError
 */
export async function vif(context: Context, options: VifOptions): Promise<number> {
  const { name, setting, value } = options;
  if (name === undefined || setting === undefined) return show(context, name, options.json);
  const mode = LOCKING_MODES.find((word) => word === setting);
  if (mode !== undefined && value === undefined) return setMode(context, name, mode);
  if (setting === 'log' && (value === 'on' || value === 'off')) return setLog(context, name, value === 'on');
  throw new RequestError(
    `${quote([setting, value ?? ''].join(' ').trim())} is nothing that can be set; say one of ${listed([...LOCKING_MODES, '"log on"', '"log off"'])}.`,
  );
}

interface PortStatus {
  readonly port: string;
  readonly device: string;
  readonly mode: LockingMode;
  readonly droppedPackets: number;
  readonly droppedBytes: number;
  readonly log: boolean;
}

async function show(context: Context, name: string | undefined, json: boolean): Promise<number> {
  const { system, print } = context;
  const drops = readDrops(system);
  const ports: PortStatus[] = [...readStrictRecords(system)]
    .filter(([port, { device }]) => name === undefined || name === port || name === device)
    .map(([port, { device, mode, elements }]) => {
      const { packets, bytes } = drops.get(port) ?? { packets: 0, bytes: 0 };
      return {
        port,
        device,
        mode,
        droppedPackets: packets,
        droppedBytes: bytes,
        log: elements.includes(loggedElement(port, elements)),
      };
    });
  if (name !== undefined && ports.length === 0) throw notHeld(name);
  const rows = ports.map(({ port, device, mode, droppedPackets, log }) => [
    port,
    device,
    mode,
    `${droppedPackets}`,
    log ? 'on' : 'off',
  ]);
  print(
    json
      ? `${JSON.stringify(ports, null, 2)}\n`
      : table([['PORT', 'DEVICE', 'MODE', 'DROPPED', 'LOG'], ...rows]),
  );
  const damage = await strictDamage(system, strictUsers(system));
  if (damage !== undefined) context.log.warn(damage);
  return 0;
}

function notHeld(name: string): HostError {
  return new HostError(
    `The strict filter covers no port ${quote(name)}; "xen-network vif" lists its ports. ` +
      'Set antispoof=strict for the guest, or when its bridge or network is started.',
  );
}

/** The mode is written to xenstore, where a later online and a refilter read it. */
async function setMode(context: Context, name: string, mode: LockingMode): Promise<number> {
  const { system } = context;
  const device = deviceOf(context, name);
  const [, domid = '', devid = ''] = /^vif(\d+)\.(\d+)/.exec(device) ?? [];
  const path = `backend/vif/${domid}/${devid}`;
  if (parseBackendPath(path) === undefined) throw notHeld(name);
  await withXenstore(await system.native(), context.env, async (store) => {
    const backend = { domid, devid };
    const [vifName] = deviceNames(backend);
    await withLocks(system, deviceNames(backend), async () => {
      const found = (await runningVifs(context, store, [backend])).filter(
        ({ bridge, state: { record } }) =>
          bridge !== undefined || record?.assigned !== undefined || record?.switchPort !== undefined,
      );
      if (found.length === 0)
        throw new HostError(
          `${name} is not in use on a bridge or switch of this host, nor is it routed to; its mode can be set once it is online.`,
        );
      for (const { run, state } of found) {
        const unheld = await unheldFinder(system)(run.call.device, state.port.name);
        if (unheld !== undefined) throw new HostError(unheld);
      }
      const told = await Promise.all(
        found.map(async (each) => {
          const { run } = each;
          const vif = { ...each, run: { ...run, stored: { ...run.stored, locking: mode } } };
          return { vif, fresh: (await wantedFilter(vif)).strict };
        }),
      );
      await changeStrict(context, vifName, {
        steps: told.map(
          ({ vif, fresh }) =>
            () =>
              modeSteps(system, vif, fresh),
        ),
        last: () => store.write(`${path}/locking`, mode),
      });
    });
  });
  context.print(`${name} is ${mode}.\n`);
  return 0;
}

function modeSteps(system: System, vif: RunningVif, fresh: StrictRecord | undefined): readonly Step[] {
  const portFilter = {
    port: vif.state.port.name,
    former: vif.state.record?.name,
    bridge: vif.bridge?.name ?? '',
    fresh,
  };
  const { before, after } = portFilterSteps(system, vif.run.call.device, portFilter, true);
  return [...before, ...after];
}

async function setLog(context: Context, name: string, on: boolean): Promise<number> {
  const { system } = context;
  const device = deviceOf(context, name);
  let held = '';
  const steps = () => {
    const [port, old] =
      [...readStrictRecords(system)].find(([each, record]) => each === name || record.device === name) ?? [];
    if (port === undefined || old === undefined || old.device !== device) throw notHeld(name);
    held = port;
    const logged = loggedElement(port, old.elements);
    const others = old.elements.filter((element) => element !== logged);
    const fresh = { ...old, elements: on ? [...others, logged] : others };
    const shared = sharedElements(system, port, fresh);
    const recordPath = strictRecordPath(port);
    return [
      ...tableSteps(system, port),
      ...planStrict({
        port,
        recordPath,
        old,
        fresh,
        flushed: true,
        shared,
        isHere: deviceExists(system, port),
      }),
    ];
  };
  await withLocks(system, deviceKeys(device), () =>
    changeStrict(context, device, {
      steps: [steps],
      last: () => {},
    }),
  );
  context.print(
    `Dropped packets of ${held} are ${on ? 'written to the kernel log, 10 lines a second at most' : 'not logged'}.\n`,
  );
  return 0;
}

/**
 * A change of elements in the strict table: the steps, each planned after those before it are done, and a last action.
 */
interface StrictChange {
  readonly steps: readonly (() => readonly Step[])[];
  readonly last: () => void | Promise<void>;
}

/** All or nothing; the caller must hold the device's lock. */
async function changeStrict(
  { system, log }: Context,
  device: string,
  { steps, last }: StrictChange,
): Promise<void> {
  const key = journalKeyOf(system, device);
  for (const sentence of await recoverRun(system, key)) log.warn(sentence);
  const parts = steps.map((own) => ({
    plan: () => ({ steps: own(), warnings: [] }),
    check: () => {},
    lock: STRICT_LOCK_PATH,
  }));
  await applyParts(system, parts, { key, warn: log.warn, check: last, makesNone: true });
}

/** A vif that is not in the strict filter yet is only known by the kernel's name. */
function deviceOf(context: Context, name: string): string {
  const records = readStrictRecords(context.system);
  return records.get(name)?.device ?? name;
}
