// What qemu-user does not carry of the program for arm64: tests of the hooks that fail under it, and why.

/** Tests that fail under qemu-user alone. */
export interface Difference {
  readonly why: string;
  /** What they say when they fail so; absent where they may pass or fail, and are not run. */
  readonly says?: RegExp;
  /** By file: the names, with those of their groups before them, or how names begin. */
  readonly tests: Readonly<Record<string, readonly string[]>>;
}

const CHILDREN = 'qemu-user has no netlink sockets for nf_tables, so iptables and nft run instead';

export const DIFFERENCES: readonly Difference[] = [
  {
    why: CHILDREN,
    says: /expected \[ '\/usr\/sbin\/|expected \{ status: \+0, started: \[/,
    tests: {
      'test/netns/strict/online-offline.test.ts': ['a card under the strict filter > needs one child'],
      'test/netns/vif-bridge/packets.test.ts': [
        'children > an IPv4 guest is online with no child',
        'children > an IPv6 guest is online with no child',
        'children > the first guest after boot needs none either',
      ],
      'test/netns/vif/vif-nat.test.ts': ['an IPv4 guest without DHCP needs no child'],
      'test/netns/vif/vif-route.test.ts': ['an IPv4 guest needs no child'],
    },
  },
  {
    why: `${CHILDREN}; here iptables cannot run`,
    says: /expected \{ status: 1, stdout: '',/,
    tests: {
      'test/netns/vif-bridge/rules.test.ts': [
        'rules > are made by the kernel alone where iptables-nft is there',
      ],
    },
  },
  {
    why: 'qemu-user refuses RTM_NEWLINKPROP, by which a device gets the whole of a long name as its second one',
    says: /expected 1 to be \+0|expected \{ status: 1, /,
    tests: {
      'test/netns/vif-bridge/calls.test.ts': ['a dry run > of a vif that is renamed changes nothing'],
      'test/netns/vif-bridge/names.test.ts': [
        'a vifname > over 15 characters is cut with a warning',
        'a vifname > another that is cut to the same name for two guests',
      ],
      'test/netns/vif-bridge/online-offline.test.ts': [
        'online and offline > a vif and its emulated twin stand side by side',
      ],
      'test/netns/vif-bridge/packets.test.ts': ['children > a guest with no address and a vifname'],
      'test/netns/vif/vif-route.test.ts': ['online and offline > a vifname, an MTU and a post hook'],
    },
  },
  {
    why: 'qemu-user loses the error of posix_spawn(3) for a program that cannot be run: the child ends with status 127',
    says: /127/,
    tests: {
      'test/netns/vif/vif-setup.test.ts': [
        'a script of another’s > without a "#!" line',
        'a script of another’s > that is not there',
        'a script of another’s > that may not be run',
      ],
    },
  },
  {
    why: 'strace counts what qemu-user reads for itself as well',
    tests: { 'test/netns/vif/vif-route.test.ts': ['among 20000 routes > each online and offline'] },
  },
];

/** What is not tried under qemu-user at all, and why. */
export const NOT_TRIED: Readonly<Record<string, string>> = {
  'test/golden, test/netns/faults, test/netns/firewall, test/model':
    'Node.js or Bun runs them in its own process, and not the compiled program',
  'test/netns/vif/memory.test.ts': 'qemu-user takes 128 MB for itself where a hook is to have a few',
  'the other tests of test/netns':
    'they are many, and go the same ways to the system as those that are tried',
};

const FILES = 'its files are those of memfs, which is made of modules of Node.js';
const SOURCE = 'it reads the source by modules of Node.js';

/** The files of test/unit that the program's engine cannot run, and why. */
export const NOT_BY_ENGINE: Readonly<Record<string, string>> = {
  'test/unit/apply/confirm.test.ts': FILES,
  'test/unit/apply/journal.test.ts': FILES,
  'test/unit/house-rules.test.ts': SOURCE,
  'test/unit/observe/dhcp-gone.test.ts': FILES,
  'test/unit/observe/vif.test.ts': FILES,
  'test/unit/package/watched.test.ts':
    'it follows paths by a module of Node.js, as the tests of the package do',
  'test/unit/plan/vif-route.test.ts': FILES,
  'test/unit/plan/vif-told.test.ts': FILES,
  'test/unit/plan/vlan.test.ts': FILES,
  'test/unit/request/described.test.ts': SOURCE,
};

/**
 * The difference that is known of a test.
 * @param file the test's file, from the project's folder
 * @param name its name with those of its groups, joined by " > "
 */
export function differenceOf(file: string, name: string): Difference | undefined {
  return DIFFERENCES.find(({ tests }) => tests[file]?.some((known) => name.startsWith(known)));
}
