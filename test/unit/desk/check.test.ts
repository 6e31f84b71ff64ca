import { describe, expect, test } from 'vitest';
import {
  checkMultiList,
  checkXendConfig,
  checkXlConf,
  type HookWords,
} from '../../../lib/desk/check/config.ts';
import type { Finding } from '../../../lib/desk/check/finding.ts';
import { checkGuest } from '../../../lib/desk/check/guest.ts';
import type { HostFacts } from '../../../lib/desk/check/host-facts.ts';
import { findTwice, usesOf } from '../../../lib/desk/check/twice.ts';
import { type Prefix, parsePrefix } from '../../../lib/request/addresses.ts';
import { parseGuestFile } from '../../../lib/wire/config/guest-file.ts';

function network(text: string): Prefix {
  return parsePrefix(text) ?? { family: 4, address: '0.0.0.0', length: 0 };
}

const FACTS: HostFacts = {
  devices: ['lo', 'eth0', 'xenbr0', 'lan'],
  bridges: [
    {
      name: 'xenbr0',
      networks: [network('192.0.2.0/24'), network('2001:db8::/64')],
      filtersVlans: true,
      antispoof: 'no',
    },
    { name: 'lan', networks: [], filtersVlans: false, antispoof: 'strict' },
  ],
  addresses: [
    { device: 'eth0', address: '192.0.2.2', network: network('192.0.2.0/24') },
    { device: 'eth0', address: '2001:db8::2', network: network('2001:db8::/64') },
  ],
  gateways: [{ family: 4, address: '192.0.2.1' }],
  usualScript: 'vif-bridge',
  usualBridge: 'xenbr0',
  scriptFault: (script) =>
    /^(\/etc\/xen\/scripts\/)?(vif|network)-[a-z-]+$/.test(script) ? undefined : 'is not there',
};

const HOOKS: HookWords = {
  variables: new Map([
    ['network-bridge', ['netdev', 'bridge', 'vifnum']],
    ['network-nat', ['netdev', 'dhcp']],
  ]),
  foreign: ['netdev', 'bridge', 'vifnum', 'dhcp'],
};

function said(findings: readonly Finding[]): string[] {
  return findings.map(
    ({ line, column, isMild, text }) => `${line}:${column} ${isMild ? 'warning' : 'error'}: ${text}`,
  );
}

function card(text: string, more = ''): string[] {
  const file = `vif=['${text}']\n${more}`;
  return said(checkGuest('/g', parseGuestFile(file), FACTS));
}

