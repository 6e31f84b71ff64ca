import { messageOf, XenNetworkError } from '../../errors.ts';
import { encodeIp, isKernelRequest, RTM, type RtFlush, type RtMessage } from '../../wire/rtnetlink.ts';
import {
  attributes,
  framed,
  frames,
  HEADER,
  type NetlinkFrame,
  type NetlinkSocket,
  NLMSG_ERROR,
} from './netlink.ts';
import { dumpAddresses, unanswered } from './rtnetlink-addresses.ts';

/** How many commands were done; `error` tells why the rest were not. */
export interface RtOutcome {
  readonly done: number;
  /** Whether the kernel may have done more: the answer to the last request did not arrive. */
  readonly isUnknown?: boolean;
  readonly error?: string;
  /** Every failure; one, unless the run goes on after failures. */
  readonly refusals?: readonly Refusal[];
}

/** A command that the kernel refused. */
export interface Refusal {
  /** 0 where the kernel gave no error number. */
  readonly errno: number;
  readonly text: string;
  /** The kernel's answer did not arrive, so it may have done the command. */
  readonly isUnanswered?: boolean;
}

const NLM_F_REQUEST_ACK = 1 | 4;
const NLM_F_CAPPED = 0x100;
const NLM_F_ACK_TLVS = 0x200;
const NLMSGERR_ATTR_MSG = 1;
const [ENODEV, EADDRNOTAVAIL] = [19, 99];
/** When an address is deleted the kernel may promote a secondary one, which is then listed again. */
const FLUSH_ROUNDS = 10;
/**
 * Does the work of `ip -batch` for these commands, without a child process.
 * @param open opens the socket
 * @param commands the words of each command
 * @param indexOf returns a device's index, undefined when there is no such device
 * @param force whether to go on after a command that fails
 * @returns undefined, with nothing done, when one of the commands cannot be encoded here
 */
export function runRtnetlink(
  open: () => NetlinkSocket,
  commands: readonly (readonly string[])[],
  indexOf: IndexOf,
  force: boolean,
): RtOutcome | undefined {
  // The host may be without network until the last command is done, so all messages are prepared before the first is
  // sent.
  const ready = prepare(commands, indexOf);
  if (ready === undefined) return undefined;
  let socket = open();
  const errors: Refusal[] = [];
  try {
    for (const [done, args] of commands.entries()) {
      const message = errors.length === 0 ? ready[done] : undefined;
      const error = message === undefined ? runOne(socket, args, indexOf) : perform(socket, message);
      if (error === undefined) continue;
      errors.push(error);
      const { text, isUnanswered = false } = error;
      if (!force) return { done, isUnknown: isUnanswered, error: text, refusals: errors };
      if (!isUnanswered) continue;
      // The answer may come yet, and must not be taken for that to the next request.
      socket.close();
      socket = open();
    }
  } finally {
    socket.close();
  }
  return errors.length === 0
    ? { done: commands.length }
    : { done: commands.length, error: errors.map(({ text }) => text).join('; '), refusals: errors };
}

class NoSuchDevice extends Error {
  override readonly name = 'NoSuchDevice';
}

type IndexOf = (name: string) => number | undefined;

/**
 * Encodes every command whose devices exist already, under the names that earlier commands will have given them.
 * @returns undefined when a command cannot be encoded here
 */
function prepare(
  commands: readonly (readonly string[])[],
  indexOf: IndexOf,
): (RtMessage | RtFlush | undefined)[] | undefined {
  const names = new Map<string, number | undefined>();
  const known: IndexOf = (name) => {
    if (!names.has(name)) names.set(name, indexOf(name));
    return names.get(name);
  };
  const ready: (RtMessage | RtFlush | undefined)[] = [];
  for (const args of commands) {
    const message = encodedYet(args, known);
    if (message === undefined && !isKernelRequest(args)) return undefined;
    ready.push(message);
    follow(args, names);
  }
  return ready;
}

