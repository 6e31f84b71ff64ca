import { recoverInWords, recoverRun } from '../../apply/recover.ts';
import { messageOf, XenNetworkError, XenstoreError } from '../../errors.ts';
import { readVifRecords } from '../../observe/records.ts';
import { journalPath } from '../../record/paths.ts';
import {
  type HookArguments,
  mergeValues,
  parseArguments,
  type Values,
  withoutQuotes,
} from '../../request/arguments.ts';
import { TAP_SUFFIX, twinOf } from '../../request/names.ts';
import { parseBackendPath, parseVifCall, VIF_KEYS, VIF_VARIABLES, type VifCall } from '../../request/vif.ts';
import { reserveTime } from '../../system/processes/deadline.ts';
import type { System } from '../../system/system.ts';
import { lenient } from '../../system/xenstore/lenient.ts';
import { openXenstore } from '../../system/xenstore/open.ts';
import type { Xenstore } from '../../system/xenstore/xenstore.ts';
import { about, aboutCommand } from '../../text.ts';
import { type Context, isDryRun } from '../context.ts';
import { forgetLeaving, noteLeaving } from '../guests/leaving.ts';
import { sweepLeft } from '../guests/sweep.ts';
import { deviceKeys, withLocks } from '../locks.ts';

import { ERROR_KEY, errorText, type VifRun } from './run.ts';

/** This key exists when libxl runs the hooks itself; udev's call is then not needed (docs/contract.md, "Callers"). */
const DISABLE_UDEV = 'libxl/disable_udev';

/** The time for the report to xenstore even when the call's deadline has passed. */
const TELL_MS = 2000;

/** The two parts of a vif hook; each throws XenNetworkError. */
export interface VifWork {
  /** online for a vif, add for a tap. */
  readonly attach: (run: VifRun) => Promise<void>;
  /** offline for a vif, remove for a tap; must cope with anything missing. */
  readonly detach: (run: VifRun) => Promise<void>;
}

/**
 * Runs a vif hook. What all vif hooks share happens here (docs/contract.md, "vif hooks" and "xenstore"): it reads the
 * call and xenstore, takes the device's lock, undoes an interrupted run, calls the hook's part, and reports the result
 * to xenstore.
 * @param context the call
 * @param work the hook's two parts
 * @returns the exit status; always 0 for offline and remove
 */
export async function runVifHook(context: Context, work: VifWork): Promise<number> {
  const args = parseArguments(context.argv, VIF_VARIABLES);
  for (const warning of args.warnings) context.log.warn(warning);
  const given = withOwnTap(context, mergeValues(VIF_VARIABLES, context.env, withoutQuotes(args.values)));
  const call = await readCall(context, args, given);
  if (call === undefined || !call.acts) return 0;
  const leaving = isLeaving(call.command);
  const opened = await openStore(context, leaving || isDryRun(context, args.options));
  const store = leaving && opened !== undefined ? lenient(opened, context.log.warn) : opened;
  const dryRun = isDryRun(context, args.options);
  try {
    if (await isUdevsCallTooMany(context, store)) return 0;
    if (leaving && !dryRun) noteLeaving(context, call.device, 'asked');
    await perform(context, call, dryRun, async () => {
      const run = await readRun(context, call, dryRun, given, store);
      if (leaving) return leave(run, work);
      // Whatever an interrupted offline had begun, this call uses the device now.
      if (!dryRun) forgetLeaving(context.system, call.device);
      await work.attach(run);
    });
    if (!dryRun) await sweepLeft(context);
    return 0;
  } catch (thrown) {
    if (leaving) {
      context.log.warn(about(call.device, messageOf(thrown)));
      return 0;
    }
    if (!isDryRun(context, args.options))
      await tellFailure(
        context,
        store,
        call.path,
        aboutCommand(call.command, call.device, messageOf(thrown)),
      );
    throw thrown;
  } finally {
    store?.close();
  }
}

async function leave(run: VifRun, work: VifWork): Promise<void> {
  if (!run.dryRun) noteLeaving(run.context, run.call.device, 'begun');
  await work.detach(run);
  if (!run.dryRun) forgetLeaving(run.context.system, run.call.device);
}

/** For a tap that is only named by its vifname, the record of its add tells the device. */
function withOwnTap({ system }: Context, given: Values): Values {
  const { type_if: type, INTERFACE: tap = '', XENBUS_PATH: path } = given;
  if (type !== 'tap' || path !== undefined || !tap.endsWith(TAP_SUFFIX) || /^vif\d+\.\d+-emu$/.test(tap))
    return given;
  const own = [...readVifRecords(system)].find(([, { name }]) => name === tap);
  return own === undefined ? given : { ...given, INTERFACE: own[0] };
}

