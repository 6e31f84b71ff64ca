import { HostError, messageOf } from '../../errors.ts';
import { ERRNO_AT, type NfBatch, NLMSG } from '../../wire/nf/messages.ts';
import {
  countBatch,
  counterLines,
  countersQuestion,
  deviceQuestions,
  forgetBatch,
  TRAFFIC_TABLE,
  tableQuestion,
} from '../../wire/traffic/nf-counters.ts';
import {
  byDevice,
  type Counter,
  type DeviceCounters,
  readCounters,
} from '../../wire/traffic/nf-counters-listing.ts';
import { failureText, type RunResult } from '../processes/exec.ts';
import type { System } from '../system.ts';
import type { Native } from './native.ts';
import { NETLINK, type NetlinkSocket } from './netlink.ts';

/** The counters of guests' devices, in the kernel. Devices are named by the kernel's names. */
export interface TrafficCounters {
  /** Counts a device's traffic, whatever its present name; throws HostError where the kernel cannot. */
  count(device: string, port: string): void;
  /** Removes a device's counters; throws HostError. */
  forget(device: string): void;
  /** The counters of one device, or of all; empty where there are none. Throws HostError where the kernel does not answer. */
  read(device?: string): ReadonlyMap<string, DeviceCounters>;
}

const SEQUENCE_AT = 8;
const [ENOENT, EOPNOTSUPP] = [2, 95];
const MOST_TRIES = 20;

/** The sentence about a kernel that has no hook behind a device. */
const TOO_OLD = 'this kernel cannot count what a device sends; Linux 5.16 or newer can';

/**
 * The way to the counters. Only what counts loads this module.
 * @param system the way to the kernel, or to nft where this runtime has no sockets to the kernel
 */
export async function openTraffic(system: {
  readonly native: () => Promise<Pick<Native, 'openNetlink'>>;
  readonly run: System['run'];
}): Promise<TrafficCounters> {
  const { openNetlink } = await system.native();
  return openNetlink === undefined
    ? countersByNft(system.run)
    : countersByKernel(() => openNetlink(NETLINK.netfilter));
}

function countersByKernel(open: () => NetlinkSocket): TrafficCounters {
  const change = (batch: NfBatch, what: string) => {
    const failure = asked(open, (socket) => transact(socket, batch));
    if (failure !== undefined) throw new HostError(`${what}: ${failure}.`);
  };
  return {
    count: (device, port) => change(countBatch(device, port), `The traffic of ${port} cannot be counted`),
    forget: (device) => change(forgetBatch(device), `The counters of ${device} cannot be removed`),
    read: (device) => asked(open, (socket) => readAll(socket, device)),
  };
}

/** @throws HostError where the kernel does not answer */
function asked<T>(open: () => NetlinkSocket, ask: (socket: NetlinkSocket) => T): T {
  let socket: NetlinkSocket | undefined;
  try {
    socket = open();
    return ask(socket);
  } catch (thrown) {
    if (thrown instanceof HostError) throw thrown;
    throw new HostError(`nf_tables of the kernel does not answer: ${messageOf(thrown)}.`, { cause: thrown });
  } finally {
    socket?.close();
  }
}

/** The kernel reports errors before the acknowledgement. */
function transact(socket: NetlinkSocket, { bytes, last }: NfBatch): string | undefined {
  socket.send(bytes);
  const reply = socket.receive();
  const view = new DataView(reply.buffer, reply.byteOffset, reply.length);
  const errno = view.getUint16(4, true) === NLMSG.error ? -view.getInt32(ERRNO_AT, true) : 0;
  if (errno === EOPNOTSUPP) return TOO_OLD;
  if (errno !== 0) return socket.errorText(errno);
  return view.getUint32(SEQUENCE_AT, true) === last
    ? undefined
    : 'nf_tables gave no answer to the last request';
}

