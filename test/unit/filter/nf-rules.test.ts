import { describe, expect, test } from 'vitest';
import { execute } from '../../../lib/apply/execute.ts';
import { encodeRules, NO_RULES_FOUND, rulesToFind } from '../../../lib/filter/nf-rules.ts';
import { withFirewall } from '../../../lib/system/kernel/firewall.ts';
import type { NetlinkSocket } from '../../../lib/system/kernel/netlink.ts';
import { type NfOutcome, runNfTables } from '../../../lib/system/kernel/nf-tables.ts';
import { nodeNative } from '../../../lib/system/node/native-node.ts';
import { openSystem, type System } from '../../../lib/system/system.ts';

const RULE = {
  table: 'filter',
  line: '-I FORWARD -s 10.0.0.0/20 -i vif1.0 -p udp -m udp --sport 68 --dport 67 -j ACCEPT',
};

// What iptables-nft sends for this line (strace -s 999 iptables-restore), but for the match udp, which 1.8.9 writes as
// two expressions that older ones do not read.
const MESSAGES = [
  // NFNL_MSG_BATCH_BEGIN
  '1400000010000100010000000000000000 00000a',
  // NFT_MSG_NEWRULE, create and acknowledge, AF_INET: table, chain, expressions
  '20020000060a0504020000000000000002000000',
  '0b00010066696c746572 0000 0c000200464f525741524400 e0010480',
  // meta load iifname, cmp eq "vif1.0"
  '24000180 090001006d65746100000000 14000280 0800020000000006 0800010000000001',
  '30000180 08000100636d7000 24000280 0800010000000001 0800020000000000 10000380 0b000100766966312e300000',
  // meta load l4proto, cmp eq 17
  '24000180 090001006d65746100000000 14000280 0800020000000010 0800010000000001',
  '2c000180 08000100636d7000 20000280 0800010000000001 0800020000000000 0c000380 0500010011000000',
  // payload load 4b @ network header + 12, bitwise & 255.255.240.0, cmp eq 10.0.0.0
  '34000180 0c0001007061796c6f616400 24000280 0800010000000001 0800020000000001 080003000000000c 0800040000000004',
  '44000180 0c0001006269747769736500 34000280 0800010000000001 0800020000000001 0800030000000004',
  '0c000480 08000100fffff000 0c000580 0800010000000000',
  '2c000180 08000100636d7000 20000280 0800010000000001 0800020000000000 0c000380 080001000a000000',
  // match udp, revision 0: ports 68-68 to 67-67
  '38000180 0a0001006d61746368000000 28000280 0800010075647000 0800020000000000',
  '14000300 44004400430043000000000000000000',
  // counter, immediate accept, and the protocol for the match
  '2c000180 0c000100636f756e74657200 1c000280 0c0001000000000000000000 0c0002000000000000000000',
  '30000180 0e000100696d6d656469617465000000 1c000280 0800010000000000 10000280 0c000280 0800010000000001',
  '14000580 0800010000000011 0800020000000000',
  // NFNL_MSG_BATCH_END
  '140000001100010003000000000000000000000a',
];

const hexOf = (bytes: Uint8Array | undefined): string =>
  [...(bytes ?? [])].map((byte) => byte.toString(16).padStart(2, '0')).join('');
const bytesOf = (hex: string): number[] => (hex.match(/../g) ?? []).map((byte) => Number.parseInt(byte, 16));

test('a batch is what iptables-nft sends', () => {
  const batch = encodeRules(4, [RULE], NO_RULES_FOUND);
  expect(hexOf(batch?.bytes)).toBe(MESSAGES.join('').replaceAll(' ', ''));
  expect(batch?.last).toBe(2);
});

test('the last of several rules is the one that is acknowledged', () => {
  const batch = encodeRules(4, [RULE, RULE, RULE], NO_RULES_FOUND);
  expect(hexOf(batch?.bytes).match(/060a0104..000000/g)).toEqual(['060a010402000000', '060a010403000000']);
  expect(hexOf(batch?.bytes).match(/060a0504..000000/g)).toEqual(['060a050404000000']);
  expect(batch?.last).toBe(4);
});

test('thousands of rules become one batch, each as it would be alone', () => {
  const lines = Array.from({ length: 3000 }, (_, i) => ({
    ...RULE,
    line: `-I FORWARD -i vif${i}.0 -j ACCEPT`,
  }));
  const whole = hexOf(encodeRules(4, lines, NO_RULES_FOUND)?.bytes);
  for (const i of [0, 63, 64, 1500, 2999]) {
    const alone = hexOf(encodeRules(4, lines.slice(i, i + 1), NO_RULES_FOUND)?.bytes);
    // Without the header's flags and number, and between the messages that begin and end the batch.
    const rule = alone.slice(2 * (20 + 16), -2 * 20);
    expect(whole.split(rule)).toHaveLength(2);
  }
  expect(encodeRules(4, lines, NO_RULES_FOUND)?.last).toBe(3001);
});