function isLeaving(command: string | undefined): boolean {
  return command === 'offline' || command === 'remove';
}

/** @returns undefined for the end of a device that nobody can name, so there is nothing to remove */
async function readCall(context: Context, args: HookArguments, given: Values): Promise<VifCall | undefined> {
  try {
    return parseVifCall(args.command, given);
  } catch (thrown) {
    if (isLeaving(args.command)) {
      context.log.warn(messageOf(thrown));
      return undefined;
    }
    // A guest waits for an answer even if the call itself is wrong, so it gets one if the call says where the guest is.
    const backend = parseBackendPath(given['XENBUS_PATH'] ?? '');
    const comes = args.command === 'online' || args.command === 'add';
    if (backend !== undefined && comes && !isDryRun(context, args.options)) {
      const store = await openStore(context, true);
      await tellFailure(context, store, backend.path, `${args.command}: ${messageOf(thrown)}`);
      store?.close();
    }
    throw thrown;
  }
}

async function openStore(context: Context, optional: boolean): Promise<Xenstore | undefined> {
  try {
    return await openXenstore(await context.system.native(), context.env);
  } catch (thrown) {
    if (!optional || !(thrown instanceof XenNetworkError)) throw thrown;
    context.log.warn(messageOf(thrown));
    return undefined;
  }
}

/** Whether libxl runs the hooks itself, so that udev's call must do nothing. */
async function isUdevsCallTooMany(context: Context, store: Xenstore | undefined): Promise<boolean> {
  if ((context.env['UDEV_CALL'] ?? '') === '' || store === undefined) return false;
  const [disabled] = await store.readMany([DISABLE_UDEV]);
  return disabled !== undefined;
}

async function readRun(
  context: Context,
  call: VifCall,
  dryRun: boolean,
  given: Values,
  store: Xenstore | undefined,
): Promise<VifRun> {
  const own = [...VIF_KEYS, ERROR_KEY].map((key) => `${call.path}/${key}`);
  const values = (await store?.readMany(own)) ?? [];
  const stored = Object.fromEntries(VIF_KEYS.map((key, i) => [key, values[i]]));
  const failedBefore = values[VIF_KEYS.length] !== undefined;
  return { context, call, given, stored, store, dryRun, failedBefore };
}

/** xenstore is read after the device's lock is taken, since the holder of the lock may change the keys. */
async function perform(
  context: Context,
  call: VifCall,
  dryRun: boolean,
  work: () => Promise<void>,
): Promise<void> {
  if (dryRun) return work();
  const { system, log } = context;
  return withLocks(system, deviceKeys(call.device), async () => {
    for (const sentence of await recoverTwin(system, call.device)) log.warn(sentence);
    for (const sentence of await recoverRun(system, call.device)) log.warn(sentence);
    await work();
  });
}

/**
 * Undoes an interrupted run of the guest's other device, a tap or its vif. Both share addresses: what the one finds or
 * leaves for the other is decided by what the other has. The vif's lock, which the caller holds, keeps both devices'
 * runs out.
 */
async function recoverTwin(system: System, device: string): Promise<string[]> {
  const twin = twinOf(device);
  return system.exists(journalPath(twin)) ? recoverInWords(system, twin) : [];
}

/**
 * Reports a failure to xenstore: the guest waits forever for `connected`, and xl for 40 s (docs/contract.md,
 * "xenstore").
 */
async function tellFailure(
  context: Context,
  store: Xenstore | undefined,
  path: string,
  sentence: string,
): Promise<void> {
  const entries: [string, string][] = [
    [`${path}/${ERROR_KEY}`, errorText(context, sentence)],
    [`${path}/hotplug-status`, 'error'],
  ];
  reserveTime(TELL_MS);
  try {
    await store?.writeAll(entries);
  } catch (thrown) {
    if (!(thrown instanceof XenstoreError)) throw thrown;
    context.log.warn(messageOf(thrown));
    // A connection that once was too slow answers nothing more, but another one may.
    reserveTime(TELL_MS);
    const again = await openStore(context, true);
    try {
      await again?.writeAll(entries);
    } catch (still) {
      if (!(still instanceof XenstoreError)) throw still;
    } finally {
      again?.close();
    }
  }
}
