import { describe, expect, test } from 'vitest';
import { batches } from '../../../lib/apply/execute.ts';
import type { DhcpdState } from '../../../lib/observe/dhcp/dhcp.ts';
import type { DnsmasqState } from '../../../lib/observe/dhcp/dnsmasq.ts';
import type { Service } from '../../../lib/observe/host/service.ts';
import { planGuestLease, planGuestRelease } from '../../../lib/plan/dhcp/lease.ts';
import { planSubnet, planSubnetStop } from '../../../lib/plan/dhcp/subnet.ts';
import type { Step } from '../../../lib/plan/step.ts';
import { type Lease, NAT_SUBNET } from '../../../lib/request/dhcp.ts';
import { applyEdit, hostLine, subnetLine } from '../../../lib/wire/dhcp-conf.ts';

const RESOLVER = { domain: 'example.org', servers: ['192.0.2.53'] };
const LINE = subnetLine(NAT_SUBNET, RESOLVER);
const LEASE: Lease = {
  name: 'dom1',
  mac: '00:16:3e:00:00:01',
  address: '10.0.1.1',
  router: '10.0.1.128',
  device: 'vif1.0',
};
const CONF = '/etc/dhcp/dhcpd.conf';
const ARGS = '/etc/default/isc-dhcp-server';
const SERVICE: Service = {
  program: 'dhcpd',
  control: { kind: 'systemd', unit: 'isc-dhcp-server' },
  pidFiles: ['/run/dhcpd.pid'],
  files: [CONF, ARGS],
};

function dhcpd(conf: string, list: string, more: Partial<DhcpdState> = {}): DhcpdState {
  return {
    server: 'dhcpd',
    conf: { path: CONF, text: conf },
    args: { path: ARGS, text: `INTERFACESv4=${list}\n`, variable: 'INTERFACESv4' },
    goneDevices: [],
    goneHosts: [],
    heldLines: [LINE],
    service: SERVICE,
    running: true,
    demanded: true,
    resolver: RESOLVER,
    ...more,
  };
}

/** What the files hold once the steps are done, and how often the server reads them. */
function outcome(state: DhcpdState, steps: readonly Step[]) {
  const texts = new Map([
    [CONF, state.conf.text],
    [ARGS, state.args?.text ?? ''],
  ]);
  for (const { do: command } of steps) {
    if (command.tool === 'edit')
      texts.set(command.path, applyEdit(texts.get(command.path) ?? '', command.edit));
  }
  const restarts = steps.filter((step) => step.do.tool === 'service').length;
  return { conf: texts.get(CONF), list: texts.get(ARGS), restarts };
}

describe('dhcpd', () => {
  const conf = `# by hand\n${LINE}\n`;

  test('a guest is given its entry, and its device is served', () => {
    const state = dhcpd(conf, '""');
    expect(outcome(state, planGuestLease(state, LEASE))).toEqual({
      conf: `${conf}${hostLine(LEASE)}\n`,
      list: 'INTERFACESv4="vif1.0"\n',
      restarts: 1,
    });
  });

  test('a second time nothing is to do', () => {
    expect(planGuestLease(dhcpd(`${conf}${hostLine(LEASE)}\n`, '"vif1.0"'), LEASE)).toEqual([]);
  });

  test('a server that serves all devices goes on doing so', () => {
    const state = dhcpd(`${conf}subnet 192.0.2.0 netmask 255.255.255.0 { }\n`, '""');
    expect(outcome(state, planGuestLease(state, LEASE)).list).toBe('INTERFACESv4=""\n');
  });

  test('devices and entries of guests that are gone are taken out', () => {
    const stale = hostLine({ ...LEASE, name: 'dom9' });
    const state = dhcpd(`${conf}${stale}\n`, '"eth1 vif9.0"', {
      goneDevices: ['vif9.0'],
      goneHosts: ['dom9'],
    });
    expect(outcome(state, planGuestLease(state, LEASE))).toMatchObject({
      conf: `${conf}${hostLine(LEASE)}\n`,
      list: 'INTERFACESv4="eth1 vif1.0"\n',
    });
  });

  test('a guest elsewhere gets a subnet of its own, which goes with it', () => {
    const elsewhere = { ...LEASE, address: '192.168.5.2', router: '192.168.5.129' };
    const state = dhcpd(conf, '""');
    const after = outcome(state, planGuestLease(state, elsewhere));
    expect(after.conf).toContain('\nsubnet 192.168.5.0 netmask 255.255.255.0 {');
    const next = dhcpd(after.conf ?? '', '"vif1.0"');
    expect(outcome(next, planGuestRelease(next, LEASE))).toEqual({
      conf,
      list: 'INTERFACESv4=""\n',
      restarts: 1,
    });
  });

  test('to release dom1 leaves dom10 alone', () => {
    const ten = hostLine({ ...LEASE, name: 'dom10', mac: '00:16:3e:00:00:0a', address: '10.0.10.1' });
    const state = dhcpd(`${conf}${ten}\n${hostLine(LEASE)}\n`, '"vif10.0 vif1.0"');
    expect(outcome(state, planGuestRelease(state, LEASE))).toEqual({
      conf: `${conf}${ten}\n`,
      list: 'INTERFACESv4="vif10.0"\n',
      restarts: 1,
    });
  });

  test("an entry of that name that was made by hand is the administrator's", () => {
    const state = dhcpd(`${conf}host dom1 {\n}\n`, '""');
    expect(() => planGuestLease(state, LEASE)).toThrow(/declares a host dom1 that was made by hand/);
  });

  test.each([
    { mac: '00:16:3e:00:00:01; } host evil { ' },
    { address: '10.0.1.1; option x' },
    { router: '$(reboot)' },
    { name: 'dom1 { }' },
    { device: 'vif1.0"; reboot; "' },
  ])('%j reaches no file', (wrong) => {
    expect(() => planGuestLease(dhcpd(conf, '""'), { ...LEASE, ...wrong })).toThrow();
  });

  test('everything is undone file by file, and then the server reads them again', () => {
    const undo = planGuestLease(dhcpd(conf, '""'), LEASE)
      .toReversed()
      .flatMap((step) => step.undo);
    expect(batches(undo, (command) => command).map(({ tool }) => tool)).toEqual(['edit', 'edit', 'service']);
  });

  test('a subnet that somebody else declares is left alone, at stop too', () => {
    const state = dhcpd('subnet 10.0.0.0 netmask 255.255.0.0 { }\n', '""');
    const wanted = { subnet: NAT_SUBNET, line: LINE, device: undefined };
    const { steps, record } = planSubnet(state, wanted, undefined);
    expect([steps, record, planSubnetStop(state, record)]).toEqual([[], { wasRunning: true }, []]);
  });
});

