// The table in which guests' traffic is counted, as messages of nf_tables (linux/netfilter/nf_tables.h) and in nft's language.
import { NESTED, NetlinkWriter } from '../netlink-writer.ts';
import { beginExpression } from '../nf/expressions.ts';
import {
  beginBatch,
  CHAIN,
  endBatch,
  FLAG,
  HEADERS,
  MESSAGE,
  NFPROTO,
  type NfBatch,
  RULE,
  writeBaseChain,
} from '../nf/messages.ts';

/**
 * The table of guests' counters. Its chains are those of a device, at its edge: all that comes from a guest passes one
 * before the bridge, the switch, the routes or any filter see it, and all that goes to the guest passes the other one last.
 * So each packet meets one rule without a lookup, however many guests there are.
 */
export const TRAFFIC_TABLE = { family: 'netdev', name: 'xen_network_traffic' } as const;

type Direction = 'sent' | 'received';

const NETDEV = NFPROTO['netdev'] ?? 0;
const OBJECT = { table: 1, name: 2, type: 3, data: 4 } as const;
const TABLE = { name: 1 } as const;
const OBJECT_COUNTER = 1;
/** Of all messages for one device. */
const ROOM = 4096;

/** Before the strict filter's chains (-500), which refuse what a guest may not send, and after the one that lets nothing out. */
const DIRECTIONS: readonly { readonly name: Direction; readonly hook: number; readonly priority: number }[] =
  [
    { name: 'sent', hook: 0, priority: -510 },
    { name: 'received', hook: 1, priority: 500 },
  ];
const HOOK_WORDS = ['ingress', 'egress'] as const;

/**
 * The transaction that counts a device's traffic from now on. Counters that are there go on.
 * @param device the kernel's name of the device, which names its counters
 * @param port the device's present name
 */
export function countBatch(device: string, port: string): NfBatch {
  const out = beginBatch(ROOM);
  begin(out, MESSAGE.newTable, FLAG.create);
  out.text(TABLE.name, TRAFFIC_TABLE.name);
  out.end();
  for (const { name, hook, priority } of DIRECTIONS) {
    const id = `${name}/${device}`;
    removeChain(out, id);
    makeCounter(out, id);
    writeBaseChain(out, NETDEV, TRAFFIC_TABLE.name, id, { hook, priority, device: port });
    addRule(out, id);
  }
  return endBatch(out);
}

/**
 * The transaction that removes a device's counters, and its chains where the device is there still.
 * @param device the kernel's name of the device
 */
export function forgetBatch(device: string): NfBatch {
  const out = beginBatch(ROOM);
  for (const { name } of DIRECTIONS) {
    const id = `${name}/${device}`;
    removeChain(out, id);
    // One that is not there cannot be removed.
    makeCounter(out, id);
    begin(out, MESSAGE.delObject, 0);
    nameCounter(out, id);
    out.end();
  }
  return endBatch(out);
}

/** The request for the table, whose handle tells it from another one of its name. */
export function tableQuestion(): Uint8Array {
  const out = new NetlinkWriter(HEADERS + 64);
  out.begin(MESSAGE.getTable, FLAG.request, NETDEV);
  out.text(TABLE.name, TRAFFIC_TABLE.name);
  out.end();
  return out.from(0);
}

/** The request for all counters. */
export function countersQuestion(): Uint8Array {
  const out = new NetlinkWriter(HEADERS + 64);
  out.begin(MESSAGE.getObject, FLAG.request | FLAG.dump, NETDEV);
  out.text(OBJECT.table, TRAFFIC_TABLE.name);
  out.number(OBJECT.type, OBJECT_COUNTER);
  out.end();
  return out.from(0);
}

/**
 * The requests for the two counters of a device.
 * @param device the kernel's name of the device
 */
export function deviceQuestions(device: string): Uint8Array[] {
  return DIRECTIONS.map(({ name }) => {
    const out = new NetlinkWriter(HEADERS + 128);
    out.begin(MESSAGE.getObject, FLAG.request, NETDEV);
    nameCounter(out, `${name}/${device}`);
    out.end();
    return out.from(0);
  });
}

/**
 * The same transactions as lines for `nft -f -`.
 * @param device the kernel's name of the device
 * @param port the device's present name; undefined removes the counters
 */
export function counterLines(device: string, port: string | undefined): string[] {
  const table = `${TRAFFIC_TABLE.family} ${TRAFFIC_TABLE.name}`;
  return [
    `add table ${table}`,
    ...DIRECTIONS.flatMap(({ name, hook, priority }) => {
      const id = `${table} ${name}/${device}`;
      const base = `{ type filter hook ${HOOK_WORDS[hook]} device "${port}" priority ${priority}; policy accept; }`;
      return [
        `add chain ${id}; flush chain ${id}; delete chain ${id}`,
        `add counter ${id}`,
        ...(port === undefined
          ? [`delete counter ${id}`]
          : [`add chain ${id} ${base}`, `add rule ${id} counter name "${name}/${device}"`]),
      ];
    }),
  ];
}

function begin(out: NetlinkWriter, type: number, flags: number): void {
  out.begin(type, FLAG.request | flags, NETDEV);
}

/** A chain that is not there is made first, since it could not be removed; the kernel removed it with its device. */
function removeChain(out: NetlinkWriter, id: string): void {
  for (const [type, flags] of [
    [MESSAGE.newChain, FLAG.create],
    [MESSAGE.delRule, 0],
    [MESSAGE.delChain, 0],
  ] as const) {
    begin(out, type, flags);
    out.text(CHAIN.table, TRAFFIC_TABLE.name);
    out.text(type === MESSAGE.delRule ? RULE.chain : CHAIN.name, id);
    out.end();
  }
}

function makeCounter(out: NetlinkWriter, id: string): void {
  begin(out, MESSAGE.newObject, FLAG.create);
  nameCounter(out, id);
  out.nest(OBJECT.data | NESTED);
  out.close(0);
  out.end();
}

function nameCounter(out: NetlinkWriter, id: string): void {
  out.text(OBJECT.table, TRAFFIC_TABLE.name);
  out.text(OBJECT.name, id);
  out.number(OBJECT.type, OBJECT_COUNTER);
}

function addRule(out: NetlinkWriter, id: string): void {
  begin(out, MESSAGE.newRule, FLAG.create);
  out.text(RULE.table, TRAFFIC_TABLE.name);
  out.text(RULE.chain, id);
  out.nest(RULE.expressions | NESTED);
  beginExpression(out, 'objref');
  out.number(1, OBJECT_COUNTER);
  out.text(2, id);
  out.close(0);
  out.end();
}
