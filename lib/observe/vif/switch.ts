import { HostError } from '../../errors.ts';
import { failureText, type RunOptions, type RunResult } from '../../system/processes/exec.ts';
import type { System } from '../../system/system.ts';
import { hasIndexWithin, type Row, select, writtenNumbers } from '../../wire/ovsdb.ts';
import { isPromiscuous, type Link, readLink } from '../host/port.ts';
import { readVifRecord } from '../records.ts';
import { askDatabase, databaseIn, switchFolder } from './switch-processes.ts';

/** The types of a switch that the kernel forwards for: unset, and its name (ovs-vswitchd.conf.db(5)). */
const KERNEL_TYPES = ['', 'system'];

/**
 * The device that is the master of every port of the kernel's switch; the database tells the ports of a switch in user
 * space.
 */
const KERNEL_SWITCH = 'ovs-system';

/**
 * Whether the switch has taken a device. That the device is promiscuous is not enough: a tcpdump makes it promiscuous
 * too.
 * @param system the way to sysfs and to the switch
 * @param port the device
 * @throws HostError where the switch could not tell
 */
export async function isSwitchPort(system: System, port: Link): Promise<boolean> {
  return port.master === undefined ? isUserPort(system, port) : isKernelPort(port);
}

/**
 * Whether a device is a port of the kernel's switch.
 * @param port the device
 */
export function isKernelPort({ master }: Link): boolean {
  return master === KERNEL_SWITCH;
}

/**
 * Whether a switch in user space has taken a device that has no master.
 * @throws HostError where the switch could not tell
 */
async function isUserPort(system: System, port: Link): Promise<boolean> {
  if (!isPromiscuous(system, port.name)) return false;
  const folder = switchFolder(system);
  // The daemon writes the index of the device that it has opened; a device that was removed and made again has another
  // index.
  const { index, number } =
    folder === undefined ? numbersElsewhere(system, port) : await numbersIn(system, folder, port);
  if (!(number > 0)) return false;
  if (index !== undefined) return index === port.index;
  // A port that was replaced by one of its name keeps its device, and gets the index in its new row a moment later.
  if (folder === undefined) return getsIndexElsewhere(system, port);
  return (await askDatabase(system, folder, [hasIndexWithin(port, SOON_MS)], SOON_MS)).rows !== undefined;
}

/** What the daemon wrote of a device that it has opened. */
interface PortNumbers {
  readonly index: number | undefined;
  /** Its OpenFlow number; above 0 where the daemon could open it. */
  readonly number: number;
}

async function numbersIn(system: System, folder: string, { name }: Link): Promise<PortNumbers> {
  const question = select('Interface', [['name', '==', name]], 'ifindex', 'ofport');
  const { rows, text } = await askDatabase(system, folder, [question]);
  if (rows !== undefined) return writtenNumbers(rows[0]?.[0]);
  throw new HostError(
    `Open vSwitch does not tell at ${databaseIn(folder)} whether ${name} is a port (${text ?? 'nobody answers'}). Look ` +
      'whether ovsdb-server runs (systemctl status openvswitch-switch).',
  );
}

/** How long the daemon may take to write the index of a device. */
const SOON_MS = 5000;

/** Where the switch's sockets are in another folder, ovs-vsctl knows it. */
function numbersElsewhere(system: System, { name }: Link): PortNumbers {
  const words = ['--if-exists', 'get', 'interface', name, 'ifindex', 'ofport'];
  const { status, stdout } = askPort(system, PATIENCE, words, { isListing: true });
  const [index, number] = status === 0 ? stdout.trim().split('\n') : [];
  return { index: index === NOT_WRITTEN ? undefined : Number(index), number: Number(number) };
}

function getsIndexElsewhere(system: System, { name, index }: Link): boolean {
  const written = ['wait-until', 'interface', name, `ifindex=${index}`];
  return askPort(system, `--timeout=${SOON_MS / 1000}`, written).status === 0;
}

/** ovs-vsctl reads all of the database first, for which it takes seconds while hundreds of guests come at once. */
const PATIENCE = '--timeout=10';

/** What ovs-vsctl prints of a column without a value. */
const NOT_WRITTEN = '[]';

function askPort(
  system: System,
  timeout: string,
  words: readonly string[],
  options: RunOptions = {},
): RunResult {
  return system.run(['ovs-vsctl', timeout, '--no-wait', ...words], options);
}

const INSTEAD = 'port security of OVN, or flows that match the MAC and IP addresses of the guest';

/** Such flows are filters of tc, which see a frame before the netdev family does. */
const OFFLOADED =
  'Open vSwitch forwards by tc (other_config:hw-offload=true), which sees frames before the strict filter does. Set that to ' +
  'false and start ovs-vswitchd again';

/**
 * Looks for ports of a switch that the strict filter cannot hold, because the switch reads their frames in user space or
 * in tc, before the filter has them.
 * @param system the way to sysfs, the records and the switch, which is asked no oftener than needed
 * @returns tells of a device, by the kernel's name and its present one, why it is not held, or that nobody could tell;
 * undefined where it is held
 */
