import { recoverRun } from '../apply/recover.ts';
import { maskedAddresses } from '../contract/addresses.ts';
import {
  type HookArguments,
  mergeValues,
  parseArguments,
  type Values,
  withoutQuotes,
} from '../contract/arguments.ts';
import { TAP_SUFFIX } from '../contract/names.ts';
import { about, aboutCommand, quote, visible } from '../contract/text.ts';
import {
  parseBackendPath,
  parseVifCall,
  VIF_KEYS,
  VIF_VARIABLES,
  type VifCall,
  type VifSettings,
} from '../contract/vif-request.ts';
import { messageOf, XenNetworkError, XenstoreError } from '../errors.ts';
import { readVifRecords } from '../observe/records.ts';
import { reserveTime } from '../system/deadline.ts';
import { openXenstore, type Xenstore } from '../system/xenstore.ts';
import { type Context, isDryRun } from './context.ts';
import { forgetLeaving, noteLeaving, sweepLeft } from './leaving.ts';
import { withLock } from './locks.ts';

/** Present when libxl runs the hooks itself, so that udev's call is one too many (docs/contract.md, "Callers"). */
const DISABLE_UDEV = 'libxl/disable_udev';
/** The key of a sentence that says what went wrong. */
const ERROR_KEY = 'hotplug-error';
/** A message in xenstore: its payload holds 4096 bytes, path included. */
const LONGEST_ERROR = 1024;

/** What the word to xenstore has even when the call's time is over. */
const TELL_MS = 2000;

/** A call, and everything that was said about its device. */
export interface VifRun {
  readonly context: Context;
  readonly call: VifCall;
  /** Environment and arguments. */
  readonly given: Values;
  /** What xenstore holds, by key. */
  readonly stored: Readonly<Record<string, string | undefined>>;
  /** Absent where no xenstore answers, which only an offline or a dry run survives. */
  readonly store: Xenstore | undefined;
  readonly dryRun: boolean;
  /** xenstore still has the sentence of an earlier failure. */
  readonly failedBefore?: boolean;
}

/** What a vif hook does; each part throws XenNetworkError. */
export interface VifWork {
  /** online for a vif, add for a tap. */
  readonly attach: (run: VifRun) => Promise<void>;
  /** offline for a vif, remove for a tap: must cope with anything missing. */
  readonly detach: (run: VifRun) => Promise<void>;
}

/**
 * What is the same for every vif hook (docs/contract.md, "vif hooks" and "xenstore"): it reads the call and xenstore,
 * takes the device's lock, undoes what an interrupted run left, lets the work be done, and tells xenstore how it ended.
 * @param context the call
 * @param work the hook's own part
 * @returns the exit status; detaching always gives 0
 */
