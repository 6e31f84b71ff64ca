import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { HOOKS } from '../../bin/hooks.ts';
import { MULTI_LIST } from '../../lib/request/multi-bridge.ts';
import { parseOvsBridge } from '../../lib/request/openvswitch.ts';
import { NetHost } from '../support/hosts/net-host.ts';

const folder = join(import.meta.dirname, '../../man');
/** What is run by other tests, or by nothing that a test could have. */
const ELSEWHERE: readonly string[] = [
  // test/netns/desk/boot.test.ts
  "(network-script 'network-bridge netdev=eth1')",
  // xl's own configuration.
  'vif.default.script="/usr/lib/xen-network/scripts/vif-bridge"',
  // test/install/init.test.ts
  'systemctl enable xen-network',
  'systemctl enable --now xen-network-traffic.timer',
];
let net: NetHost;

afterEach(() => net.host.close());

/** The literal blocks of a page, each a list of lines. */
function blocks(page: string): string[][] {
  const text = readFileSync(join(folder, page), 'utf8');
  return [...text.matchAll(/^```\n([\s\S]*?)^```$/gm)].map(([, body = '']) => body.trimEnd().split('\n'));
}

/** A host for whatever the pages show: a second card, and bridges that guests name. */
async function makeHost(): Promise<NetHost> {
  const made = await NetHost.create();
  made.host.nic('dummy0', { address: '198.51.100.2/24' });
  return made;
}

/** Lets a line of a guest's configuration be used, on the host as it is by then. */
function guest(line: string, domid: number): void {
  const [, words = ''] = /^vif = \[ '([^']*)' \]$/.exec(line) ?? [];
  const values = Object.fromEntries(
    words.split(', ').map((word): [string, string] => {
      const [key = '', ...rest] = word.split('=');
      return [key, rest.join('=')];
    }),
  );
  const { script = 'vif-bridge', mac, ...others } = values;
  expect(mac).toMatch(/^00:16:3e(:[0-9a-f]{2}){3}$/);
  expect(Object.keys(HOOKS)).toContain(script);
  if (script === 'vif-openvswitch') {
    // test/netns/vif/vif-openvswitch.test.ts has a switch.
    expect(parseOvsBridge(others['bridge'] ?? '').trunks).not.toEqual([]);
    return;
  }
  const bridge = others['bridge'];
  if (bridge !== undefined && net.host.run(['ip', 'link', 'show', bridge]).status !== 0)
    net.host.ip(`link add ${bridge} type bridge`, `link set ${bridge} up`);
  net.guest(script, domid, others);
  net.end(script, domid);
}

function play(line: string, number: number): void {
  const [hook = '', ...words] = line.split(' ');
  if (line.startsWith('vif = ')) guest(line, number + 1);
  else if (hook === 'xen-network' || Object.hasOwn(HOOKS, hook))
    expect({ line, ...net.host.hook(hook, words) }).toMatchObject({ line, status: 0 });
  else expect(ELSEWHERE).toContain(line);
}

describe('what the manual shows is so', () => {
  test.each(readdirSync(folder).filter((page) => page.endsWith('.scd') && blocks(page).length > 0))(
    '%s',
    async (page) => {
      net = await makeHost();
      if (page.includes('.conf.')) {
        net.host.write(MULTI_LIST, `${blocks(page)[0]?.join('\n')}\n`);
        for (const word of ['start', 'stop']) net.ok('network-multi-bridge', word);
        return;
      }
      for (const block of blocks(page)) for (const [number, line] of block.entries()) play(line, number);
    },
  );
});