export function unheldFinder(system: System): (device: string, name: string) => Promise<string | undefined> {
  let isOffloaded: boolean | undefined;
  const why = async (port: Link): Promise<string | undefined> => {
    if (port.master === undefined)
      return (await isUserPort(system, port))
        ? `Open vSwitch took it into user space, where it reads frames before the kernel's filters do. Set the datapath_type of its bridge to system`
        : undefined;
    if (!isKernelPort(port)) return undefined;
    isOffloaded ??= offloads(system);
    return isOffloaded ? OFFLOADED : undefined;
  };
  return async (device, name) => {
    if (readVifRecord(system, device)?.switchPort === undefined) return undefined;
    const port = readLink(system, name);
    if (port === undefined) return undefined;
    try {
      const reason = await why(port);
      return reason && `${name} is not held by the strict filter: ${reason}, or use ${INSTEAD}.`;
    } catch (thrown) {
      if (!(thrown instanceof HostError)) throw thrown;
      return `Whether ${name} is held by the strict filter is unknown: ${thrown.message}`;
    }
  };
}

function offloads(system: System): boolean {
  const words = ['--if-exists', 'get', 'open_vswitch', '.', 'other_config:hw-offload'];
  return /true/.test(askPort(system, PATIENCE, words, { isListing: true }).stdout);
}

/**
 * Refuses antispoof=strict on a bridge of Open vSwitch whose frames the strict filter would not be the first to see.
 * @param system the way to the switch's database
 * @param device the guest's device
 * @param bridge the bridge, which may be one of ovs-vsctl's fake bridges; where there is none, ovs-vsctl says so later
 * @throws HostError when the bridge is in user space or forwards by tc, or its database does not tell
 */
export async function mustBeKernels(system: System, device: string, bridge: string): Promise<void> {
  const folder = switchFolder(system);
  const { type = '', isOffloaded } =
    folder === undefined ? forwardingElsewhere(system, bridge) : await forwardingIn(system, folder, bridge);
  const cannot = `antispoof=strict and locking= cannot hold ${device} on ${bridge}`;
  if (isOffloaded) throw new HostError(`${cannot}: ${OFFLOADED}, or leave them out and use ${INSTEAD}.`);
  if (KERNEL_TYPES.includes(type)) return;
  throw new HostError(
    `${cannot}, whose datapath_type is ${type}: such a switch reads frames before the kernel's filters do. Leave them out, ` +
      `and use ${INSTEAD}; or set the datapath_type to system.`,
  );
}

/** How a switch forwards the frames of a bridge's ports. */
interface Forwarding {
  /** The bridge's datapath_type; undefined where there is no such bridge. */
  readonly type: string | undefined;
  readonly isOffloaded: boolean;
}

async function forwardingIn(system: System, folder: string, bridge: string): Promise<Forwarding> {
  const column = 'datapath_type';
  const offload = ['other_config', 'includes', ['map', [['hw-offload', 'true']]]];
  const named = ['name', '==', bridge];
  const ask = async (...questions: ReturnType<typeof select>[]) => {
    const { rows, text } = await askDatabase(system, folder, questions);
    if (rows !== undefined) return rows;
    throw new HostError(
      `Open vSwitch does not tell at ${databaseIn(folder)} which datapath_type a bridge has (${text ?? 'nobody answers'}), on which ` +
        'antispoof=strict depends. Look whether ovsdb-server runs (systemctl status openvswitch-switch), then start the guest again.',
    );
  };
  const [bridges = [], fakes = [], offloading = []] = await ask(
    select('Bridge', [named], column),
    select('Port', [named, ['fake_bridge', '==', true]], '_uuid'),
    select('Open_vSwitch', [offload], '_uuid'),
  );
  const isOffloaded = offloading.length > 0;
  const [fake] = fakes;
  if (bridges.length > 0 || fake === undefined) return { type: typeIn(bridges), isOffloaded };
  const [real = []] = await ask(select('Bridge', [['ports', 'includes', ['set', [fake['_uuid']]]]], column));
  return { type: typeIn(real), isOffloaded };
}

const typeIn = ([row]: readonly Row[]): string | undefined =>
  row === undefined ? undefined : String(row['datapath_type']);

/** Where the switch's sockets are in another folder, ovs-vsctl knows it. */
function forwardingElsewhere(system: System, bridge: string): Forwarding {
  const ask = (...words: string[]) => system.run(['ovs-vsctl', '--timeout=1', ...words], { isListing: true });
  const isOffloaded = offloads(system);
  const parent = ask('br-to-parent', bridge);
  if (parent.status !== 0) return { type: undefined, isOffloaded };
  const found = ask('get', 'bridge', parent.stdout.trim(), 'datapath_type');
  if (found.status === 0) return { type: found.stdout.trim().replace(/^"(.*)"$/, '$1'), isOffloaded };
  throw new HostError(
    `The datapath_type of ${bridge}, on which antispoof=strict depends, could not be read (${failureText(found)}).`,
  );
}
