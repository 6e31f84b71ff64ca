// Does the `ip` commands on its standard input (JSON: a list of lists of words) by asking the kernel, run by Bun in a
// test's namespaces; the first argument "force" goes on after a failure. Prints what came of it as JSON. With
// "addresses" and a device, or "own" and addresses: which IPv4 addresses the kernel tells, and which ip does. With "torn",
// addresses and a device: as "own", while the device gets one after the other of them, as soon as a part of the list came.
import { readFileSync } from 'node:fs';
import { loadNative } from '../../../lib/system/kernel/load-native.ts';
import { NETLINK } from '../../../lib/system/kernel/netlink.ts';
import { readOwnIpv4 } from '../../../lib/system/kernel/rtnetlink-addresses.ts';
import { nodeNative } from '../../../lib/system/node/native-node.ts';
import { openSystem } from '../../../lib/system/system.ts';

const [mode, ...words] = process.argv.slice(2);
const native = await loadNative();
const system = openSystem(native);

/** @returns how often the kernel was asked, and what it told at last, or why nothing was believed */
function torn(device: string, added: readonly string[]): unknown {
  let questions = 0;
  const rest = [...added];
  const open = () => {
    const socket = native.openNetlink?.(NETLINK.route);
    if (socket === undefined) throw new Error('There is no netlink.');
    let isFirst = false;
    return {
      ...socket,
      send(bytes: Uint8Array) {
        questions += 1;
        isFirst = true;
        socket.send(bytes);
      },
      receive() {
        const part = socket.receive().slice();
        const next = isFirst ? rest.shift() : undefined;
        isFirst = false;
        if (next !== undefined) system.rtnetlink?.([['address', 'add', next, 'dev', device]], false);
        return part;
      },
    };
  };
  try {
    return { found: readOwnIpv4(open).map(({ address }) => address), questions };
  } catch (thrown) {
    return { refused: String(thrown), questions };
  }
}

function run(): unknown {
  const both = [system, openSystem(nodeNative)];
  if (mode === 'addresses') return both.map((each) => each.ipv4Addresses(words[0] ?? ''));
  if (mode === 'own') return both.map((each) => each.ownIpv4(words));
  if (mode === 'torn') return torn(words[0] ?? '', words.slice(1));
  const commands: string[][] = JSON.parse(readFileSync(0, 'utf8'));
  return system.rtnetlink?.(commands, mode === 'force') ?? null;
}

process.stdout.write(JSON.stringify(run()));
