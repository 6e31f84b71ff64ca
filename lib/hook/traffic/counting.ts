import { HostError } from '../../errors.ts';
import { countersId, readCountedRecord } from '../../observe/traffic/traffic.ts';
import { countedRecordPath, ENDED_COUNTS } from '../../record/paths.ts';
import { seal } from '../../record/sealed.ts';
import type { CountedRecord, DeviceCount } from '../../record/traffic.ts';
import { openTraffic } from '../../system/kernel/nf-counters.ts';
import type { System } from '../../system/system.ts';

/**
 * Counts a device's traffic from now on. Its own counters go on; what another guest's device of this name has left is kept
 * for that guest. Nothing is changed where it is counted already. The caller must hold the device's lock.
 * @param system the way to the kernel and the records
 * @param device the kernel's name of the device
 * @param owner the guest and its card, and the device's present name
 * @throws HostError where the kernel cannot count it
 */
export async function startCounting(
  system: System,
  device: string,
  owner: Omit<CountedRecord, 'id'>,
): Promise<void> {
  const left = readCountedRecord(system, device);
  if (left !== undefined && (left.uuid !== owner.uuid || left.card !== owner.card))
    await endCounting(system, device);
  const before = readCountedRecord(system, device);
  const traffic = await openTraffic(system);
  const there = traffic.read(device).get(device);
  const isOwn = there !== undefined && before?.id === countersId(system, there);
  if (isOwn && there.isCounting && before?.port === owner.port) return;
  // Counters that are in no record may have begun with any number.
  if (there !== undefined && !isOwn) traffic.forget(device);
  traffic.count(device, owner.port);
  const made = traffic.read(device).get(device);
  if (made === undefined)
    throw new HostError(
      `The traffic of ${owner.port} is not counted: something else removes its counters at the same time.`,
    );
  writeCounted(system, device, { ...owner, id: countersId(system, made) });
}

/**
 * Writes the record of a device whose traffic is counted.
 * @param system the way to the file
 * @param device the kernel's name of the device
 * @param record whose traffic it is, and which counters are its own
 */
export function writeCounted(system: System, device: string, record: CountedRecord): void {
  system.replaceFile(countedRecordPath(device), sealed(record));
}

/**
 * Ends the counting of a device's traffic, and keeps its last counts until they are added to the totals. If they cannot be
 * kept, the counters stay, and are read when the totals are saved. The caller must hold the device's lock.
 * @param system the way to the kernel and the records
 * @param device the kernel's name of the device, which may be gone
 * @param guest the guest's name by now, where it is known
 * @throws HostError where the kernel does not answer; XenNetworkError where the counts cannot be written
 */
export async function endCounting(system: System, device: string, guest?: string): Promise<void> {
  const record = readCountedRecord(system, device);
  const traffic = await openTraffic(system);
  const there = traffic.read(device).get(device);
  if (there !== undefined && record !== undefined && record.id === countersId(system, there)) {
    const { id, uuid, card } = record;
    const count: DeviceCount = { id, uuid, guest: guest ?? record.guest, card, flow: there.flow };
    system.replaceFile(`${ENDED_COUNTS}/${device}-${id}`, sealed(count));
  }
  if (there !== undefined) traffic.forget(device);
  system.remove(countedRecordPath(device));
}

function sealed(content: object): string {
  return `${seal(JSON.stringify(content))}\n`;
}
