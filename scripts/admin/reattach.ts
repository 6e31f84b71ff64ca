import { HostError, RequestError } from '../../lib/errors.ts';
import type { Context } from '../../lib/hook/context.ts';
import { reattach } from '../../lib/hook/guests/reattach.ts';
import { quote } from '../../lib/text.ts';

/** The arguments of "xen-network reattach". */
export interface ReattachWish {
  /** A guest's name, its domain id, or the kernel's name of one of its devices. */
  readonly guest: string | undefined;
  readonly all: boolean;
}

/**
 * Attaches the devices of a running guest, or of all guests, again, each by its own script.
 * @param context the call
 * @param wish the guest, or all
 * @returns 0; 1 if a device could not be attached
 * @throws RequestError if no guest is named
 * @throws HostError if the guest has no attached device
 * @throws XenstoreError if xenstore does not answer
 */
export async function reattachGuests(context: Context, { guest, all }: ReattachWish): Promise<number> {
  if (all === (guest !== undefined))
    throw new RequestError('Say whose devices: a guest by its name or domain, or --all for every guest.');
  const { done, failures } = await reattach(
    context,
    (found) => all || [found.guest, found.domid, found.device, found.port.name].includes(guest ?? ''),
  );
  if (done.length + failures.length === 0 && guest !== undefined)
    throw new HostError(
      `No guest ${quote(guest)} has a device here that was attached. "xl list" shows the guests that run.`,
    );
  for (const { device, guest: name, bridge } of done)
    context.print(`${device} of ${name} is attached${bridge === undefined ? '' : ` to ${bridge}`}.\n`);
  for (const sentence of failures) context.log.error(sentence);
  if (done.length + failures.length === 0) context.print('No guest has a device here that was attached.\n');
  return failures.length === 0 ? 0 : 1;
}