test('a declaration that a power loss left is taken for our own, with what is told by now', () => {
  const old = LINE.replace('192.0.2.53', '192.0.2.54');
  const state = dhcpd(`# by hand\n${old}\n`, '""');
  const wanted = { subnet: NAT_SUBNET, line: LINE, device: undefined };
  const { steps, record } = planSubnet(state, wanted, undefined);
  expect(outcome(state, steps).conf).toBe(`# by hand\n${LINE}\n`);
  expect(
    outcome(dhcpd(`# by hand\n${LINE}\n`, '""'), planSubnetStop(dhcpd(`# by hand\n${LINE}\n`, '""'), record))
      .conf,
  ).toBe('# by hand\n');
});

test('a subnet made by hand on one line does not go with the last guest in it', () => {
  const hand = 'subnet 192.168.7.0 netmask 255.255.255.0 { }\n';
  const lease = { ...LEASE, address: '192.168.7.5', router: '192.168.7.1' };
  const state = dhcpd(hand, '""', { heldLines: [] });
  const { conf = '' } = outcome(state, planGuestLease(state, lease));
  const after = dhcpd(conf, '""', { heldLines: [] });
  expect(outcome(after, planGuestRelease(after, lease)).conf).toBe(hand);
});

test('the subnet of 10.0.0.0/16 goes with the last guest where no network-nat holds it', () => {
  const state = dhcpd('# by hand\n', '""', { heldLines: [] });
  const { conf = '' } = outcome(state, planGuestLease(state, LEASE));
  expect(conf).toContain('subnet 10.0.0.0');
  const after = dhcpd(conf, '""', { heldLines: [] });
  expect(outcome(after, planGuestRelease(after, LEASE)).conf).toBe('# by hand\n');
});

describe('dnsmasq', () => {
  const state: DnsmasqState = {
    server: 'dnsmasq',
    folder: '/etc/dnsmasq.d',
    files: new Map(),
    goneFiles: [],
    namesDevices: true,
    boot: 'b1',
    service: { ...SERVICE, program: 'dnsmasq' },
    running: true,
    demanded: true,
    resolver: RESOLVER,
  };

  test('each guest has a file of its own', () => {
    const [write] = planGuestLease(state, LEASE);
    expect(write?.do).toEqual({
      tool: 'record',
      path: '/etc/dnsmasq.d/xen-network-dom1.conf',
      text: [
        '# xen-network made this file for vif1.0 and takes it away with it.',
        '# The host was started as b1',
        'interface=vif1.0',
        'dhcp-range=10.0.0.0,static,255.255.0.0',
        'dhcp-host=00:16:3e:00:00:01,set:dom1,10.0.1.1,dom1',
        'dhcp-option=tag:dom1,option:router,10.0.1.128',
        'dhcp-option=tag:dom1,option:dns-server,192.0.2.53',
        'dhcp-option=tag:dom1,option:domain-name,example.org',
        '',
      ].join('\n'),
    });
  });

  test('two guests with one MAC address would get each other’s address', () => {
    const [write] = planGuestLease(state, {
      ...LEASE,
      name: 'dom2',
      address: '10.0.2.1',
      router: '10.0.2.128',
    });
    const text = write?.do.tool === 'record' ? (write.do.text ?? '') : '';
    const files = new Map([['xen-network-dom2.conf', text]]);
    expect(() => planGuestLease({ ...state, files }, LEASE)).toThrow(/dom2 has the MAC address/);
    expect(planGuestLease({ ...state, files, goneFiles: ['xen-network-dom2.conf'] }, LEASE)).toHaveLength(3);
  });

  test('a second time nothing is to do, and so it is for a guest without one', () => {
    const [write] = planGuestLease(state, LEASE);
    const text = write?.do.tool === 'record' ? (write.do.text ?? '') : '';
    const files = new Map([['xen-network-dom1.conf', text]]);
    expect(planGuestLease({ ...state, files }, LEASE)).toEqual([]);
    expect(planGuestRelease({ ...state, files }, LEASE)).toHaveLength(2);
    expect(planGuestRelease(state, LEASE)).toEqual([]);
  });
});