test('the longest rules fit', () => {
  const long = { ...RULE, line: `-I FORWARD ${LONG} -j ACCEPT` };
  expect(encodeRules(6, new Array(64).fill(long), NO_RULES_FOUND)?.bytes.length).toBeGreaterThan(64 * 1500);
});

test('more rules to delete than are looked for together are left to iptables', () => {
  const gone = { ...RULE, line: RULE.line.replace(/^-I/, '-D') };
  expect(rulesToFind(4, new Array(64).fill(gone))).toHaveLength(64);
  expect(rulesToFind(4, new Array(65).fill(gone))).toBeUndefined();
});

const COMMENT = `-m comment --comment "${'x'.repeat(200)}"`;
const LONG = `-s fe80::/10 -d fe80::/10 -i vif1.0 -o vif2.0 ${COMMENT} ${COMMENT} ${COMMENT}`;

/** A kernel that answers with an error number to a message's number. */
function kernel(errno: number, sequence: number, type = 2): () => NetlinkSocket {
  const reply = new DataView(new ArrayBuffer(36));
  reply.setUint16(4, type, true);
  reply.setUint32(8, sequence, true);
  reply.setInt32(16, -errno, true);
  return () => ({
    send: () => {},
    receive: () => new Uint8Array(reply.buffer),
    errorText: (number) => `${number}`,
    close: () => {},
  });
}

const throwing = (): never => {
  throw new Error('Resource temporarily unavailable');
};

describe('what the kernel answers', () => {
  test.each<[string, () => NetlinkSocket, NfOutcome | undefined]>([
    ['the last rule is acknowledged', kernel(0, 2), {}],
    ['a chain is missing', kernel(2, 2), undefined],
    ['the whole batch is refused', kernel(1, 1), undefined],
    ['no socket can be had', throwing, undefined],
    ['it takes no message', () => ({ ...kernel(0, 2)(), send: throwing }), undefined],
    [
      'it says nothing',
      () => ({ ...kernel(0, 2)(), receive: throwing }),
      { error: 'nf_tables gave no answer: Resource temporarily unavailable' },
    ],
    [
      'it speaks of something else',
      kernel(0, 1),
      { error: 'nf_tables gave no answer to the last of the rules' },
    ],
    [
      'it says anything else',
      kernel(0, 2, 3),
      { error: 'nf_tables gave no answer to the last of the rules' },
    ],
  ])('%s', (_what, open, outcome) => {
    expect(runNfTables(open, 4, [RULE])).toEqual(outcome);
  });
});

const DELETE = { ...RULE, line: RULE.line.replace('-I ', '-D ') };

const hex32 = (value: number): string => value.toString(16).padStart(8, '0');

/** The rule's expressions as Linux 6.18 lists them, with what they have counted. */
const COUNTED = hexOf(rulesToFind(4, [DELETE])?.[0]?.bytes).replace(
  /(0c0001000)0{15}(0c0002000)0{15}/,
  '$1abcdabcdabcdabc$2123412341234123',
);

/** A message that nf_tables answers with. */
function message(type: number, attributes: string): Uint8Array {
  const bytes = new Uint8Array([...new Uint8Array(20), ...bytesOf(attributes)]);
  const header = new DataView(bytes.buffer);
  header.setUint32(0, bytes.length, true);
  header.setUint16(4, type, true);
  return bytes;
}

/** A kernel with one rule, whose rulesets others change before the first few batches come. */
class BusyKernel {
  readonly batches: string[] = [];
  #changes: number;
  #generation = 7;

  constructor(changes: number) {
    this.#changes = changes;
  }

  open(): NetlinkSocket {
    let question = new Uint8Array();
    return {
      ...kernel(0, 2)(),
      send: (bytes) => {
        question = new Uint8Array(bytes);
      },
      receive: () => this.#answer(question),
    };
  }

  #answer(question: Uint8Array): Uint8Array {
    const type = new DataView(question.buffer).getUint16(4, true);
    if (type === 0xa10) return message(0xa0f, `08000100${hex32(this.#generation)}`);
    if (type === 0xa07) {
      const length = new Uint8Array([0, 0, 4, 0]);
      new DataView(length.buffer).setUint16(0, 4 + COUNTED.length / 2, true);
      return message(0xa06, `0c00030000000000000000a7${hexOf(length)}${COUNTED}`);
    }
    this.batches.push(hexOf(question));
    if (this.#changes-- <= 0) return kernel(0, 2)().receive();
    this.#generation++;
    return kernel(85, 1)().receive();
  }
}

