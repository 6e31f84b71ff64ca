import { expect } from 'vitest';
import { NetHost } from '../support/hosts/net-host.ts';
import { TrafficHost } from '../support/hosts/traffic-host.ts';
import { createGuest, plainHost } from './guests.ts';
import type { Scenario } from './scenario.ts';

/** docs/desk.md, what looks at files and at the host. */
export const DESK: readonly Scenario[] = [
  {
    document: 'docs/desk.md',
    headings: ['status: the map'],
    async play(page, keep) {
      const { host } = keep(await plainHost());
      host.hook('network-bridge', ['start', 'antispoof=strict']);
      const store = await host.xenstore();
      store.write({ '/local/domain/1/name': 'web', '/local/domain/1/vm': '/vm/1', '/vm/1/name': 'web' });
      await createGuest(host, 1, { bridge: 'xenbr0', mac: '00:16:3e:00:00:11', ip: '192.0.2.11' });
      await page.shows(host, 'xen-network status', {
        volatile: /(?<=card )\(.*?\)/g,
        env: { LC_ALL: 'C.UTF-8' },
      });
      const forms = 'xen-network status [--json|--svg]';
      const json = page.ok(host, forms, { as: ['xen-network status --json'] });
      expect(page.ok(host, forms, { as: ['xen-network status --svg'] })).toMatch(/^<svg .*<\/svg>\n$/s);
      expect(JSON.parse(json)).toMatchObject({ networks: expect.anything(), loose: [], warnings: [] });
    },
  },
  {
    document: 'docs/desk.md',
    headings: ["mac: addresses for guests' cards"],
    async play(page, keep) {
      const { host } = keep(await NetHost.create());
      const check = 'xen-network mac --check [FILE|FOLDER …] [--json]';
      expect(page.ok(host, 'xen-network mac')).toMatch(/^00:16:3e:[0-7]/);
      expect(page.ok(host, 'xen-network mac 192.0.2.17')).toBe('02:00:c0:00:02:11\n');
      expect(page.ok(host, 'xen-network mac 192.0.2.17 --prefix aa:01')).toBe('aa:01:c0:00:02:11\n');
      expect(page.ok(host, check, { as: ['xen-network mac --check'] })).toContain('probability');
      const json = page.ok(host, check, { as: ['xen-network mac --check /etc/xen --json'] });
      expect(JSON.parse(json)).toMatchObject({ version: 1 });
    },
  },
  {
    document: 'docs/desk.md',
    headings: ['traffic: what guests send and receive'],
    async play(page, keep) {
      const net = keep(await TrafficHost.create());
      net.domain(1, 'web', '6b1c3a0e-0000-4000-8000-000000000001');
      net.card(1);
      page.ok(net.host, 'vif-bridge online account=yes', {
        as: ['vif=vif1.0 XENBUS_PATH=backend/vif/1/0 vif-bridge online type_if=vif account=yes'],
      });
      net.ping(1, 10);
      await page.shows(net.host, 'xen-network traffic');
      const shown = 'xen-network traffic [GUEST] [--json]';
      const json = page.ok(net.host, shown, { as: ['xen-network traffic web --json'] });
      expect(JSON.parse(json)).toMatchObject({ version: 1, guests: [{ name: 'web' }], warnings: [] });
      expect(page.ok(net.host, 'xen-network traffic --prometheus')).toContain('xen_network_guest_cards');
      page.ok(net.host, 'xen-network traffic --save');
      net.end(1);
      page.ok(net.host, 'xen-network traffic --forget GUEST', {
        as: ['xen-network traffic --save; xen-network traffic --forget web'],
      });
      const { host } = keep(await NetHost.create());
      page.ok(host, 'network-bridge start account=yes');
    },
  },
  {
    document: 'docs/desk.md',
    headings: ['check: files, before anything runs'],
    async play(page, keep) {
      const net = keep(await NetHost.create());
      net.ok('network-bridge', 'start');
      net.host.write('/etc/xen/web.cfg', `name = "web"\nvif = [ 'mac=00:16:3e:00:00:11,brigde=xenbr0' ]\n`);
      const check = 'xen-network check [FILE|FOLDER …] [--json]';
      await page.shows(net.host, 'xen-network check /etc/xen/web.cfg');
      page.ok(net.host, check, { as: ['xen-network check; test $? = 1'] });
      page.ok(net.host, check, { as: ['xen-network check /etc/xen --json; test $? = 1'] });
    },
  },
  {
    document: 'docs/desk.md',
    headings: ['completion: words in the shell'],
    async play(page, keep) {
      const { host } = keep(await NetHost.create());
      host.ok('mkdir', '-p', '/etc/bash_completion.d', '/etc/fish/completions');
      page.ok(host, 'xen-network completion bash >/etc/bash_completion.d/xen-network');
      page.ok(host, 'xen-network completion zsh >/usr/local/share/zsh/site-functions/_xen-network', {
        as: ['xen-network completion zsh >/run/_xen-network'],
      });
      page.ok(host, 'xen-network completion fish >/etc/fish/completions/xen-network.fish');
      host.ok('bash', '-n', '/etc/bash_completion.d/xen-network');
    },
  },
];
