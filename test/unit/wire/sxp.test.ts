import { describe, expect, test } from 'vitest';
import { parseSxp, type SxpNode } from '../../../lib/wire/config/sxp.ts';
import { parseXendConfig } from '../../../lib/wire/config/xend-config.ts';

type Plain = string | Plain[];

function plain(node: SxpNode): Plain {
  return node.kind === 'atom' ? node.text : node.items.map(plain);
}

describe('s-expressions', () => {
  test.each<[string, Plain[]]>([
    ['', []],
    ['# only a comment', []],
    ['(a b)', [['a', 'b']]],
    ['(a (b (c)) ())', [['a', ['b', ['c']], []]]],
    ["(a 'b c' \"d'e\")", [['a', 'b c', "d'e"]]],
    ['(a "two\nlines")', [['a', 'two\nlines']]],
    ['(a)#x\n(b) # (c)\n', [['a'], ['b']]],
    ['(a-b.c:/d_~ e"f)', [['a-b.c:/d_~', 'e"f']]],
    ['(a "\\t\\"\\\\\\x41\\101\\7")', [['a', '\t"\\AA\x07']]],
    ['(a{b}[c])', [['a', '{b', '}', '[c', ']']]],
    ['(a\r\n b)', [['a', 'b']]],
    ['(a "ä€")', [['a', 'ä€']]],
  ])('%j', (text, expected) => {
    const { nodes, fault } = parseSxp(text);
    expect(fault).toBeUndefined();
    expect(nodes.map(plain)).toEqual(expected);
  });

  test.each([
    ['(a', 1, 1, 'The "(" here has no ")" before the end of the file.'],
    ['(a)\n  (b (c)', 2, 3, 'The "(" here has no ")" before the end of the file.'],
    ['(a))', 1, 4, 'The ")" here closes nothing; there is no "(" for it.'],
    ["(a\n 'b)", 2, 2, "The quote ' here is not closed before the end of the file."],
    ['(a "\\q")', 1, 5, 'The "\\" here begins no escape that xend knows; write "\\\\" for a "\\".'],
    ['(a "\\777")', 1, 5, 'The "\\" here begins no escape that xend knows; write "\\\\" for a "\\".'],
    ['(a ä)', 1, 4, '"ä" can only stand in quotes or in a comment.'],
    ['(a \x01)', 1, 4, '"\\u0001" can only stand in quotes or in a comment.'],
  ])('%j is a fault', (text, line, column, said) => {
    expect(parseSxp(text).fault).toEqual({ line, column, text: said });
  });

  test('lists may nest as deep as they like', () => {
    const deep = 200_000;
    expect(parseSxp(`${'('.repeat(deep)}${')'.repeat(deep)}`).fault).toBeUndefined();
    expect(parseSxp('('.repeat(deep)).fault).toMatchObject({ line: 1, column: deep });
  });
});

describe('the network in xend-config.sxp', () => {
  const words = (text: string) => parseXendConfig(text).networkScript?.words;
  const faults = (text: string) =>
    parseXendConfig(text).faults.map((fault) => `${fault.line}:${fault.column} ${fault.text}`);

  test('a script and its words, split at each blank as xend did', () => {
    expect(words("(network-script 'network-bridge netdev=eth1  bridge=b')")).toEqual([
      'network-bridge',
      'netdev=eth1',
      '',
      'bridge=b',
    ]);
    expect(words('(network-script network-nat)')).toEqual(['network-nat']);
    expect(words('(network-script "my-script a=\'b\'")')).toEqual(['my-script', "a='b'"]);
  });

  test('no line, or an empty one, names no script', () => {
    for (const text of ['', '(vif-script vif-bridge)', "(network-script '')", '(network-script)'])
      expect(parseXendConfig(text)).toMatchObject({ networkScript: undefined, faults: [] });
  });

  test('of two lines the first counts, and the second is named', () => {
    const text = '(network-script a)\n(network-script b)';
    expect(words(text)).toEqual(['a']);
    expect(parseXendConfig(text).faults).toEqual([
      {
        line: 2,
        column: 1,
        isMild: true,
        text: 'This is a second (network-script …); xend takes the first, in line 1.',
      },
    ]);
  });

  test.each([
    [
      '(network-script network-bridge netdev=eth1)',
      "1:32 network-script takes one value, and xend ignores what follows it. Write (network-script 'network-bridge netdev=eth1') with quotes.",
    ],
    [
      '(vif-script (vif-bridge))',
      "1:13 The value of vif-script is in parentheses. Write (vif-script '…') with quotes.",
    ],
    [
      "(network-script ' a')",
      '1:17 " a" begins with a blank, so the name of the script is empty. Remove the blank.',
    ],
    ['(netwrok-script a)', '1:1 xend knows no "netwrok-script"; did you mean network-script?'],
    ['network-script a', '1:1 "network-script" stands outside of parentheses, and xend ignores it.'],
  ])('%j', (text, said) => {
    expect(faults(text)[0]).toBe(said);
  });

  test("the settings of a usual file are passed over, xend's own among them", () => {
    const text = `# -*- sh -*-
(xend-http-server no)
(xend-relocation-hosts-allow '^localhost$ ^localhost\\\\.localdomain$')
#(network-script network-dummy)
(network-script network-bridge)
(vif-script vif-bridge)
(dom0-min-mem 256) (vncpasswd '')
`;
    expect(parseXendConfig(text)).toEqual({
      networkScript: { words: ['network-bridge'], line: 5, column: 17 },
      vifScript: { words: ['vif-bridge'], line: 6, column: 13 },
      faults: [],
    });
  });
});