describe('a rule is taken away by its handle, in the state of the rulesets in which it was found', () => {
  test.each([
    ['nobody', 0, {}, 1],
    ['somebody', 3, {}, 4],
    ['somebody all the time, and so it is left to iptables,', 99, undefined, 20],
  ])('where %s changes them', (_whoever, changes, outcome, tries) => {
    const busy = new BusyKernel(changes);
    expect(runNfTables(() => busy.open(), 4, [DELETE])).toEqual(outcome);
    expect(busy.batches).toEqual(
      Array.from({ length: tries }, (_, i) =>
        [
          `1c00000010000100010000000000000000 00000a 08000100${hex32(7 + i)}`,
          '38000000080a0500020000000000000002000000',
          '0b00010066696c7465720000 0c000200464f525741524400 0c00030000000000000000a7',
          '140000001100010003000000000000000000000a',
        ]
          .join('')
          .replaceAll(' ', ''),
      ),
    );
  });
});

/** A system with these links and files, whose kernel takes rules and whose programs fail. */
function host(
  links: Readonly<Record<string, string>>,
  files: Readonly<Record<string, string>>,
  seen: string[],
): System {
  return withFirewall({
    ...openSystem(nodeNative),
    exists: (path) => path in links,
    linkTarget: (path) => links[path],
    readText: (path) => files[path],
    replaceFile: (path, text) => void seen.push(`${path}: ${text}`),
    nfTables: (family, lines) => {
      seen.push(`IPv${family}: ${lines.length}`);
      return {};
    },
    run: ([name = '']) => {
      seen.push(name);
      return { status: 1, stdout: name === 'iptables-legacy-save' ? LEGACY : '', stderr: 'refused' };
    },
  });
}

const LEGACY = '*filter\n-A FORWARD -j DROP\n';
const DEBIAN = {
  '/usr/sbin/iptables': '/etc/alternatives/iptables',
  '/etc/alternatives/iptables': '/usr/sbin/iptables-nft',
  '/usr/sbin/iptables-restore': '/etc/alternatives/iptables-restore',
  '/etc/alternatives/iptables-restore': '/usr/sbin/iptables-nft-restore',
};

describe('the kernel is asked where that is what iptables would do', () => {
  test.each<[string, Readonly<Record<string, string>>, Readonly<Record<string, string>>, string[]]>([
    ['Debian', DEBIAN, {}, ['IPv4: 1']],
    ['Red Hat', { '/usr/sbin/iptables-restore': 'xtables-nft-multi' }, {}, ['IPv4: 1']],
    [
      'the legacy one is chosen',
      { '/usr/sbin/iptables': 'xtables-legacy-multi', '/usr/sbin/iptables-restore': 'xtables-legacy-multi' },
      {},
      ['iptables-restore'],
    ],
    [
      'an old one, of which this cannot be told',
      { '/usr/sbin/iptables-restore': 'xtables-multi' },
      {},
      ['iptables-restore'],
    ],
    [
      "the administrator's own",
      { ...DEBIAN, '/usr/local/sbin/iptables-restore': '/opt/fw' },
      {},
      ['iptables-restore'],
    ],
    ['none', {}, {}, ['iptables-restore']],
    [
      'rules are in the legacy tables',
      DEBIAN,
      { '/proc/net/ip_tables_names': 'filter' },
      [
        'iptables-legacy-save',
        'iptables-nft-save',
        'ip6tables-legacy-save',
        'ip6tables-nft-save',
        '/run/xen-network/iptables: legacy legacy',
        'iptables-legacy-restore',
      ],
    ],
    [
      'the choice was made before',
      DEBIAN,
      { '/proc/net/ip_tables_names': 'filter', '/run/xen-network/iptables': 'usual legacy' },
      ['IPv4: 1'],
    ],
  ])('%s', (_what, links, files, expected) => {
    const seen: string[] = [];
    execute(host(links, files, seen), 'iptables', [{ tool: 'iptables', ...RULE }]);
    expect(seen).toEqual(expected);
  });
});

test('where nobody knows whether rules are in, they may be', () => {
  const system: System = {
    ...openSystem(nodeNative),
    nfTables: () => ({ error: 'no answer' }),
    run: throwing,
  };
  const outcome = execute(system, 'ip6tables', [{ tool: 'ip6tables', ...RULE }]);
  expect(outcome).toEqual({ done: 0, exact: false, error: 'no answer' });
});
