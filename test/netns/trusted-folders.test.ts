import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { xlEnv } from '../support/hosts/host.ts';
import { FINE } from '../support/hosts/namespace.ts';
import { VifHost } from '../support/hosts/vif-host.ts';

let vif: VifHost;

beforeEach(async () => {
  vif = await VifHost.create();
  vif.host.vif(1);
  vif.store.vif(1, 0, { ip: '192.0.2.1' });
});

afterEach(() => vif.host.close());

const call = (script: string) =>
  vif.host.run(['sh', '-c', script], { env: { ...xlEnv(1), PATH: '/usr/bin:/bin' } });

test("whatever the caller's umask is, nobody else can write what is left", () => {
  expect(call('umask 000; exec /etc/xen/scripts/vif-bridge online')).toEqual(FINE);
  const open = 'find /run/xen-network /run/xen-hotplug /var/log/xen -perm /022 ! -type l 2>/dev/null';
  expect(call(open).stdout).toBe('');
});

describe('a folder that others can write, or put there, is not read', () => {
  test.each([
    ['is open to all', 'mkdir -m 777 /run/xen-network', 'has the mode 777'],
    [
      'is open to all below',
      'mkdir -p /run/xen-network; mkdir -m 777 /run/xen-network/journal',
      'has the mode 777',
    ],
    ["is another user's", 'mkdir /run/xen-network; chown 65534 /run/xen-network', 'belongs to user 65534'],
    ['is a link', 'mkdir /run/other; ln -s other /run/xen-network', 'is no folder'],
  ])('that %s', (_what, made, why) => {
    call(made);
    const forged = {
      steps: [
        { do: { tool: 'ip', args: [] }, undo: [{ tool: 'run', argv: ['touch', '/run/forged'] }], why: 'x' },
      ],
      indexes: [],
    };
    call(
      `mkdir -p /run/xen-network/journal; echo '${JSON.stringify(forged)}\n1' > /run/xen-network/journal/vif1.0`,
    );
    const ran = vif.online(1);
    expect(ran.status).toBe(1);
    expect(ran.stderr).toContain(why);
    expect(vif.store.told(1)).toMatchObject({ status: 'error', error: expect.stringContaining(why) });
    expect(call('ls /run/forged').status).not.toBe(0);
  });
});

test('a temporary file that somebody put there is neither followed nor written', () => {
  call('mkdir -p /run/xen-network/vif; echo kept > /run/kept; ln -s /run/kept /run/xen-network/vif/.vif1.0~');
  expect(vif.online(1)).toEqual(FINE);
  expect(call('cat /run/kept').stdout).toBe('kept\n');
});