function readAll(socket: NetlinkSocket, device: string | undefined): Map<string, DeviceCounters> {
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const table = single(socket, tableQuestion())?.table;
    if (table === undefined) return new Map();
    const counters = device === undefined ? listed(socket) : deviceCounters(socket, device);
    // Another table may have taken its place meanwhile.
    if (counters !== 'torn' && single(socket, tableQuestion())?.table === table)
      return byDevice(table, counters);
  }
  throw new HostError(
    'The counters change faster than they can be read: something makes their table anew again and again.',
  );
}

function listed(socket: NetlinkSocket): readonly Counter[] | 'torn' {
  const found: Counter[] = [];
  let isTorn = false;
  socket.send(countersQuestion());
  for (let goesOn = true; goesOn; ) {
    const part = readCounters(socket.receive());
    found.push(...part.counters);
    goesOn = part.goesOn;
    if (part.errno !== 0 && part.errno !== ENOENT)
      throw new HostError(`nf_tables does not tell its counters: ${socket.errorText(part.errno)}.`);
    isTorn ||= part.isTorn;
  }
  return isTorn ? 'torn' : found;
}

function deviceCounters(socket: NetlinkSocket, device: string): Counter[] {
  return deviceQuestions(device).flatMap((question) => single(socket, question)?.counters ?? []);
}

/** @returns undefined where there is no such thing */
function single(socket: NetlinkSocket, question: Uint8Array): ReturnType<typeof readCounters> | undefined {
  socket.send(question);
  const reply = socket.receive();
  const view = new DataView(reply.buffer, reply.byteOffset, reply.length);
  if (view.getUint16(4, true) !== NLMSG.error) return readCounters(reply);
  const errno = -view.getInt32(ERRNO_AT, true);
  // Without nf_tables in the kernel nothing is counted either.
  if (errno === ENOENT) return undefined;
  throw new HostError(`nf_tables does not tell its counters: ${socket.errorText(errno)}.`);
}

function countersByNft(
  run: (
    argv: readonly string[],
    options: { readonly input?: string; readonly isListing?: boolean },
  ) => RunResult,
): TrafficCounters {
  const change = (device: string, port: string | undefined, what: string) => {
    const result = run(['nft', '-f', '-'], { input: `${counterLines(device, port).join('\n')}\n` });
    if (result.status !== 0) throw new HostError(`${what} (${failureText(result)}).`);
  };
  return {
    count: (device, port) => change(device, port, `The traffic of ${port} cannot be counted`),
    forget: (device) => change(device, undefined, `The counters of ${device} cannot be removed`),
    read: () => readByNft(run),
  };
}

function readByNft(run: Parameters<typeof countersByNft>[0]): Map<string, DeviceCounters> {
  const { family, name } = TRAFFIC_TABLE;
  const listing = run(['nft', '-j', 'list', 'table', family, name], { isListing: true });
  if (listing.status !== 0 && /No such file/.test(listing.stderr)) return new Map();
  if (listing.status !== 0) throw new HostError(`nft does not tell its counters (${failureText(listing)}).`);
  const objects: readonly Readonly<Record<string, NftObject>>[] = JSON.parse(listing.stdout).nftables;
  const table = objects.find((object) => 'table' in object)?.['table']?.handle ?? 0;
  const hooked = new Set(objects.flatMap(({ rule }) => (rule?.chain === undefined ? [] : [rule.chain])));
  const counters = objects.flatMap(({ counter }): Counter[] => {
    const { name: own = '', handle = 0, packets = 0, bytes = 0 } = counter ?? {};
    return counter === undefined ? [] : [{ name: own, handle, use: hooked.has(own) ? 1 : 0, packets, bytes }];
  });
  return byDevice(table, counters);
}

/** What nft prints as JSON of a table, a rule or a counter (libnftables-json(5)). */
interface NftObject {
  readonly name?: string;
  readonly handle?: number;
  readonly chain?: string;
  readonly packets?: number;
  readonly bytes?: number;
}
