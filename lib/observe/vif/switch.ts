import { HostError, XenNetworkError } from '../../errors.ts';
import { failureText, type RunOptions, type RunResult } from '../../system/processes/exec.ts';
import type { System } from '../../system/system.ts';
import { isPromiscuous, type Link, readLink } from '../host/port.ts';
import { isRecord, readVifRecord } from '../records.ts';

const RUN_FOLDERS = ['/run/openvswitch', '/var/run/openvswitch', '/usr/local/var/run/openvswitch'];
/** A running switch answers between two rounds of its work, on a busy host as well. */
const ANSWER_MS = 5000;
/** The types of a switch that the kernel forwards for: unset, and its name (ovs-vswitchd.conf.db(5)). */
const KERNEL_TYPES = ['', 'system'];

/**
 * The device that is the master of every port of the kernel's switch; the database tells the ports of a switch in user
 * space.
 */
const KERNEL_SWITCH = 'ovs-system';

/**
 * The folder with the sockets of Open vSwitch.
 * @param system the way to the folders
 * @returns undefined where it has none of the usual ones
 */
export function switchFolder(system: System): string | undefined {
  return RUN_FOLDERS.find((path) => system.exists(path));
}

/**
 * Sends one request to a process of Open vSwitch and waits for its answer (ovsdb-server(7), ovs-vswitchd(8)). A process
 * that hangs still accepts connections, and ovs-vsctl would wait for it for half a minute.
 * @param system the way to the socket
 * @param path the socket
 * @param method the request
 * @param params its parameters
 * @returns the answer's text; undefined where none comes
 */
export async function askSwitch(
  system: System,
  path: string,
  method: string,
  params: readonly unknown[] = [],
): Promise<string | undefined> {
  const question = new TextEncoder().encode(JSON.stringify({ id: 0, method, params }));
  try {
    const channel = await (await system.native()).connectStream(path, ANSWER_MS);
    try {
      await channel.send(question);
      const answer = await channel.receive();
      return answer.length > 0 ? new TextDecoder().decode(answer) : undefined;
    } finally {
      channel.close();
    }
  } catch (thrown) {
    if (!(thrown instanceof XenNetworkError)) throw thrown;
    return undefined;
  }
}

/**
 * Whether the switch has taken a device. That the device is promiscuous is not enough: a tcpdump makes it promiscuous
 * too.
 * @param system the way to sysfs and to the switch
 * @param port the device
 * @throws HostError where ovs-vsctl could not tell
 */
export function isSwitchPort(system: System, port: Link): boolean {
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
 * @throws HostError where ovs-vsctl could not tell
 */
function isUserPort(system: System, port: Link): boolean {
  if (!isPromiscuous(system, port.name)) return false;
  // The daemon writes the index of the device that it has opened; a device that was removed and made again has another
  // index.
  const words = ['--if-exists', 'get', 'interface', port.name, 'ifindex', 'ofport'];
  const { status, stdout } = askPort(system, PATIENCE, words, { isListing: true });
  const [index, number] = stdout.trim().split('\n');
  if (status !== 0 || !(Number(number) > 0)) return false;
  if (index !== NOT_WRITTEN) return Number(index) === port.index;
  // A port that was replaced by one of its name keeps its device, and gets the index in its new row a moment later.
  const written = ['wait-until', 'interface', port.name, `ifindex=${port.index}`];
  return askPort(system, '--timeout=5', written).status === 0;
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
export function unheldFinder(system: System): (device: string, name: string) => string | undefined {
  let isOffloaded: boolean | undefined;
  const why = (port: Link): string | undefined => {
    if (port.master === undefined)
      return isUserPort(system, port)
        ? `Open vSwitch took it into user space, where it reads frames before the kernel's filters do. Set the datapath_type of its bridge to system`
        : undefined;
    if (!isKernelPort(port)) return undefined;
    isOffloaded ??= offloads(system);
    return isOffloaded ? OFFLOADED : undefined;
  };
  return (device, name) => {
    if (readVifRecord(system, device)?.switchPort === undefined) return undefined;
    const port = readLink(system, name);
    if (port === undefined) return undefined;
    try {
      const reason = why(port);
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
    folder === undefined
      ? askElsewhere(system, bridge)
      : await askDatabase(system, `${folder}/db.sock`, bridge);
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

async function askDatabase(system: System, socket: string, bridge: string): Promise<Forwarding> {
  const columns = ['datapath_type'];
  const offload = ['other_config', 'includes', ['map', [['hw-offload', 'true']]]];
  const named = ['name', '==', bridge];
  const [bridges = [], fakes = [], offloading = []] = await select(system, socket, [
    { table: 'Bridge', where: [named], columns },
    { table: 'Port', where: [named, ['fake_bridge', '==', true]], columns: ['_uuid'] },
    { table: 'Open_vSwitch', where: [offload], columns: ['_uuid'] },
  ]);
  const isOffloaded = offloading.length > 0;
  const [fake] = fakes;
  if (bridges.length > 0 || fake === undefined) return { type: typeIn(bridges), isOffloaded };
  const where = [['ports', 'includes', ['set', [fake['_uuid']]]]];
  const [real = []] = await select(system, socket, [{ table: 'Bridge', where, columns }]);
  return { type: typeIn(real), isOffloaded };
}

type Row = Readonly<Record<string, unknown>>;

const typeIn = ([row]: readonly Row[]): string | undefined =>
  row === undefined ? undefined : String(row['datapath_type']);

/**
 * Reads rows of the switch's database (RFC 7047, 5.2.2).
 * @returns the rows that each selection found
 */
async function select(system: System, socket: string, selections: readonly object[]): Promise<Row[][]> {
  const operations = selections.map((selection) => ({ op: 'select', ...selection }));
  const answer = await askSwitch(system, socket, 'transact', ['Open_vSwitch', ...operations]);
  const found = answer === undefined ? undefined : resultOf(answer);
  if (found !== undefined) return found;
  throw new HostError(
    `Open vSwitch does not tell at ${socket} which datapath_type a bridge has (${answer ?? 'nobody answers'}), on which ` +
      'antispoof=strict depends. Look whether ovsdb-server runs (systemctl status openvswitch-switch), then start the guest again.',
  );
}

function resultOf(answer: string): Row[][] | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(answer);
  } catch {
    return undefined;
  }
  const results = isRecord(parsed) ? parsed['result'] : undefined;
  if (!Array.isArray(results)) return undefined;
  const rows = results.map((result: unknown) => (isRecord(result) ? result['rows'] : undefined));
  return rows.every((list) => Array.isArray(list)) ? rows.map((list) => list.filter(isRecord)) : undefined;
}

/** Where the switch's sockets are in another folder, ovs-vsctl knows it. */
function askElsewhere(system: System, bridge: string): Forwarding {
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