/** @returns also undefined while a device does not exist, or its index could not be read */
function encodedYet(args: readonly string[], indexOf: IndexOf): RtMessage | RtFlush | undefined {
  try {
    return encoded(args, indexOf);
  } catch (thrown) {
    if (thrown instanceof NoSuchDevice || thrown instanceof XenNetworkError) return undefined;
    throw thrown;
  }
}

function follow(
  [object, verb, word, name = '', what, to = '']: readonly string[],
  names: Map<string, number | undefined>,
): void {
  if (object !== 'link') return;
  if (verb === 'add' || verb === 'del') names.set(name, undefined);
  if (verb !== 'set' || word !== 'dev' || what !== 'name') return;
  names.set(to, names.get(name));
  names.set(name, undefined);
}

function encoded(args: readonly string[], indexOf: IndexOf): RtMessage | RtFlush | undefined {
  return encodeIp(args, (name) => {
    const index = indexOf(name);
    if (index === undefined) throw new NoSuchDevice(`Cannot find device "${name}"`);
    return index;
  });
}

function runOne(socket: NetlinkSocket, args: readonly string[], indexOf: IndexOf): Refusal | undefined {
  let message: RtMessage | RtFlush | undefined;
  try {
    message = encoded(args, indexOf);
  } catch (thrown) {
    if (thrown instanceof NoSuchDevice) return { errno: ENODEV, text: thrown.message };
    if (thrown instanceof XenNetworkError) return { errno: 0, text: thrown.message.replace(/\.$/, '') };
    throw thrown;
  }
  return message === undefined
    ? { errno: 0, text: 'this command needs ip itself' }
    : perform(socket, message);
}

function perform(socket: NetlinkSocket, message: RtMessage | RtFlush): Refusal | undefined {
  try {
    return 'flush' in message ? flush(socket, message) : request(socket, message);
  } catch (thrown) {
    if (!(thrown instanceof Error)) throw thrown;
    const text =
      thrown instanceof XenNetworkError ? messageOf(thrown).replace(/\.$/, '') : unanswered(thrown);
    return { errno: 0, text, isUnanswered: true };
  }
}

/** Sends a request and waits for its acknowledgement. */
function request(socket: NetlinkSocket, message: RtMessage): Refusal | undefined {
  socket.send(framed(message.type, NLM_F_REQUEST_ACK | message.flags, message.payload));
  for (const reply of frames(socket.receive())) {
    if (reply.type !== NLMSG_ERROR) continue;
    const errno = -reply.view.getInt32(HEADER, true);
    return errno === 0
      ? undefined
      : { errno, text: extendedText(reply) ?? `RTNETLINK answers: ${socket.errorText(errno)}` };
  }
  return { errno: 0, text: 'RTNETLINK gave no answer', isUnanswered: true };
}

function flush(socket: NetlinkSocket, { index, family }: RtFlush): Refusal | undefined {
  for (let round = 0; round < FLUSH_ROUNDS; round++) {
    const addresses = dumpAddresses(socket, index, family);
    if (addresses.length === 0) return undefined;
    for (const payload of addresses) {
      const refusal = request(socket, { type: RTM.delAddress, flags: 0, payload });
      if (refusal !== undefined && refusal.errno !== EADDRNOTAVAIL) return refusal;
    }
  }
  return { errno: 0, text: 'addresses keep coming back while they are taken away' };
}

/** The kernel's own error text, where it gives one (NETLINK_EXT_ACK). */
function extendedText({ flags, view, bytes }: NetlinkFrame): string | undefined {
  if ((flags & NLM_F_ACK_TLVS) === 0) return undefined;
  const original = (flags & NLM_F_CAPPED) === 0 ? view.getUint32(HEADER + 4, true) : HEADER;
  const message = attributes(bytes, HEADER + 4 + ((original + 3) & ~3)).get(NLMSGERR_ATTR_MSG);
  return message && `Error: ${new TextDecoder().decode(message).replace(/\0+$/, '')}.`;
}