describe("a guest's card", () => {
  test.each([
    '',
    'mac=00:16:3e:00:00:01,bridge=xenbr0,ip=192.0.2.51',
    ' mac=00:16:3E:00:00:01, bridge=xenbr0 ,model=e1000,type=ioemu'.replace(' ,', ','),
    'ip=192.0.2.51 192.0.2.52 2001:db8::51,vifname=web-lan,mtu=1400,rate=10Mb/s@20ms,devid=1,trusted=0',
    'script=vif-nat',
    'script=vif-nat,ip=10.0.0.11/24',
    'script=vif-route,ip=198.51.100.7,gatewaydev=eth0',
    'script=/etc/xen/scripts/vif-openvswitch,bridge=ovsbr0.10:20',
    'vlan=10p/20/30-39',
    'bridge=lan,ip=10.9.9.9',
    'colo_sock_mirror_id=x',
  ])('nothing is wrong with %j', (text) => {
    expect(card(text)).toEqual([]);
  });

  test.each([
    ['brigde=xenbr0', '1:7 error: No toolstack knows "brigde" of a card; did you mean bridge=?'],
    ['bridge =xenbr0', '1:7 error: No toolstack knows "bridge " of a card; did you mean bridge=?'],
    [
      'wibble=1',
      '1:7 error: No toolstack knows "wibble" of a card; it takes mac, bridge, script, ip, vifname, type, model, backend, rate, mtu, devid, vlan and gatewaydev.',
    ],
    ['bridge', '1:7 error: "bridge" stands alone; write bridge=VALUE.'],
    [
      '00:16:3e:00:00:01',
      '1:7 error: "00:16:3e:00:00:01" stands alone; a card is described by KEY=VALUE with commas between.',
    ],
    [
      'antispoof=strict',
      '1:7 error: xl takes no antispoof= for a card. Say it to network-bridge or network-virtual for all guests of a bridge.',
    ],
    ['label=x', '1:7 warning: label= was known to xend only; xl refuses it.'],
    [
      'mac=00:16:3e:00:00',
      '1:7 error: mac is "00:16:3e:00:00", which is no MAC address; write six bytes such as 00:16:3e:00:00:01.',
    ],
    [
      'mac=11:16:3e:00:00:01',
      '1:7 error: mac is "11:16:3e:00:00:01", which is an address of a group (the second digit is odd), which no card can have.',
    ],
    [
      'mac=00:1b:21:00:00:01',
      '1:7 warning: mac is "00:1b:21:00:00:01", which lies in a maker\'s range; take one of 00:16:3e, or one whose second digit is 2, 6, A or E.',
    ],
    [
      'bridge=xenbr7',
      '1:7 error: The bridge xenbr7 does not exist. The bridges of this host are xenbr0 and lan. Start the network (xen-network start), or correct bridge=.',
    ],
    [
      'script=vif-nat,bridge=xenbr0',
      '1:22 warning: vif-nat puts a guest on no bridge, so bridge= does nothing.',
    ],
    ['script=lost', '1:7 error: The script "lost" is not there.'],
    [
      'script=vif-route,ip=198.51.100.7,gatewaydev=eth7',
      '1:40 error: There is no device "eth7". The devices of this host are lo, eth0, xenbr0 and lan.',
    ],
    [
      'script=vif-route',
      '1:6 warning: vif-route leads to the addresses of ip=, and this card has none: no packet finds the guest.',
    ],
    [
      'vifname=eth0',
      '1:7 error: vifname is "eth0", a name that the kernel or a hook gives to another device. Give the guest one of your own, such as web-lan.',
    ],
    [
      'vifname=a-name-of-16-chs',
      '1:7 warning: vifname is "a-name-of-16-chs", of which the device gets the first 15 characters, a-name-of-16-ch.',
    ],
    ['vlan=10p/20p', expect.stringMatching(/^1:7 error: vlan is "10p\/20p", where 2 terms have a "p"/)],
    [
      'bridge=lan,ip=10.0.0.1,vlan=10',
      '1:30 error: The bridge lan does not filter VLANs, so vlan= is refused. Switch it on: ip link set dev lan type bridge vlan_filtering 1',
    ],
    ['mtu=big', '1:7 error: mtu is "big"; say a number of bytes such as 1500.'],
    ['rate=10', '1:7 error: rate is "10"; say such as 10Mb/s or 1MB/s@20ms.'],
    ['type=pv', '1:7 error: type is "pv"; say ioemu or vif.'],
    [
      'ip=192.0.2.300',
      '1:7 error: ip holds "192.0.2.300", which is no address. Give IPv4 or IPv6 addresses, or CIDR ranges, with blanks between.',
    ],
    [
      'ip=192.0.2.51/24',
      '1:7 warning: ip holds "192.0.2.51/24", which means the one address and not its network; write it without its length.',
    ],
    ['ip=192.0.2.2', "1:7 error: ip holds 192.0.2.2, and 192.0.2.2 is the host's own, of eth0."],
    ['ip=192.0.2.0/29', "1:7 error: ip holds 192.0.2.0/29, and 192.0.2.2 is the host's own, of eth0."],
    ['ip=2001:0db8::0002', "1:7 error: ip holds 2001:db8::2, and 2001:db8::2 is the host's own, of eth0."],
    ['ip=192.0.2.1', '1:7 error: ip holds 192.0.2.1, and 192.0.2.1 is the gateway that the host sends by.'],
    [
      'ip=198.51.100.7',
      '1:7 warning: ip holds 198.51.100.7, which is in none of the networks that the host has on this bridge (192.0.2.0/24).',
    ],
    [
      'bridge=lan',
      '1:6 warning: The bridge lan was started with antispoof=strict, and this card has no ip=: its guest may use any address. Add ip= with its own.',
    ],
  ])('%j', (text, finding) => {
    expect(card(text)).toEqual([finding]);
  });

  test('beside an emulated card 11 characters are left of a vifname', () => {
    expect(card('vifname=twelve-chars', 'type="hvm"\n')).toEqual([
      '1:7 warning: vifname is "twelve-chars", of which the device gets the first 11 characters, twelve-char: the emulated card beside it is called the same with -emu.',
    ]);
    expect(card('vifname=twelve-chars,type=vif', 'type="hvm"\n')).toEqual([]);
    expect(card('vifname=twelve-chars', 'type="pv"\n')).toEqual([]);
  });
});

