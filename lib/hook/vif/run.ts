import { messageOf, XenstoreError } from '../../errors.ts';
import { maskedAddresses } from '../../request/addresses.ts';
import type { Values } from '../../request/arguments.ts';
import type { VifCall, VifSettings } from '../../request/vif.ts';
import type { Xenstore } from '../../system/xenstore/xenstore.ts';
import { aboutCommand, quote, visible } from '../../text.ts';
import type { Context } from '../context.ts';

/** The key of a sentence that says what went wrong. */
export const ERROR_KEY = 'hotplug-error';
/** A message in xenstore: its payload holds 4096 bytes, path included. */
const LONGEST_ERROR = 1024;

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

/**
 * Tells the guest's side that its NIC is ready (docs/contract.md, "xenstore"): its MTU first, `connected` last. The
 * sentence of an earlier failure goes.
 * @param run the call
 * @param mtu bytes; undefined leaves the guest's MTU alone
 * @param notes what went wrong and keeps the guest from nothing else, in sentences
 */
export async function reportConnected(
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

/**
 * A sentence as it stands in xenstore, with the name of the hook that says it.
 * @param context the call
 * @param sentence what went wrong
 */
export function errorText({ hook }: Context, sentence: string): string {
  return visible(`${hook} ${sentence}`).slice(0, LONGEST_ERROR);
}
