/** What the lab's scripts have to know of a Debian release. Each is in `SUITES`, and nowhere else. */
export interface Suite {
  /** The number in the names of Xen's packages and files. */
  readonly xen: string;
  /** Packages that not all releases have, or that have other names elsewhere. */
  readonly packages: readonly string[];
  /** The strongest filter that its nft can make. */
  readonly antispoof: 'strict' | 'yes';
  /** What dom0's disk needs, in GiB. */
  readonly disk: number;
  /** Scenarios that this release cannot run, each with the reason. */
  readonly cannot: Readonly<Record<string, string>>;
}

const OLD_NFT = 'nft 0.9.8 cannot make the sets of antispoof=strict';

export const SUITES = {
  bullseye: {
    xen: '4.14',
    packages: ['qemu-system-x86', 'isc-dhcp-server'],
    antispoof: 'yes',
    disk: 2,
    cannot: {
      'antispoof-openvswitch': OLD_NFT,
      'antispoof-strict': OLD_NFT,
      'antispoof-strict-hvm': OLD_NFT,
      'antispoof-strict-routed': OLD_NFT,
      'driver-domain': OLD_NFT,
      'two-hosts/migration': OLD_NFT,
      resume: 'a PV guest with its kernel hangs once it was resumed in place, with any hook',
    },
  },
  bookworm: {
    xen: '4.17',
    packages: ['qemu-system-xen', 'isc-dhcp-server'],
    antispoof: 'strict',
    disk: 2,
    cannot: {},
  },
  trixie: {
    xen: '4.20',
    packages: ['qemu-system-xen', 'isc-dhcp-server'],
    antispoof: 'strict',
    disk: 2,
    cannot: {},
  },
  sid: {
    xen: '4.20',
    packages: ['qemu-system-xen'],
    antispoof: 'strict',
    disk: 2,
    cannot: {},
  },
} as const satisfies Record<string, Suite>;

export type SuiteName = keyof typeof SUITES;

/** The release that Xen runs on in `npm test`, and without `--suite`. */
export const USUAL_SUITE: SuiteName = 'bookworm';

/**
 * The release that `npm run test:xen -- --suite NAME` asks for, which run.sh passes on as XEN_NETWORK_SUITE.
 * @throws Error for a name that is not in the table
 */
export function chosenSuite(): SuiteName {
  const name = process.env.XEN_NETWORK_SUITE ?? USUAL_SUITE;
  if (isSuite(name)) return name;
  throw new Error(`The suite is "${name}"; say one of ${Object.keys(SUITES).join(', ')}.`);
}

/**
 * What the scripts of the images and of dom0 read, as assignments of a shell.
 * @param name of the release
 */
export function suiteSettings(name: SuiteName): string {
  const { xen, packages, antispoof, disk }: Suite = SUITES[name];
  const settings = { suite: name, xen, packages: `'${packages.join(' ')}'`, antispoof, disk: `${disk}G` };
  return Object.entries(settings)
    .map(([key, value]) => `${key}=${value}\n`)
    .join('');
}

const isSuite = (name: string): name is SuiteName => Object.hasOwn(SUITES, name);
