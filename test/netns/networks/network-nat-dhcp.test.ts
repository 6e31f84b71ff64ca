import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { xlEnv } from '../../support/hosts/host.ts';
import { NetHost } from '../../support/hosts/net-host.ts';

let net: NetHost;

beforeEach(async () => {
  net = await NetHost.create();
});

afterEach(() => net.host.close());

describe('dhcp', () => {
  const told = (domid: number) => ({
    ip_address: `10.0.${domid}.1`,
    subnet_mask: '255.255.0.0',
    routers: `10.0.${domid}.128`,
    domain_name: 'example.org',
    domain_name_servers: '192.0.2.1',
  });

  test.each(['dhcpd', 'dnsmasq'])(
    '%s: guests get lease, gateway and name server, and reach the outside',
    async (server) => {
      net.dhcpd();
      const before = await net.host.settled();
      net.ok('network-nat', 'start', `dhcp=${server}`);
      // vif-nat takes the server that network-nat was started with.
      for (const domid of [1, 10]) {
        const guest = net.guest('vif-nat', domid);
        expect(net.lease(domid)).toMatchObject(told(domid));
        expect(guest.reaches('192.0.2.1')).toBe(true);
      }
      net.end('vif-nat', 1);
      const rest = net.host.ok(
        'sh',
        '-c',
        'cat /etc/dhcp/dhcpd.conf /run/xen-network/dnsmasq/*/* 2>/dev/null; :',
      );
      expect(rest).toContain('dom10');
      expect(rest).not.toMatch(/dom1\b/);
      net.end('vif-nat', 10);
      net.endClient(1);
      expect(await net.after('network-nat', 'stop')).toEqual(before);
    },
  );

  test('a server that did not run before a start runs neither after its undo nor after a stop', () => {
    net.dhcpd('subnet 192.0.2.0 netmask 255.255.255.0 { range 192.0.2.100 192.0.2.110; }');
    net.host.write('/etc/default/isc-dhcp-server', 'INTERFACESv4="eth0"\n');
    const running = () => net.host.run(['sh', '-c', 'grep -lx dhcpd /proc/[0-9]*/comm']).stdout;
    expect(net.host.hook('network-nat', ['start', 'check=198.51.100.77']).status).toBe(1);
    expect(running()).toBe('');
    net.ok('network-nat', 'start');
    net.ok('network-nat', 'stop');
    expect(running()).toBe('');
  });

  test('guests that run go on being served over a stop and a start', () => {
    net.dhcpd();
    net.ok('network-nat', 'start', 'dhcp=dhcpd');
    net.guest('vif-nat', 1);
    net.ok('network-nat', 'stop');
    net.ok('network-nat', 'start', 'dhcp=dhcpd');
    expect(net.lease(1)).toMatchObject(told(1));
    net.endClient(1);
    net.end('vif-nat', 1);
    net.ok('network-nat', 'stop');
  });

  test("the host's own dnsmasq, where it runs, gets a file for each guest", async () => {
    const words = '-x /run/dnsmasq.pid -7 /etc/dnsmasq.d --port=0 -C /dev/null -l /run/dnsmasq.leases';
    const script = `#!/bin/sh\nread -r pid </run/dnsmasq.pid && kill "$pid"\n[ "$1" = stop ] || exec dnsmasq ${words}\n`;
    net.host.write('/etc/init.d/dnsmasq', script, '755');
    net.host.write('/etc/dnsmasq.d/by-hand', '# by hand\ninterface=eth0\n');
    net.host.run(['/etc/init.d/dnsmasq', 'start']);
    const before = await net.host.settled();
    net.ok('network-nat', 'start', 'dhcp=dnsmasq');
    net.guest('vif-nat', 1);
    expect(net.host.ok('ls', '/etc/dnsmasq.d')).toBe('by-hand\nxen-network-dom1.conf\n');
    expect(net.lease(1)).toMatchObject(told(1));
    net.end('vif-nat', 1);
    expect(await net.after('network-nat', 'stop')).toEqual(before);
  });

  /** The host's own dnsmasq, with an init script. */
  function hostDnsmasq(more: string): void {
    const words =
      '-x /run/dnsmasq.pid -7 /etc/dnsmasq.d --port=0 -C /etc/dnsmasq.conf -l /run/dnsmasq.leases -u root';
    const script = `#!/bin/sh\n[ ! -s /run/dnsmasq.pid ] || { read -r pid </run/dnsmasq.pid && kill "$pid"; sleep 0.3; rm -f /run/dnsmasq.pid; }\n[ "$1" = stop ] || exec dnsmasq ${words}\n`;
    net.host.write('/etc/init.d/dnsmasq', script, '755');
    net.host.write('/etc/dnsmasq.conf', more);
    net.host.ok('mkdir', '-p', '/etc/dnsmasq.d');
  }
  const hostRuns = (word: string) => net.host.run(['/etc/init.d/dnsmasq', word]);
  const isAlive = () => net.host.run(['sh', '-c', 'kill -0 "$(cat /run/dnsmasq.pid)"']).status === 0;

  test("a guest that went without a word ends neither the host's DNS nor the next guest's lease", () => {
    hostDnsmasq('interface=eth0\nbind-interfaces\n');
    hostRuns('start');
    net.ok('network-nat', 'start', 'dhcp=dnsmasq');
    net.guest('vif-nat', 1);
    net.host.netns('guest1').ip('link del eth0');
    net.guest('vif-nat', 2);
    expect(net.lease(2)).toMatchObject(told(2));
    expect(isAlive()).toBe(true);
    expect(net.host.ok('ls', '/etc/dnsmasq.d')).toBe('');
    hostRuns('start');
    expect(isAlive()).toBe(true);
    hostRuns('stop');
    net.endClient(2);
  });

  test('an entry goes from the server that got it, whichever runs by then', () => {
    hostDnsmasq('bind-dynamic\n');
    net.ok('network-nat', 'start', 'dhcp=dnsmasq');
    net.guest('vif-nat', 1);
    hostRuns('start');
    net.guest('vif-nat', 2);
    expect(net.host.ok('ls', '/etc/dnsmasq.d')).toBe('xen-network-dom2.conf\n');
    net.end('vif-nat', 1);
    hostRuns('stop');
    net.end('vif-nat', 2);
    const left = 'ls /etc/dnsmasq.d /run/xen-network/dnsmasq/nat.d 2>/dev/null | grep xen-network- || :';
    expect(net.host.ok('sh', '-c', left)).toBe('');
    net.ok('network-nat', 'stop');
  });

  const natServers = () => net.host.ok('sh', '-c', 'grep -lx dnsmasq /proc/[0-9]*/comm | wc -l').trim();

  test('a server is known by its words where its number is lost', () => {
    net.ok('network-nat', 'start', 'dhcp=dnsmasq');
    net.guest('vif-nat', 1);
    net.host.ok('rm', '/run/xen-network/dnsmasq/nat.pid');
    net.guest('vif-nat', 2);
    expect(net.lease(2)).toMatchObject(told(2));
    net.endClient(2);
    expect(natServers()).toBe('1');
    net.host.ok('rm', '/run/xen-network/dnsmasq/nat.pid');
    net.end('vif-nat', 1);
    net.end('vif-nat', 2);
    expect(natServers()).toBe('0');
    net.ok('network-nat', 'stop');
  });

  test("a wrong line in the host's own file does not end its DNS for a guest's sake", () => {
    hostDnsmasq('bind-dynamic\n');
    hostRuns('start');
    net.ok('network-nat', 'start', 'dhcp=dnsmasq');
    net.host.write('/etc/dnsmasq.conf', 'bind-dynamic\nnonsense\n');
    net.guest('vif-nat', 1);
    expect(net.store.told(1)).toMatchObject({
      status: 'connected',
      error: expect.stringMatching(
        /vif1\.0 is connected without DHCP: .*bad option at line 2 of \/etc\/dnsmasq\.conf/,
      ),
    });
    expect(isAlive()).toBe(true);
    net.card(2);
    const demanded = net.host.hook('vif-nat', ['online', 'type_if=vif', 'dhcp=yes'], xlEnv(2));
    expect(demanded.status).toBe(1);
    expect(net.store.told(2)).toMatchObject({
      status: 'error',
      error: expect.stringContaining('bad option'),
    });
    expect(isAlive()).toBe(true);
    expect(net.host.ok('ls', '/etc/dnsmasq.d')).toBe('');
    net.end('vif-nat', 1);
    net.host.write('/etc/dnsmasq.conf', 'bind-dynamic\n');
    hostRuns('stop');
    net.ok('network-nat', 'stop');
  });

  test("an address that the host's own file gives to somebody else ends its DNS no more", () => {
    hostDnsmasq(
      'bind-dynamic\ndhcp-range=10.0.0.0,static,255.255.0.0\ndhcp-host=02:00:00:00:00:01,10.0.1.1,nas\n',
    );
    hostRuns('start');
    net.ok('network-nat', 'start', 'dhcp=dnsmasq');
    net.guest('vif-nat', 1);
    expect(net.store.told(1).error).toContain('duplicate dhcp-host IP address 10.0.1.1');
    expect(isAlive()).toBe(true);
    net.end('vif-nat', 1);
    hostRuns('stop');
    net.ok('network-nat', 'stop');
  });

  test('a file of an earlier start of the host goes, whoever has its number by now', () => {
    hostDnsmasq('bind-dynamic\n');
    const name = 'xen-network-dom2.conf';
    const old =
      'dhcp-range=10.0.0.0,static,255.255.0.0\ndhcp-host=00:16:3e:00:00:77,set:dom2,10.0.1.1,dom2\n';
    net.host.write(`/etc/dnsmasq.d/${name}`, `# by xen-network\n# The host was started as before\n${old}`);
    hostRuns('start');
    net.card(2);
    net.ok('network-nat', 'start', 'dhcp=dnsmasq');
    expect(net.host.ok('ls', '/etc/dnsmasq.d')).toBe('');
    net.guest('vif-nat', 1);
    expect(net.lease(1)).toMatchObject(told(1));
    net.endClient(1);
    net.end('vif-nat', 1);
    hostRuns('stop');
    net.ok('network-nat', 'stop');
  });

  test('an entry of dhcpd goes from the file that it was written to, whichever comes first by then', () => {
    net.dhcpd();
    net.host.ok('mv', '/etc/dhcp/dhcpd.conf', '/etc/dhcpd.conf');
    const before = net.host.ok('cat', '/etc/dhcpd.conf');
    net.ok('network-nat', 'start', 'dhcp=dhcpd');
    net.guest('vif-nat', 1);
    net.host.write('/etc/dhcp/dhcpd.conf', '# new\n');
    net.guest('vif-nat', 2);
    net.end('vif-nat', 1);
    net.end('vif-nat', 2);
    net.ok('network-nat', 'stop');
    expect(net.host.ok('cat', '/etc/dhcpd.conf')).toBe(before);
    expect(net.host.ok('cat', '/etc/dhcp/dhcpd.conf')).toBe('# new\n');
  });

  test('another server than the one it was started with needs a stop first', () => {
    net.dhcpd();
    net.ok('network-nat', 'start', 'dhcp=dhcpd');
    expect(net.host.hook('network-nat', ['start', 'dhcp=dnsmasq']).stderr).toContain(
      'started on eth0 with dhcpd',
    );
    net.ok('network-nat', 'start', 'dhcp=yes');
    net.ok('network-nat', 'stop');
    expect(net.host.run(['grep', 'subnet', '/etc/dhcp/dhcpd.conf']).stdout).toBe('');
  });

  test('the subnet of guests outside 10.0.0.0/16 goes with the last of them, whatever resolv.conf says by then', () => {
    net.dhcpd();
    net.ok('network-nat', 'start', 'dhcp=dhcpd');
    net.guest('vif-nat', 1, { ip: '192.168.77.11/24' });
    net.guest('vif-nat', 2, { ip: '192.168.77.18/28' });
    net.host.write('/etc/resolv.conf', 'nameserver 198.51.100.53\n');
    const declared = () => net.host.ok('grep', '-c', 'subnet 192.168.77', '/etc/dhcp/dhcpd.conf').trim();
    net.end('vif-nat', 1);
    expect(declared()).toBe('1');
    net.end('vif-nat', 2);
    expect(net.host.run(['grep', '192.168.77', '/etc/dhcp/dhcpd.conf']).stdout).toBe('');
    net.ok('network-nat', 'stop');
  });

  test.each([
    [
      'iptables',
      'iptables -P INPUT DROP',
      /chain INPUT of the table ip filter.*iptables -I INPUT -i vif\+ -p udp --dport 67/,
    ],
    [
      'nft',
      "nft 'table inet f { chain input { type filter hook input priority 0; policy drop; ct state established accept; }; }'",
      /chain input of the table inet f.*nft insert rule inet f input iifname "vif\*" udp dport 67 accept/,
    ],
  ])('a firewall (%s) that drops what guests ask is named, with the way out', (_what, made, sentence) => {
    net.host.ok('sh', '-c', made);
    expect(net.host.hook('network-nat', ['start', 'dhcp=dnsmasq']).stderr).toMatch(sentence);
    net.ok('network-nat', 'stop');
    net.host.ok(
      'sh',
      '-c',
      made.includes('nft')
        ? 'nft insert rule inet f input udp dport 67 accept'
        : 'iptables -A INPUT -p udp --dport 67 -j ACCEPT',
    );
    net.ok('network-nat', 'start', 'dhcp=dnsmasq');
    net.ok('network-nat', 'stop');
  });

  test('what stands in the files of dhcpd survives byte for byte, with owner and mode', async () => {
    net.dhcpd('# \xe4\xf6 by hand\r\nsubnet 192.0.2.0 netmask 255.255.255.0 { }');
    net.host.write('/etc/default/isc-dhcp-server', "# by hand\nINTERFACESv4=eth0 # one\nINTERFACESv6=''");
    const files = ['/etc/dhcp/dhcpd.conf', '/etc/default/isc-dhcp-server'];
    for (const file of files) net.host.ok('sh', '-c', `chmod 640 ${file}; chown 7:8 ${file}`);
    const look = () =>
      files.map((file) => net.host.ok('sh', '-c', `stat -c '%a %u %g' ${file}; md5sum ${file}`));
    const before = look();
    net.ok('network-nat', 'start', 'dhcp=yes');
    net.guest('vif-nat', 1);
    expect(net.host.ok('grep', '^INTERFACESv4', '/etc/default/isc-dhcp-server')).toContain('eth0 vif1.0');
    expect(look()).not.toEqual(before);
    net.end('vif-nat', 1);
    net.ok('network-nat', 'stop');
    expect(look()).toEqual(before);
  });

  test('a server whose restart hangs takes the time neither of what follows nor of the rest of an undo', () => {
    net.dhcpd();
    net.ok('network-nat', 'start', 'dhcp=dhcpd');
    net.host.write('/etc/init.d/isc-dhcp-server', '#!/bin/sh\nsleep 600\n', '755');
    const hangs = '/etc/init.d/isc-dhcp-server did not end within';
    net.card(1);
    expect(net.call('vif-nat', 'online', 1)).toMatchObject({
      status: 0,
      stderr: expect.stringContaining(hangs),
    });
    expect(net.store.told(1)).toMatchObject({ status: 'connected', error: expect.stringContaining(hangs) });
    net.card(2);
    expect(net.call('vif-nat', 'online', 2, ['dhcp=dhcpd']).status).toBe(1);
    expect(net.store.told(2)).toMatchObject({ status: 'error', error: expect.stringContaining(hangs) });
    expect(net.rules().filter((rule) => rule.includes('vif2.0'))).toEqual([]);
    expect(net.host.run(['grep', 'dom2', '/etc/dhcp/dhcpd.conf']).stdout).toBe('');
    net.host.ok('rm', '/etc/init.d/isc-dhcp-server');
    for (const domid of [1, 2]) net.end('vif-nat', domid);
    net.ok('network-nat', 'stop');
  });

  test('a program that has the port of DHCP servers is named', async () => {
    net.ok('network-nat', 'start', 'dhcp=dnsmasq');
    const hold =
      'use Socket; socket S, PF_INET, SOCK_DGRAM, 0; bind S, sockaddr_in(67, INADDR_ANY) or die; open F, ">/run/holds"; close F; sleep 600';
    const holder = net.host.start(['sh', '-c', 'echo $$ >/run/holder; exec perl -e "$1"', 'sh', hold]);
    net.host.ok('sh', '-c', 'until [ -e /run/holds ]; do sleep 0.1; done');
    net.card(1);
    const { status, stderr } = net.call('vif-nat', 'online', 1);
    net.host.ok('sh', '-c', 'kill "$(cat /run/holder)"');
    await holder;
    expect(status).toBe(0);
    expect(stderr).toMatch(
      /Address already in use; perl \(process \d+\) has port 67: end it, or say dhcp=no/,
    );
    net.end('vif-nat', 1);
    net.ok('network-nat', 'stop');
  });

  describe('after a power loss', () => {
    const CONF = '/etc/dhcp/dhcpd.conf';
    const mac = (domid: number) => `00:16:3e:77:00:0${domid}`;
    const entry = (domid: number) =>
      `host dom${domid} { hardware ethernet ${mac(domid)}; fixed-address 10.0.${domid}.1; ` +
      `option routers 10.0.${domid}.128; option host-name "dom${domid}"; }\n`;
    const entries = () => net.host.ok('sh', '-c', `grep -o '^host dom[0-9]*' ${CONF}; :`).trim().split('\n');

    test('entries whose numbers others have by now go, and their cards get what is theirs', () => {
      net.dhcpd(`# made by hand\n${entry(1)}${entry(3)}`);
      net.host.ok('sh', '-c', 'printf "INTERFACESv4=""\n" >/etc/default/isc-dhcp-server');
      // Somebody's card, attached by no hook of ours.
      net.card(1);
      net.ok('network-nat', 'start', 'dhcp=dhcpd');
      expect(entries()).toEqual(['']);
      net.host.ok('sh', '-c', `printf '%s' '${entry(1)}' >>${CONF}`);
      // The guest of that entry comes back under another number.
      const guest = net.card(2, { mac: mac(1) });
      expect(net.call('vif-nat', 'online', 2)).toEqual({ status: 0, stdout: '', stderr: '' });
      expect(entries()).toEqual(['host dom2']);
      guest.ip(`link set eth0 address ${mac(1)}`, 'link set eth0 up');
      expect(net.lease(2)).toMatchObject(told(2));
      net.endClient(2);
      net.end('vif-nat', 2);
      net.ok('network-nat', 'stop');
    });

    test('an entry of a guest that the stock scripts attached stays', () => {
      net.dhcpd(`# made by hand\n${entry(1)}`);
      net.card(1);
      net.host.ip(
        'link set vif1.0 up',
        'address add 10.0.1.128/32 dev vif1.0',
        'route add 10.0.1.1 dev vif1.0',
      );
      net.ok('network-nat', 'start', 'dhcp=dhcpd');
      net.guest('vif-nat', 2);
      expect(entries()).toEqual(['host dom1', 'host dom2']);
      net.end('vif-nat', 2);
      net.ok('network-nat', 'stop');
    });
  });

  test('many guests at once lose no entry', async () => {
    net.dhcpd();
    net.ok('network-nat', 'start', 'dhcp=yes');
    const domids = Array.from({ length: 12 }, (_, i) => i + 1);
    for (const domid of domids) net.card(domid);
    const call = (command: string) =>
      Promise.all(
        domids.map((domid) => net.host.startHook('vif-nat', [command, 'type_if=vif'], xlEnv(domid))),
      );
    expect((await call('online')).map(({ status, stderr }) => ({ status, stderr }))).toEqual(
      domids.map(() => ({ status: 0, stderr: '' })),
    );
    const names = () =>
      net.host.ok('sh', '-c', "grep -o '^host dom[0-9]*' /etc/dhcp/dhcpd.conf; :").trim().split('\n');
    expect(names().sort()).toEqual(domids.map((domid) => `host dom${domid}`).sort());
    net.host.netns('guest12').ip('link set eth0 up');
    expect(net.lease(12)).toMatchObject(told(12));
    await call('offline');
    expect(names()).toEqual(['']);
  });
});
