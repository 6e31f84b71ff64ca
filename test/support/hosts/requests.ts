import type { Host } from './host.ts';
import type { Ran } from './namespace.ts';

/** What a call of a hook asks of others. */
export interface Requests {
  /** Requests to xenstored, and how many of them begin a transaction. */
  readonly xenstore: number;
  readonly transactions: number;
  /** Requests to the kernel by netlink, and how many of them ask for a whole list. */
  readonly netlink: number;
  readonly dumps: number;
  readonly children: number;
}

const TRACE = '/run/trace';
const CALLS = 'socket,connect,close,write,clone,clone3,fork,vfork';
const XS_TRANSACTION_START = 6;
const XS_HEADER = 16;
const NLM_F_DUMP = 0x300;
const NFNL_SUBSYS_NFTABLES = 10;

/**
 * Calls a hook, and counts what it asks of xenstored, of the kernel by netlink, and of other programs.
 * @param host where
 * @param argv the hook and its arguments
 * @param env its variables
 * @returns what the hook did, and the numbers
 */
export function counted(
  host: Host,
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
): { readonly ran: Ran; readonly requests: Requests } {
  const ran = host.run(
    ['strace', '-qq', '-xx', '-s', '1000000', '-o', TRACE, '-e', `trace=${CALLS}`, ...argv],
    {
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', ...env },
    },
  );
  return { ran, requests: requestsIn(host.ok('cat', TRACE)) };
}

function requestsIn(trace: string): Requests {
  const kinds = new Map<string, 'xenstore' | 'netlink'>();
  const sent = { xenstore: [] as Buffer[], netlink: [] as Buffer[] };
  let children = 0;
  for (const line of trace.split('\n')) {
    const [, call = '', fd = '', rest = ''] = /^(\w+)\(([^,)]*)(.*)$/.exec(line) ?? [];
    const result = / = (\d+)/.exec(line)?.[1] ?? '';
    if (/^(clone3?|v?fork)$/.test(call)) children += 1;
    if (call === 'close') kinds.delete(fd);
    if (call === 'socket' && fd === 'AF_NETLINK') kinds.set(result, 'netlink');
    if (call === 'connect' && bytesIn(rest).includes('xenstored/socket')) kinds.set(fd, 'xenstore');
    const kind = kinds.get(fd);
    if (call === 'write' && kind !== undefined) sent[kind].push(bytesIn(rest));
  }
  const xenstore = messages(Buffer.concat(sent.xenstore), (at) => XS_HEADER + at.readUInt32LE(12), 1);
  const netlink = messages(Buffer.concat(sent.netlink), (at) => at.readUInt32LE(0), 4);
  return {
    xenstore: xenstore.length,
    transactions: xenstore.filter((message) => message.readUInt32LE(0) === XS_TRANSACTION_START).length,
    netlink: netlink.length,
    dumps: netlink.filter(isDump).length,
    children,
  };
}

/** The bytes of the text between quotes, which strace writes in hexadecimal digits. */
function bytesIn(words: string): Buffer {
  const [, text = ''] = /"((?:\\x[0-9a-f]{2})*)"/.exec(words) ?? [];
  return Buffer.from(text.replaceAll('\\x', ''), 'hex');
}

/** Splits what was sent into messages. */
function messages(bytes: Buffer, length: (message: Buffer) => number, align: number): Buffer[] {
  const found: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + length(bytes.subarray(at));
    found.push(bytes.subarray(at, end));
    at = Math.ceil(end / align) * align;
  }
  return found;
}

/** Of the four numbers that each kind of thing has in rtnetlink the third asks; of the three in nf_tables the second does. */
function isDump(message: Buffer): boolean {
  const [type, flags] = [message.readUInt16LE(4), message.readUInt16LE(6)];
  const asks =
    type >> 8 === NFNL_SUBSYS_NFTABLES ? [1, 4, 7, 10, 13, 16, 19, 22].includes(type & 0xff) : type % 4 === 2;
  return asks && (flags & NLM_F_DUMP) === NLM_F_DUMP;
}
