import { HostError, XenNetworkError } from '../../errors.ts';
import { RTM } from '../../wire/rtnetlink.ts';
import { IFA } from '../../wire/rtnetlink-address.ts';
import { AF_INET } from '../../wire/rtnetlink-bytes.ts';
import { encodeLookup } from '../../wire/rtnetlink-route.ts';
import { errnoWords } from './native-errors.ts';
import {
  attributes,
  framed,
  frames,
  HEADER,
  type NetlinkFrame,
  type NetlinkSocket,
  NLM_F_DUMP_INTR,
  NLMSG_DONE,
  NLMSG_ERROR,
} from './netlink.ts';

/** An address of one of the host's devices. */
export interface DeviceAddress {
  readonly device: string;
  /** Without the prefix length. */
  readonly address: string;
}

const NLM_F_REQUEST = 1;
const NLM_F_REQUEST_DUMP = 1 | 0x300;
/** Length of struct ifaddrmsg: family, prefix length, flags, scope, index. */
const ADDRESS_HEADER = 8;
/** The offset of the route's type in struct rtmsg, and the type of routes to the host's own addresses. */
const [ROUTE_TYPE_AT, RTN_LOCAL] = [7, 2];
const [ENOMEM, ENODEV, ENOBUFS] = [12, 19, 105];
/** How often a listing is asked for that changes while the kernel sends it. */
const MOST_DUMPS = 20;

/**
 * The IPv4 addresses of a device in the kernel's order, with one request.
 * @param open opens the socket
 * @param index the device's index
 */
export function readIpv4Addresses(open: () => NetlinkSocket, index: number): string[] {
  return opened(open, (socket) =>
    dumpAddresses(socket, index, AF_INET).map((payload) => deviceAddress(payload).address),
  );
}

/**
 * The host's own IPv4 addresses, or those of the given addresses that are its own. All devices' addresses are listed
 * only when at least one of the given addresses is the host's.
 * @param open opens the socket
 * @param among the addresses, without prefix lengths; all of the host's where it is left out
 */
export function readOwnIpv4(open: () => NetlinkSocket, among?: readonly string[]): DeviceAddress[] {
  return opened(open, (socket) =>
    among === undefined || among.some((address) => isLocal(socket, address))
      ? dumpAddresses(socket, 0, AF_INET)
          .map(deviceAddress)
          .filter(({ address }) => among?.includes(address) !== false)
      : [],
  );
}

/** Asks the kernel for its route to the address. */
function isLocal(socket: NetlinkSocket, address: string): boolean {
  socket.send(framed(RTM.getRoute, NLM_F_REQUEST, encodeLookup(address)));
  const answers = frames(socket.receive());
  // Any other error tells that no route leads there.
  const failed = answers.map(errorOf).find((errno) => errno === ENOMEM || errno === ENOBUFS);
  if (failed !== undefined) throw untold(socket, 'the route to an address', failed);
  return answers.some(
    ({ type, bytes }) => type === RTM.newRoute && bytes[HEADER + ROUTE_TYPE_AT] === RTN_LOCAL,
  );
}

/** The error number of an answer, or of the end of a listing; 0 for none, undefined for any other message. */
function errorOf({ type, view }: NetlinkFrame): number | undefined {
  if (type !== NLMSG_ERROR && type !== NLMSG_DONE) return undefined;
  return view.byteLength < HEADER + 4 ? 0 : -view.getInt32(HEADER, true);
}

function untold(socket: NetlinkSocket, what: string, errno: number): HostError {
  return new HostError(`The kernel does not tell ${what}: ${socket.errorText(errno)} (error ${errno}).`);
}

function deviceAddress(payload: Uint8Array): DeviceAddress {
  const found = attributes(payload, ADDRESS_HEADER);
  const label = new TextDecoder().decode(found.get(IFA.label)).replace(/\0+$/, '');
  return {
    // The label is the device's name, or the name, ":" and a suffix (ip-address(8)).
    device: label.replace(/:.*/, ''),
    address: (found.get(IFA.local) ?? found.get(IFA.address) ?? new Uint8Array(0)).join('.'),
  };
}

/**
 * What to say where a socket fails.
 * @param thrown the error of the call
 */
export function unanswered(thrown: Error): string {
  return `RTNETLINK gave no answer: ${errnoWords(thrown)}`;
}

/** @throws HostError where the kernel does not answer */
function opened<T>(open: () => NetlinkSocket, ask: (socket: NetlinkSocket) => T): T {
  const socket = open();
  try {
    return ask(socket);
  } catch (thrown) {
    if (!(thrown instanceof Error) || thrown instanceof XenNetworkError) throw thrown;
    throw new HostError(`The addresses of this host cannot be read: ${unanswered(thrown)}.`, {
      cause: thrown,
    });
  } finally {
    socket.close();
  }
}

/**
 * The payloads of all address messages of one device, or of all devices with index 0; of one family, or of both with 0.
 * @param socket a socket with no other request under way
 * @param index the device's index
 * @param family AF_INET or AF_INET6
 * @throws HostError where the kernel does not tell
 */
export function dumpAddresses(socket: NetlinkSocket, index: number, family: number): Uint8Array[] {
  for (let tries = 0; tries < MOST_DUMPS; tries++) {
    const found = dumpOnce(socket, index, family);
    if (found !== 'torn') return found;
  }
  throw new HostError(
    'The addresses of this host change faster than they can be read: something adds and removes them again and again.',
  );
}

function dumpOnce(socket: NetlinkSocket, index: number, family: number): Uint8Array[] | 'torn' {
  const question = new Uint8Array(ADDRESS_HEADER);
  question[0] = family;
  new DataView(question.buffer).setUint32(4, index, true);
  socket.send(framed(RTM.getAddress, NLM_F_REQUEST_DUMP, question));
  const found: Uint8Array[] = [];
  for (let isTorn = false; ; ) {
    for (const frame of frames(socket.receive())) {
      const { type, flags, view, bytes } = frame;
      if ((flags & NLM_F_DUMP_INTR) !== 0) isTorn = true;
      const errno = errorOf(frame);
      // A device that has gone has no addresses.
      if (errno !== undefined && errno !== 0 && errno !== ENODEV)
        throw untold(socket, 'the addresses of its devices', errno);
      if (errno !== undefined) return isTorn ? 'torn' : found;
      // An old kernel ignores the filter and lists the addresses of all devices.
      if (type === RTM.newAddress && (index === 0 || view.getUint32(HEADER + 4, true) === index))
        found.push(bytes.slice(HEADER));
    }
  }
}