describe("a guest's file", () => {
  const check = (text: string) => said(checkGuest('/g', parseGuestFile(text), FACTS));

  test.each([
    ["vif='bridge=xenbr0'\n", ["1:5 error: A card is a text in the list of vif: vif = [ 'bridge=xenbr0' ]."]],
    [
      "vif=['']\nvif=['']\n",
      ['1:1 warning: vif is set again in line 2, and xl takes the last: these cards do not come.'],
    ],
    ["vfi=['bridge=xenbr0']\n", ['1:1 warning: "vfi" is no setting of cards; did you mean vif?']],
    [
      'name = web\n',
      [
        '1:8 error: Here "web" stands, where xl takes a value: a string in quotes, a number or a list in brackets. A word needs quotes.',
      ],
    ],
    ["disk=['phy:/dev/vg/web,xvda,w']\nvif=['']\n", []],
  ])('%j', (text, findings) => {
    expect(check(text)).toEqual(findings);
  });
});

describe('what two cards want', () => {
  const files: Readonly<Record<string, string>> = {
    '/web': "name='web'\nvif=['mac=00:16:3e:00:00:01,vifname=lan,ip=192.0.2.51','mac=00:16:3e:00:00:01']\n",
    '/mail': "name='mail'\nvif=['mac=00:16:3E:00:00:01,vifname=lan,ip=192.0.2.48/29']\n",
    '/web-again': "name='web'\nvif=['mac=00:16:3e:00:00:01']\n",
    '/other': "name='other'\nvif=['mac=00:16:3e:00:00:09,ip=192.0.2.99']\n",
  };
  const uses = Object.entries(files).flatMap(([path, text]) => usesOf(path, parseGuestFile(text)));

  test('is found in each file that is asked about, with the other place', () => {
    expect(said(findTwice(uses, new Set(['/web']))).sort()).toEqual(
      [
        '2:7 error: The MAC address 00:16:3e:00:00:01 is that of another card in line 2, column 57 too.',
        '2:29 error: The vifname lan is that of the guest mail (/mail, line 2, column 29) too.',
        '2:41 error: The IP address 192.0.2.51 is that of the guest mail (/mail, line 2, column 41) too.',
        '2:57 error: The MAC address 00:16:3e:00:00:01 is that of another card in line 2, column 7 too.',
      ].sort(),
    );
    expect(findTwice(uses, new Set(['/other']))).toEqual([]);
  });

  test('two files of one guest are one guest, and so is its running self', () => {
    const own = uses.filter(({ path }) => path === '/web-again' || path === '/other');
    const running = {
      what: 'MAC address',
      value: '00:16:3e:00:00:01',
      path: undefined,
      line: 0,
      column: 0,
      where: 'vif1.0',
    } as const;
    const asked = new Set(['/web-again', '/other']);
    expect(findTwice([...own, { ...running, guest: 'web' }], asked)).toEqual([]);
    expect(said(findTwice([...own, { ...running, guest: 'db' }], asked))).toEqual([
      '2:7 error: The MAC address 00:16:3e:00:00:01 is that of the running guest db (vif1.0) too.',
    ]);
  });
});

