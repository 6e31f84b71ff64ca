// Run by Bun in a test's namespaces. "put" puts the rules on its standard input (JSON: [family, [[table, line], ...]]) in
// by asking the kernel, and prints what came of it as JSON; "dump" prints the expressions of each rule of a family
// ("dump 4") as the kernel has them, in hex digits, one rule in a line.
import { readFileSync } from 'node:fs';
import { libcNative } from '../../../lib/system/kernel/native-libc.ts';
import { NETLINK } from '../../../lib/system/kernel/netlink.ts';
import { openSystem } from '../../../lib/system/system.ts';

const [NLMSG_DONE, NFT_MSG_GETRULE, REQUEST_DUMP, EXPRESSIONS] = [3, 0xa07, 1 | 0x300, 4];
const [HEADER, BEFORE_ATTRIBUTES] = [16, 20];

function put(): string {
  const [family, lines]: [4 | 6, [string, string][]] = JSON.parse(readFileSync(0, 'utf8'));
  const system = openSystem(libcNative);
  const rules = lines.map(([table, line]) => ({ table, line }));
  return JSON.stringify(system.nfTables?.(family, rules) ?? null);
}

function* dump(family: number): Generator<string> {
  const socket = libcNative.openNetlink?.(NETLINK.netfilter);
  const question = new Uint8Array(BEFORE_ATTRIBUTES);
  const fields = new DataView(question.buffer);
  fields.setUint32(0, question.length, true);
  fields.setUint16(4, NFT_MSG_GETRULE, true);
  fields.setUint16(6, REQUEST_DUMP, true);
  fields.setUint8(HEADER, family === 4 ? 2 : 10);
  socket?.send(question);
  for (;;) {
    const datagram = Buffer.from(socket?.receive() ?? []);
    for (let at = 0; at < datagram.length; at += (datagram.readUInt32LE(at) + 3) & ~3) {
      if (datagram.readUInt16LE(at + 4) === NLMSG_DONE) return;
      yield expressions(datagram.subarray(at + BEFORE_ATTRIBUTES, at + datagram.readUInt32LE(at)));
    }
  }
}

function expressions(attributes: Buffer): string {
  for (let at = 0; at < attributes.length; at += (attributes.readUInt16LE(at) + 3) & ~3) {
    const bytes = attributes.subarray(at + 4, at + attributes.readUInt16LE(at));
    if ((attributes.readUInt16LE(at + 2) & 0x3fff) === EXPRESSIONS) return bytes.toString('hex');
  }
  return '';
}

const [what, family] = process.argv.slice(2);
process.stdout.write(what === 'dump' ? [...dump(Number(family))].join('\n') : put());
