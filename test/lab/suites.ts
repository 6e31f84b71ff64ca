/** What the lab's scripts have to know of a Debian release. Each is in `SUITES`, and nowhere else. */
export interface Suite {
  /** The number in the names of Xen's packages and files. */
  readonly xen: string;
  /** Packages that not all releases have, or that have other names elsewhere. */
  readonly packages: readonly string[];
  /** What dom0's disk needs, in GiB. */
  readonly disk: number;
  /** Scenarios that this release cannot run, each with the reason. */
  readonly cannot: Readonly<Record<string, string>>;
}

export const SUITES = {
  bullseye: {
    xen: '4.14',
    packages: ['qemu-system-x86', 'isc-dhcp-server'],
    disk: 2,
    cannot: {},
  },
  bookworm: {
    xen: '4.17',
    packages: ['qemu-system-xen', 'isc-dhcp-server'],
    disk: 2,
    cannot: {},
  },
  trixie: {
    xen: '4.20',
    packages: ['qemu-system-xen', 'isc-dhcp-server'],
    disk: 2,
    cannot: {},
  },
  sid: {
    xen: '4.20',
    packages: ['qemu-system-xen'],
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
  const { xen, packages, disk }: Suite = SUITES[name];
  return `suite=${name}\nxen=${xen}\npackages='${packages.join(' ')}'\ndisk=${disk}G\n`;
}

const isSuite = (name: string): name is SuiteName => Object.hasOwn(SUITES, name);