export async function runVifHook(context: Context, work: VifWork): Promise<number> {
  const args = parseArguments(context.argv, VIF_VARIABLES);
  for (const warning of args.warnings) context.log.warn(warning);
  const given = withOwnTap(context, mergeValues(VIF_VARIABLES, context.env, withoutQuotes(args.values)));
  const call = await readCall(context, args, given);
  if (call === undefined || !call.acts) return 0;
  const leaving = isLeaving(call.command);
  const store = await openStore(context, leaving || isDryRun(context, args.options));
  const dryRun = isDryRun(context, args.options);
  try {
    if (await isUdevsCallTooMany(context, store)) return 0;
    if (leaving && !dryRun) noteLeaving(context, call.device, 'asked');
    await perform(context, call, dryRun, async () => {
      const run = await readRun(context, call, dryRun, given, store);
      if (leaving) return leave(run, work);
      // Whatever an offline that was ended had begun, this call has the device now.
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

/**
 * Says which values of a guest's device cannot be used, and are not.
 * @param run the call
 * @param settings what was made of them
 */
export function warnOfUnfit({ context, call }: VifRun, { unfit }: VifSettings): void {
  for (const sentence of Object.values(unfit))
    context.log.warn(`${call.device}: ${sentence} It is not used.`);
}

/**
 * Says which of a guest's addresses were given with the mask of their network.
 * @param run the call
 */
export function warnOfMasks({ context, given, stored }: VifRun): void {
  for (const word of maskedAddresses(stored['ip'] ?? given['ip'] ?? ''))
    context.log.warn(
      `ip holds ${quote(word)}, an address with the mask of its network: it is taken for that one address. ` +
        'Where the whole range is meant, give the address that the range begins with.',
    );
}

/** A tap that is called by its vifname alone is known by what its add remembered. */
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

/** @returns undefined for the end of a device that nobody can name: there is nothing that could be taken away */
async function readCall(context: Context, args: HookArguments, given: Values): Promise<VifCall | undefined> {
  try {
    return parseVifCall(args.command, given);
  } catch (thrown) {
    if (isLeaving(args.command)) {
      context.log.warn(messageOf(thrown));
      return undefined;
    }
    // A guest waits for an answer even if it is the call that is wrong, as long as it says where the guest is.
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

/** Whether libxl has taken over and udev's call is to do nothing. */
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

/** What xenstore says may change as long as somebody else has the device's lock: it is read after that. */
async function perform(
  context: Context,
  call: VifCall,
  dryRun: boolean,
  work: () => Promise<void>,
): Promise<void> {
  if (dryRun) return work();
  const { system, log } = context;
  return withLock(system, call.device, async () => {
    for (const sentence of await recoverRun(system, call.device)) log.warn(sentence);
    await work();
  });
}

/**
 * A guest waits for `connected` for ever and xl for 40 s: a failure must be told as well (docs/contract.md,
 * "xenstore").
 */
async function tellFailure(
  context: Context,
  store: Xenstore | undefined,
  path: string,
  sentence: string,
): Promise<void> {
  reserveTime(TELL_MS);
  try {
    await store?.writeAll([
      [`${path}/${ERROR_KEY}`, errorText(context, sentence)],
      [`${path}/hotplug-status`, 'error'],
    ]);
  } catch (thrown) {
    if (!(thrown instanceof XenstoreError)) throw thrown;
    context.log.warn(messageOf(thrown));
  }
}

function errorText({ hook }: Context, sentence: string): string {
  return visible(`${hook} ${sentence}`).slice(0, LONGEST_ERROR);
}

/**
 * Tells the guest's side that its NIC is ready (docs/contract.md, "xenstore"): its MTU first, `connected` last. The
 * sentence of an earlier failure goes.
 * @param run the call
 * @param mtu bytes; undefined leaves the guest's MTU alone
 * @param notes what went wrong and keeps the guest from nothing else, in sentences
 */
export async function tellSuccess(
  run: VifRun,
  mtu: number | undefined,
  notes: readonly string[] = [],
): Promise<void> {
  const { context, call, store } = run;
  for (const note of notes) context.log.warn(note);
  if (call.type !== 'vif' || store === undefined) return;
  if (mtu !== undefined) await tellMtu(run, store, mtu);
  const path = `${call.path}/${ERROR_KEY}`;
  if (notes.length > 0)
    await store.write(path, errorText(context, aboutCommand(call.command, call.device, notes.join(' '))));
  else if (run.failedBefore === true) await store.remove(path);
  await store.write(`${call.path}/hotplug-status`, 'connected');
}

/** Before Xen 4.15 a driver domain may not write there; the guest's own driver then has the MTU that it begins with. */
async function tellMtu({ context, call }: VifRun, store: Xenstore, mtu: number): Promise<void> {
  try {
    await store.write(`/local/domain/${call.domid}/device/vif/${call.devid}/mtu`, `${mtu}`);
  } catch (thrown) {
    if (!(thrown instanceof XenstoreError)) throw thrown;
    context.log.warn(
      `${call.device}: the guest is not told its MTU ${mtu}, set it there by hand: ${messageOf(thrown)}`,
    );
  }
}
