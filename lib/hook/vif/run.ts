import { HostError, messageOf, XenstoreError } from '../../errors.ts';
import { maskedAddresses } from '../../request/addresses.ts';
import type { Values } from '../../request/arguments.ts';
import type { VifCall, VifSettings } from '../../request/vif.ts';
import type { Log } from '../../system/files/log.ts';
import type { Xenstore } from '../../system/xenstore/xenstore.ts';
import { aboutCommand, quote, visible } from '../../text.ts';
import type { Context } from '../context.ts';

/** The key for the sentence about a failure. */
export const ERROR_KEY = 'hotplug-error';
/** The longest sentence; a message to xenstore holds 4096 bytes including the path. */
const LONGEST_ERROR = 1024;

/** A call, and all settings of its device. */
export interface VifRun {
  readonly context: Context;
  readonly call: VifCall;
  /** Environment and arguments. */
  readonly given: Values;
  /** The values in xenstore, by key. */
  readonly stored: Readonly<Record<string, string | undefined>>;
  /** undefined where no xenstore answers, which only an offline or a dry run survives. */
  readonly store: Xenstore | undefined;
  readonly dryRun: boolean;
  /** Whether xenstore still has the sentence about an earlier failure. */
  readonly failedBefore?: boolean;
}

/**
 * Warns about values of a guest's device that cannot be used.
 * @param run the call
 * @param settings the settings, with the reasons
 */
export function warnOfUnfit({ context, call }: VifRun, { unfit }: VifSettings): void {
  for (const sentence of Object.values(unfit))
    context.log.warn(`${call.device}: ${sentence} It is not used.`);
}

/**
 * Warns about a guest's addresses that were given with the mask of their network.
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
 * Reports to the guest's side that its NIC is ready (docs/contract.md, "xenstore"): its MTU first, `connected` last.
 * Removes the sentence about an earlier failure.
 * @param run the call
 * @param mtu bytes; undefined leaves the guest's MTU alone
 * @param notes sentences about failures that did not prevent the connection
 */
export async function reportConnected(
  run: VifRun,
  mtu: number | undefined,
  notes: readonly string[] = [],
): Promise<void> {
  const { context, call, store } = run;
  for (const note of notes) context.log.warn(note);
  if (call.type !== 'vif' || store === undefined) return;
  // xenstored carries the requests of one connection out in their order, so nobody needs to wait for this answer first.
  const told = mtu === undefined ? undefined : tellMtu(run, store, mtu);
  const path = `${call.path}/${ERROR_KEY}`;
  if (notes.length > 0)
    await store.write(path, errorText(context, aboutCommand(call.command, call.device, notes.join(' '))));
  else if (run.failedBefore === true) await store.remove(path);
  await Promise.all([told, store.write(`${call.path}/hotplug-status`, 'connected')]);
}

/** Before Xen 4.15 a driver domain may not write there; the guest's driver then keeps its initial MTU. */
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
 * A sentence for xenstore, with the hook's name before it.
 * @param context the call
 * @param sentence what went wrong
 */
export function errorText({ hook }: Context, sentence: string): string {
  return visible(`${hook} ${sentence}`).slice(0, LONGEST_ERROR);
}

/**
 * The call's variables, for post hooks; xl sets all of them.
 * @param run the call
 */
export function calledWords({ context: { env } }: VifRun): Readonly<Record<string, string>> {
  return {
    script: env['script'] ?? '',
    netdev: env['netdev'] ?? '',
    XENBUS_BASE_PATH: env['XENBUS_BASE_PATH'] || 'backend',
  };
}

/**
 * What post hooks get of a guest's configuration.
 * @param run the call
 */
export function givenWords(run: VifRun): {
  readonly ip: string;
  readonly vifname: string;
  readonly mac: string;
} {
  const value = (key: string) => run.stored[key] ?? run.given[key] ?? '';
  return { ip: value('ip'), vifname: value('vifname'), mac: value('mac') };
}

/**
 * What is there, or `none`, with a warning, where that could not be told: everything else goes all the same.
 * @param log takes the warning
 * @param look lists what is there; a HostError of it is the warning
 * @param none stands for what could not be listed
 */
export function orLeft<T>(log: Log, look: () => T, none: T): T {
  try {
    return look();
  } catch (thrown) {
    if (!(thrown instanceof HostError)) throw thrown;
    log.warn(`${thrown.message} After that "xen-network refilter" removes what is left.`);
    return none;
  }
}
