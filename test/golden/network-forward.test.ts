import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { HostState } from '../../lib/observe/host/host.ts';
import { dhcpdLine, dnsmasqFile, planDnsmasq, servedBridge } from '../../lib/plan/dhcp/virtual.ts';
import { bridgeFilterSettings } from '../../lib/plan/filter/antispoof.ts';
import { forwardingSettings, natSettings } from '../../lib/plan/forward.ts';
import { share } from '../../lib/plan/shared/shared-settings.ts';
import type { Step } from '../../lib/plan/step.ts';
import { routerSettingPaths } from '../../lib/plan/unheard.ts';
import { planVirtualStart, virtualSettings } from '../../lib/plan/virtual/start.ts';
import type { SharedSetting } from '../../lib/record/shared-settings.ts';
import { parseVirtualRequest, type VirtualRequest } from '../../lib/request/forward.ts';
import { childrenText, planText } from '../support/models/plan-text.ts';

const NOTHING: HostState = { links: [], routes: [], rules: [], neighbours: [] };
const RESOLVER = { domain: 'example.org', servers: ['192.0.2.53', '192.0.2.54'] };
const HEARING = Object.fromEntries(routerSettingPaths('default').map((path) => [path, '1']));
const LISTENING = ['/proc/sys/net/ipv6/conf/eth0/accept_ra'];

/** What has to be done on a host where no setting is met. */
function settingSteps(sharedSettings: readonly SharedSetting[]): Step[] {
  const present = new Map(
    sharedSettings.flatMap((wanted) => (wanted.kind === 'setting' ? [[wanted.path, '0']] : [])),
  );
  return [
    ...share(
      [],
      { present, beside: new Map(), filtersBridges: true, guests: new Map() },
      'a hook',
      sharedSettings,
    ).steps,
  ];
}

function request(values: Record<string, string>): VirtualRequest {
  const found = parseVirtualRequest(values);
  if (found === undefined) throw new Error('It asks for nothing.');
  return found;
}

const FOUND = { heard: HEARING, spanningTree: { stp_state: '0', forward_delay: '0' } };

function virtual(values: Record<string, string>): Step[] {
  const wanted = request(values);
  const sharedSettings = [
    ...(wanted.antispoof ? bridgeFilterSettings() : []),
    ...virtualSettings(wanted, 'eth0', [4, 6]),
  ];
  const forwards = wanted.form === 'host-only' ? [] : forwardingSettings(true, LISTENING);
  return [
    ...settingSteps([...sharedSettings, ...forwards]),
    ...planVirtualStart(NOTHING, wanted, undefined, FOUND).steps,
  ];
}

const BOTH = { bridge: 'vmnet8', bridgeip: '10.1.1.1/24,fd00:1::1/64' };

const PLANS: Readonly<Record<string, () => Step[]>> = {
  'nat-antispoof-ipv6': () =>
    settingSteps([
      ...natSettings('eth0', 4, true, 'antispoof'),
      ...natSettings('eth0', 6, true, 'antispoof'),
      ...forwardingSettings(true, LISTENING),
    ]),
  'virtual-host-only': () => virtual(BOTH),
  'virtual-routed': () => virtual({ ...BOTH, brnet: '10.9.0.0/16', antispoof: 'yes' }),
  'virtual-nat': () => virtual({ ...BOTH, masquerade: 'yes' }),
  'virtual-dnsmasq': () =>
    planDnsmasq(servedBridge(request({ ...BOTH, masquerade: 'yes' }), RESOLVER), undefined, false),
};

test('the plan nat', () => {
  const steps = settingSteps([...natSettings('eth0', 4, true, 'none'), ...forwardingSettings(false, [])]);
  expect(planText({ steps, warnings: [] })).toMatchInlineSnapshot(`
    "# add the rule "POSTROUTING -o eth0 -j MASQUERADE" to the table nat
    iptables -w -t nat -A POSTROUTING -o eth0 -j MASQUERADE
    # set net/ipv4/ip_forward to 1
    echo 1 > /proc/sys/net/ipv4/ip_forward
    "
  `);
});

test('the plan nat-where-forward-drops', () => {
  const steps = settingSteps(natSettings('eth0', 4, true, 'pass'));
  expect(planText({ steps, warnings: [] })).toMatchInlineSnapshot(`
    "# add the rule "FORWARD -i eth0 -o vif+ -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT" to the table filter
    iptables -w -I FORWARD -i eth0 -o vif+ -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
    # add the rule "FORWARD -i vif+ -o vif+ -j ACCEPT" to the table filter
    iptables -w -I FORWARD -i vif+ -o vif+ -j ACCEPT
    # add the rule "FORWARD -i vif+ -o eth0 -j ACCEPT" to the table filter
    iptables -w -I FORWARD -i vif+ -o eth0 -j ACCEPT
    # add the rule "POSTROUTING -o eth0 -j MASQUERADE" to the table nat
    iptables -w -t nat -A POSTROUTING -o eth0 -j MASQUERADE
    "
  `);
});

const golden = (name: string) => join(import.meta.dirname, 'network-forward', `${name}.txt`);

test.each(Object.entries(PLANS))('the plan %s', async (name, makePlan) => {
  await expect(planText({ steps: makePlan(), warnings: [] })).toMatchFileSnapshot(golden(name));
});

test.each(['nat-antispoof-ipv6', 'virtual-host-only', 'virtual-nat'])(
  'what the children of %s are fed',
  async (name) => {
    const steps = PLANS[name]?.() ?? [];
    await expect(await childrenText({ steps, warnings: [] })).toMatchFileSnapshot(golden(`${name}.children`));
  },
);

test.each([
  ['host-only', BOTH],
  ['nat', { ...BOTH, masquerade: 'yes' }],
])('what dnsmasq and dhcpd hand out on a %s bridge', async (name, values) => {
  const served = servedBridge(request(values), RESOLVER);
  await expect(`${dnsmasqFile(served)}\n${dhcpdLine(served)}\n`).toMatchFileSnapshot(
    golden(`servers-${name}`),
  );
});
