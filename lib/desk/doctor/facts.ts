import type { VoidRules } from '../../filter/void-rules.ts';
import type { HeldLock } from '../../observe/desk/held-locks.ts';
import type { UdevCall } from '../../observe/desk/udev-calls.ts';
import type { ForwardDrop } from '../../observe/filter/forward-policy.ts';
import type { FirewallChain } from '../../wire/firewall-rules.ts';
import type { Use } from '../check/twice.ts';
import type { MapFacts } from '../map/map.ts';

/** A hook that a configuration names. */
export interface NamedHook {
  /** Without its folder and arguments. */
  readonly hook: string;
  /** The position in the file, in words. */
  readonly place: string;
}

/** Which scripts a host is configured to run, and which networks are started. */
export interface ScriptFacts {
  /** Sentences about lines of xend-config.sxp that cannot be right. */
  readonly faults: readonly string[];
  /** (network-script …) and (vif-script …) of xend-config.sxp. */
  readonly networkScript: NamedHook | undefined;
  readonly vifScript: NamedHook | undefined;
  /** The hook that xl gives to guests' cards that name none (xl.conf). */
  readonly xlScript: string;
  /** The networks that are started, each with the device that leads outside. */
  readonly started: readonly { readonly hook: string; readonly device: string }[];
  /** Whether network-multi-bridge started them. */
  readonly isMulti: boolean;
  readonly udevCalls: readonly UdevCall[];
  /** run_hotplug_scripts of xl.conf. */
  readonly xlRunsHooks: boolean;
}

/** The difference between the filters that a guest's device has and those that its entries in xenstore ask for. */
export interface FilterDifference {
  /** The device's present name. */
  readonly device: string;
  readonly guest: string;
  /** Rules of FORWARD or PREROUTING, without -A. */
  readonly missing: readonly string[];
  readonly extra: readonly string[];
  /** How the device stands in the strict filter. */
  readonly strict: 'right' | 'missing' | 'other' | 'needless';
  /** Why its entries cannot be used. */
  readonly refusal?: string;
}

/** What the doctor knows of the host's firewall. */
export interface FirewallFacts {
  /** Chains of forwarding that drop what no rule lets pass, by the bridge whose frames go through them. */
  readonly bridged: ReadonlyMap<string, readonly ForwardDrop[]>;
  /** How the administrator keeps a bridge's frames out of iptables, by the bridge. */
  readonly unfilter: ReadonlyMap<string, string>;
  /** Who has set FORWARD's policy, and how to make that program let guests pass. */
  readonly owner: string;
  /** Sentences about chains that drop what this host forwards for guests. */
  readonly routed: readonly string[];
  /** The tables that neither this program nor iptables made, and iptables' own table nat. */
  readonly chains: readonly FirewallChain[];
  /** Rules that match a bridged card and so no longer apply to the host, by the bridge. */
  readonly voided: ReadonlyMap<string, VoidRules>;
  readonly differences: readonly FilterDifference[];
  /** Rules of FORWARD that name guests' devices which this host does not have, and that no record owns. */
  readonly strays: readonly string[];
  /** Families whose bridged packets go through iptables, by the bridge. */
  readonly filtered: ReadonlyMap<string, readonly (4 | 6)[]>;
}

/** What former runs and former guests left. */
export interface LeftFacts {
  /** Devices of which a killed run, or one that never came, left rules, records or a journal. */
  readonly leftovers: readonly string[];
  /** Keys of journals of interrupted runs. */
  readonly interrupted: readonly string[];
  /** Starts that wait for their confirmation, with the seconds left. */
  readonly pending: readonly { readonly id: string; readonly seconds: number }[];
  /** Guests' devices of cards that xenstore does not have. */
  readonly unowned: readonly string[];
  /** Started networks whose device is gone, by the hook. */
  readonly bereft: readonly { readonly hook: string; readonly device: string; readonly record: string }[];
  readonly locks: readonly HeldLock[];
}

/** What the doctor looks at, beside what the map is drawn from. */
export interface DoctorFacts extends MapFacts {
  /** Sentences about bridges that somebody took apart. */
  readonly damages: readonly string[];
  /** Kernel settings by their path below /proc/sys; those that there are not are left out. */
  readonly settings: Readonly<Record<string, string>>;
  /** Sentences about programs that manage cards, bridges and guests' devices, too. */
  readonly owners: readonly string[];
  /** Hooks whose file in /etc/xen/scripts is not this program, by what is there instead. */
  readonly hooks: Readonly<Record<string, string>>;
  readonly scripts: ScriptFacts;
  readonly firewall: FirewallFacts;
  readonly left: LeftFacts;
  /** What cards need for themselves alone: those of running guests, of guests' files, and the host's own. */
  readonly uses: readonly Use[];
  /** Received packets with a wrong checksum, by protocol. */
  readonly badChecksums: Readonly<Record<string, number>>;
  /** Guests' devices whose packets' checksums are left to the card, of those behind NAT. */
  readonly offloading: readonly string[];
  /** Sentences about DHCP servers of started networks that do not run, or that are not alone. */
  readonly servers: readonly string[];
  readonly switchRuns: boolean;
}
