/** Where else a command is run: a file of the project that contains the words, or why it cannot be run here. */
export type Elsewhere = { readonly in: string; readonly as: string } | { readonly because: string };

const NO_INIT = 'needs an init system that runs; test/install/init.test.ts tries the files that it takes';

/** Commands of the documents that no scenario types, by their texts. */
export const ELSEWHERE: Readonly<Record<string, Elsewhere>> = {
  'npm test': { in: '.ci/run', as: 'npm test' },
  'npm ci': { in: 'tools/setup.sh', as: 'npm ci' },
  'npm ci && npm run build': { in: 'package.json', as: 'npm run -s build' },
  'npm run build': { in: 'package.json', as: 'npm run -s build' },
  'XEN_NETWORK_ENGINE=quickjs_2025.04.26.orig.tar.xz npm run build': {
    in: 'test/system/engine-source.test.ts',
    as: 'XEN_NETWORK_ENGINE: file',
  },
  'npm run build:pkg': { in: 'package.json', as: 'npm run -s build:pkg' },
  'npm run man': { in: 'test/man/pages.test.ts', as: 'tools/man/main.ts' },
  'npm run package': { in: 'test/install/package.test.ts', as: 'await makeDeb(site)' },
  'npm run test:arm64': { because: 'it builds for arm64, and runs that by qemu-user' },
  'npm run test:package': { because: 'it takes minutes and downloads Debian roots; npm run release runs it' },
  'npm run release': { in: 'test/release/release.test.ts', as: 'tools/release/main.ts' },
  'npm run release -- 1.0.0': { in: 'test/release/release.test.ts', as: 'tools/release/main.ts' },
  'sh tools/bun.sh test/formats/freeze.ts $PWD/dist/xen-network 1.0 networks dhcp pending killed killed-nat':
    {
      because: 'it writes what is frozen',
    },
  'xen-network hooks enable': { in: 'test/install/package.test.ts', as: 'xen-network hooks enable' },
  'npm run demo': { in: 'package.json', as: 'npm run -s build && dist/xen-network sandbox' },
  'npm run lint': { in: 'package.json', as: 'npm run -s lint' },
  'npm run setup': { in: 'package.json', as: 'sh tools/setup.sh test' },
  'npm run format': { because: 'it writes the sources; npm run lint looks at the same' },
  'npm run test:xen': {
    because: 'it takes half an hour; npm test runs the core of it, test/lab/core.test.ts',
  },
  "npm run test:xen -- -t 'Xen (pv|vif-nat|network-)'": { because: 'it takes half an hour' },
  'npm run test:xen -- --suite trixie': { because: 'it takes half an hour' },
  'npm run check:engine': {
    because: 'it takes long; the engine and the hooks are tested without it as well',
  },
  'npm run check:engine -- hostile': {
    because: 'it takes long; the engine and the hooks are tested without it as well',
  },
  'npm run check:engine -- collection': {
    because: 'it takes long; the engine and the hooks are tested without it as well',
  },
  'npm run check:engine -- tests': {
    because: 'it takes long; the engine and the hooks are tested without it as well',
  },
  'npm run soak': { because: 'it takes minutes; npm test runs some seeds, test/soak/soak.test.ts' },
  'npm run soak -- 30': { because: 'it takes minutes; npm test runs some seeds, test/soak/soak.test.ts' },
  'npm run soak -- --seed 7 --acts 40': {
    because: 'it takes a minute; npm test runs some seeds, test/soak/soak.test.ts',
  },
  'npm run bench': { because: 'it measures, and wants a machine of its own' },
  'npm run bench -- --long': { because: 'it measures for most of an hour, and wants a machine of its own' },
  'npx vitest run --project host test/golden --update': { because: 'it writes the golden files anew' },
  'npm run overlaps -- FILE': {
    because: 'it takes hours; without the variable npm test runs a choice of it',
  },
  'npm run overlaps -- FILE 8': {
    because: 'it takes hours; without the variable npm test runs a choice of it',
  },
  'XEN_NETWORK_OVERLAP=strict/online/killed npx vitest run --project host test/netns/faults/overlap-guests.test.ts test/netns/faults/overlap-networks.test.ts':
    {
      because: 'it takes hours; without the variable npm test runs a choice of it',
    },
  './install.sh': { in: 'test/install/dpkg.test.ts', as: 'install "$1" >/mnt/log' },
  './install.sh --uninstall': { in: 'test/install/dpkg.test.ts', as: 'install "$1" --uninstall' },
  './install.sh --boot KIND': { in: 'test/install/install.test.ts', as: "'--boot', kind" },
  'xen-network sandbox --shell': { in: 'test/netns/sandbox.test.ts', as: 'sandbox --shell' },
  "journalctl -k --grep 'xen-network drops'": {
    because: 'the kernel logs what namespaces drop nowhere, unless told; test:xen looks at it',
  },
  // Not every kernel has VLAN filtering; where it is there the scenario types these three as well.
  'ip link set dev xenbr0 type bridge vlan_filtering 1': {
    in: 'test/netns/vif-bridge/vlan.test.ts',
    as: 'link set dev xenbr0 type bridge vlan_filtering 1',
  },
  'bridge vlan add dev peth0 vid 10': {
    in: 'test/lab/scenarios/vlan.sh',
    as: 'bridge vlan add dev veth0 vid',
  },
  'bridge vlan show dev vif1.0': { in: 'test/netns/vif-bridge/vlan.test.ts', as: "'vlan', 'show'" },
  'systemctl enable xen-network': { because: NO_INIT },
  'xen-network traffic --textfile': { in: 'test/netns/desk/traffic-metrics.test.ts', as: "'--textfile'" },
  'systemctl enable --now xen-network-traffic.timer': { because: NO_INIT },
  'rc-update add xen-network default': { because: NO_INIT },
  'update-rc.d xen-network defaults': { because: NO_INIT },
  'chkconfig --add xen-network': { because: NO_INIT },
  'ovs-vsctl set open . external-ids:system-id=host1 external-ids:ovn-remote=tcp:172.31.0.1:6642': {
    in: 'test/support/ovn.ts',
    as: 'external-ids:system-id="$1" external-ids:ovn-remote=',
  },
  'ovs-vsctl set open . external-ids:ovn-encap-type=geneve external-ids:ovn-encap-ip=172.31.0.1': {
    in: 'test/support/ovn.ts',
    as: 'external-ids:ovn-encap-type=geneve',
  },
  'ovn-nbctl ls-add sw0': { in: 'test/netns/networks/ovn.test.ts', as: "'ls-add', SWITCH" },
  'ovn-nbctl lsp-add sw0 00:16:3e:00:00:11': {
    in: 'test/netns/networks/ovn.test.ts',
    as: "'lsp-add', SWITCH, mac",
  },
  "ovn-nbctl lsp-set-addresses 00:16:3e:00:00:11 '00:16:3e:00:00:11 192.0.2.11'": {
    in: 'test/netns/networks/ovn.test.ts',
    as: "'lsp-set-addresses', mac",
  },
  "ovn-nbctl lsp-set-port-security 00:16:3e:00:00:11 '00:16:3e:00:00:11 192.0.2.11'": {
    in: 'test/netns/networks/ovn.test.ts',
    as: "'lsp-set-port-security', mac",
  },
  'ovn-nbctl lsp-set-options 00:16:3e:00:00:11 requested-chassis=host2': {
    in: 'test/netns/networks/ovn.test.ts',
    as: "'lsp-set-options', WEB.mac, 'requested-chassis=two'",
  },
  'ovn-sbctl show': { in: 'test/netns/networks/ovn.test.ts', as: "'ovn-sbctl', 'show'" },
  'iptables -i eth0': { because: 'no command: words of a rule' },
  'bridge xen_network_wrapped_xenbr0': { because: 'no command: the name of a table' },
  'nft -f': { because: 'no command: an option' },
  'ip -batch': { because: 'no command: an option' },
  'xl create -n': { in: 'lib/observe/host/xl-syntax.ts', as: "'xl', 'create', '-n'" },
  'vif-bridge online': { because: 'no command: the name of a call' },
};
