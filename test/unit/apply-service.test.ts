import { describe, expect, test } from 'vitest';
import { runServices } from '../../lib/apply/service.ts';
import type { Service } from '../../lib/observe/service.ts';
import type { Command } from '../../lib/plan/step.ts';
import { nodeNative } from '../../lib/system/native-node.ts';
import { openSystem, type System } from '../../lib/system/system.ts';

const CONF = '/etc/dhcp/dhcpd.conf';
const UPTIME_S = 1000;

const UNIT: Service = {
  program: 'dhcpd',
  control: { kind: 'systemd', unit: 'isc-dhcp-server' },
  pidFiles: ['/run/dhcpd.pid'],
  files: [CONF],
};

interface Host {
  /** Seconds since boot at which process 77, the server, began; undefined when none runs. */
  readonly began?: number;
  /** Seconds since boot at which its file was changed. */
  readonly changed?: number;
  readonly status?: number;
  readonly files?: readonly string[];
}

function systemOf({ began, changed = 0, status = 0, files = [] }: Host, done: string[]): System {
  const boot = Date.now() - UPTIME_S * 1000;
  const texts: Record<string, string> = {
    '/proc/uptime': `${UPTIME_S}.00 0.00`,
    ...(began === undefined
      ? {}
      : {
          '/run/dhcpd.pid': '77',
          '/proc/77/comm': 'dhcpd',
          '/proc/77/stat': `77 (dhcpd (x)) S ${'0 '.repeat(18)}${began * 100} 0`,
        }),
  };
  return {
    ...openSystem(nodeNative),
    readText: (path) => texts[path],
    modifiedAt: () => boot + changed * 1000,
    list: () => [...files],
    exists: () => true,
    remove: (path) => void done.push(`rm ${path}`),
    run(argv) {
      if (argv.includes('show')) return { status: 0, stdout: '0\n', stderr: '' };
      done.push(argv.join(' '));
      return { status, stdout: '', stderr: status === 0 ? '' : 'Job for it failed.\n' };
    },
  };
}

async function run(host: Host, more: Partial<Extract<Command, { tool: 'service' }>> = {}) {
  const done: string[] = [];
  const command = { tool: 'service', verb: 'restart', service: UNIT, optional: false, ...more } as const;
  const outcome = await runServices(systemOf(host, done), [command]);
  return { done, outcome };
}

const RESTART = ['systemctl reset-failed isc-dhcp-server', 'systemctl restart isc-dhcp-server'];
const FINE = { done: 1, exact: true };

describe('a server that systemd runs', () => {
  test('is restarted when its files were changed since it began', async () => {
    expect(await run({ began: 500, changed: 900 })).toEqual({ done: RESTART, outcome: FINE });
    expect(await run({})).toEqual({ done: RESTART, outcome: FINE });
  });

  test('is not restarted when it has read its files already', async () => {
    expect(await run({ began: 901, changed: 900 })).toEqual({ done: [], outcome: FINE });
  });

  test('that does not start is an error, but for where it is optional', async () => {
    const host = { began: 500, changed: 900, status: 1 };
    expect((await run(host)).outcome).toEqual({ done: 0, exact: false, error: 'Job for it failed.' });
    expect((await run(host, { optional: true })).outcome).toEqual(FINE);
  });

  test('is stopped by its unit', async () => {
    expect((await run({ began: 500 }, { verb: 'stop' })).done).toEqual(['systemctl stop isc-dhcp-server']);
  });
});

test('an init script is called where no systemd runs', async () => {
  const service: Service = { ...UNIT, control: { kind: 'init', script: '/etc/init.d/dhcpd' } };
  expect((await run({ began: 500, changed: 900 }, { service })).done).toEqual(['/etc/init.d/dhcpd restart']);
});

test('our own server ends with the last guest, and its files go with it', async () => {
  const service: Service = {
    ...UNIT,
    control: { kind: 'process', argv: ['dnsmasq', '--port=0'] },
    neededFor: '/run/xen-network/dnsmasq/nat.d',
    leavings: ['/run/a.pid', '/run/a.leases'],
  };
  expect(await run({}, { service })).toEqual({ done: ['rm /run/a.pid', 'rm /run/a.leases'], outcome: FINE });
});