describe('xend-config.sxp', () => {
  const check = (text: string) => said(checkXendConfig('/x', text, FACTS, HOOKS));

  test.each([
    ["(network-script 'network-bridge netdev=eth0')\n(vif-script vif-bridge)\n", []],
    ['(network-script network-dummy)', []],
    ['(network-script my-own)', ['1:17 error: The script "my-own" is not there.']],
    [
      "(network-script 'network-bridge netdve=eth0')",
      ['1:17 error: "netdve=eth0" sets no variable of this hook; did you mean netdev=eth0?'],
    ],
    [
      '(network-script vif-bridge)',
      ["1:17 error: vif-bridge is a hook for guests' cards, and starts no network. Name a network hook."],
    ],
    [
      '(vif-script vif-nat)',
      [
        '1:13 warning: Guests of xl get vif-bridge, and not vif-nat: xl reads /etc/xen/xl.conf alone. Write this line there: vif.default.script="vif-nat"',
      ],
    ],
    ['(network-script', ['1:1 error: The "(" here has no ")" before the end of the file.']],
  ])('%j', (text, findings) => {
    expect(check(text)).toEqual(findings);
  });
});

describe('xl.conf', () => {
  test.each([
    ['autoballoon="auto"\nvif.default.script="vif-bridge"\nvif.default.bridge="xenbr0"\n', []],
    [
      'vif.default.scirpt="vif-nat"\n',
      ['1:1 error: xl knows no vif.default.scirpt; did you mean vif.default.script?'],
    ],
    ['vifscript="vif-nat"\n', ['1:1 warning: vifscript is the old name of vif.default.script; write that.']],
    ['vif.default.script=["vif-nat"]\n', ['1:1 error: vif.default.script is a list; it takes one text.']],
    ['vif.default.script="lost"\n', ['1:20 error: The script "lost" is not there.']],
    [
      'vif.default.bridge="br9"\n',
      [
        '1:20 error: The bridge br9 does not exist. The bridges of this host are xenbr0 and lan. Start the network (xen-network start), or correct the name.',
      ],
    ],
    ['vif.default.script="vif-openvswitch"\nvif.default.bridge="br9"\n', []],
    [
      'run_hotplug_scripts=0\n',
      [
        '1:1 warning: With run_hotplug_scripts=0 xl calls no script, and udev has to; guests hang where it has no rule for that.',
      ],
    ],
    [
      'a=\n',
      [
        '1:3 error: Here the line ends, where xl takes a value: a string in quotes, a number or a list in brackets.',
      ],
    ],
  ])('%j', (text, findings) => {
    expect(said(checkXlConf('/x', text, FACTS))).toEqual(findings);
  });
});

describe('network-multi-bridge.conf', () => {
  test.each([
    ['# all\n\nnetwork-bridge start netdev=eth0 # first\r\n  network-nat dhcp=no\n', []],
    [
      'network-brige\n',
      [
        '1:1 error: This line begins with "network-brige", which is none of network-bridge and network-nat. Did you mean network-bridge?',
      ],
    ],
    [
      '\n  network-bridge eth0\n',
      ['2:3 error: This line holds "eth0"; after the hook\'s name it takes VARIABLE=VALUE.'],
    ],
    [
      'network-nat netdve=eth1\n',
      ['1:1 error: "netdve=eth1" sets no variable of this hook; did you mean netdev=eth1?'],
    ],
    ['network-nat\nnetwork-nat\n', ['2:1 warning: This is the call of line 1 again, which changes nothing.']],
  ])('%j', (text, findings) => {
    expect(said(checkMultiList('/x', text, HOOKS))).toEqual(findings);
  });
});
