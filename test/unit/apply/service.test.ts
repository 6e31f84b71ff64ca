import { describe, expect, test, vi } from 'vitest';
import { runServices } from '../../../lib/apply/service.ts';
import type { Service } from '../../../lib/observe/host/service.ts';
import type { ServiceCommand } from '../../../lib/plan/step.ts';
import { nodeNative } from '../../../lib/system/node/native-node.ts';
import { openSystem, type System } from '../../../lib/system/system.ts';

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
  /** How the server's look at its own files ends. */
  readonly check?: number;
  /** Whether it ends when it is restarted. */
  readonly ends?: boolean;
  readonly files?: readonly string[];
}

function systemOf(host: Host, done: string[]): System {
  const { changed = 0, status = 0, check = 0, files = [], ends = false } = host;
  let { began } = host;
  const boot = Date.now() - UPTIME_S * 1000;
  const texts = (): Record<string, string> => ({
    '/proc/uptime': `${UPTIME_S}.00 0.00`,
    ...(began === undefined
      ? {}
      : {
          '/run/dhcpd.pid': '77',
          '/proc/77/comm': 'dhcpd',
          '/proc/77/stat': `77 (dhcpd (x)) S ${'0 '.repeat(18)}${began * 100} 0`,
        }),
  });
  return {
    ...openSystem(nodeNative),
    readText: (path) => texts()[path],
    modifiedAt: () => boot + changed * 1000,
    list: () => [...files],
    exists: () => true,
    sleep: async () => {},
    remove: (path) => void done.push(`rm ${path}`),
    run(argv) {
      if (argv.includes('show')) return { status: 0, stdout: '0\n', stderr: '' };
      done.push(argv.join(' '));
      if (argv.includes('-t'))
        return { status: check, stdout: '', stderr: check === 0 ? '' : 'conf line 3: no\n' };
      if (argv.includes('restart')) began = ends ? undefined : status === 0 ? UPTIME_S - 1 : began;
      return { status, stdout: '', stderr: status === 0 ? '' : 'Job for it failed.\n' };
    },
  };
}

async function run(host: Host, more: Partial<ServiceCommand> = {}, force = false) {
  const done: string[] = [];
  const command = { tool: 'service', verb: 'restart', service: UNIT, optional: false, ...more } as const;
  const outcome = await runServices(systemOf(host, done), [command], force);
  return { done, outcome };
}

const CHECK = `dhcpd -t -cf ${CONF}`;
const RESTART = ['systemctl reset-failed isc-dhcp-server', 'systemctl restart isc-dhcp-server'];
const FINE = { done: 1, exact: true };

describe('a server that systemd runs', () => {
  test('is restarted when its files were changed since it began', async () => {
    expect(await run({ began: 500, changed: 900 })).toEqual({ done: [CHECK, ...RESTART], outcome: FINE });
    expect(await run({})).toEqual({ done: RESTART, outcome: FINE });
  });

  test('is not restarted when it has read its files already', async () => {
    expect(await run({ began: 901, changed: 900 })).toEqual({ done: [], outcome: FINE });
  });

  test.each([3_600_000, -3_600_000])(
    'is restarted when the time of day was set by %i ms since',
    async (ms) => {
      const real = Date.now;
      const spy = vi.spyOn(Date, 'now').mockImplementation(() => real() + ms);
      expect((await run({ began: 901, changed: 900 })).done).toEqual([CHECK, ...RESTART]);
      spy.mockRestore();
      expect((await run({ began: 901, changed: 900 })).done).toEqual([]);
    },
  );

  test('that began while it was restarted runs, whatever its script complains of', async () => {
    const host = { began: UPTIME_S, changed: UPTIME_S + 1, status: 1 };
    expect((await run(host)).outcome).toEqual(FINE);
  });

  test('that does not start is an error, but for where it is optional', async () => {
    const host = { began: 500, changed: 900, status: 1 };
    expect((await run(host)).outcome).toEqual({ done: 0, exact: false, error: 'Job for it failed.' });
    expect((await run(host, { optional: true })).outcome).toEqual({
      ...FINE,
      notes: ['The DHCP server does not use the change: Job for it failed.'],
    });
  });

  test('that finds a fault in its files is not restarted, which is an error except in an undo', async () => {
    const host = { began: 500, changed: 900, check: 1 };
    const error = 'dhcpd was not restarted, since it would not start again: conf line 3: no';
    expect(await run(host, { optional: true })).toEqual({
      done: [CHECK],
      outcome: { done: 0, exact: false, error },
    });
    expect((await run(host, {}, true)).outcome).toMatchObject({
      done: 1,
      notes: [expect.stringContaining(error)],
    });
  });

  test('that ran and ends is an error even where it is optional, unless it may have nothing left to serve', async () => {
    const host = { began: 500, changed: 900, ends: true };
    expect((await run(host, { optional: true })).outcome).toMatchObject({
      done: 0,
      error: 'dhcpd does not run after it was started',
    });
    expect((await run(host, { optional: true, mayEnd: true })).outcome).toEqual(FINE);
  });

  test('is stopped by its unit', async () => {
    expect((await run({ began: 500 }, { verb: 'stop' })).done).toEqual(['systemctl stop isc-dhcp-server']);
  });
});

test('an init script is called where no systemd runs', async () => {
  const service: Service = { ...UNIT, control: { kind: 'init', script: '/etc/init.d/dhcpd' } };
  expect((await run({ began: 500, changed: 900 }, { service })).done).toEqual([
    CHECK,
    '/etc/init.d/dhcpd restart',
  ]);
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
