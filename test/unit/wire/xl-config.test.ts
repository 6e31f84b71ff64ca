import { describe, expect, test } from 'vitest';
import { parseGuestFile, wordOf } from '../../../lib/wire/config/guest-file.ts';
import { defaultVifScript } from '../../../lib/wire/config/xl-conf.ts';
import { parseXlFile, type XlValue } from '../../../lib/wire/config/xl-config.ts';

type Plain = string | Plain[];

function plain(value: XlValue): Plain {
  return value.kind === 'atom' ? value.text : value.items.map(plain);
}

function settings(text: string): [string, Plain][] {
  const file = parseXlFile(text);
  expect(file.faults).toEqual([]);
  return file.settings.map(({ name, adds, value }) => [adds ? `${name}+` : name, plain(value)]);
}

describe('files of xl', () => {
  test.each<[string, [string, Plain][]]>([
    ['', []],
    ['\n \t\n# a comment\n', []],
    ['a = "b"\n', [['a', 'b']]],
    ["a='b\"c'", [['a', 'b"c']]],
    [
      'a=1;b = 0x1f ; c=[]\n',
      [
        ['a', '1'],
        ['b', '0x1f'],
        ['c', []],
      ],
    ],
    ['a=[ "b",\n  # between\n  "c", # behind\n]\n', [['a', ['b', 'c']]]],
    ['a=["b"\n,"c"\n]\n', [['a', ['b', 'c']]]],
    ['a=[["b"],[]]\n', [['a', [['b'], []]]]],
    [
      'a="x"\na+="y"\n',
      [
        ['a', 'x'],
        ['a+', 'xy'],
      ],
    ],
    ['vif.default.script="vif-nat" # why\n', [['vif.default.script', 'vif-nat']]],
    // Of a number after a backslash xl makes nothing, and it takes one digit in front of what strtoul takes.
    ['a="\\t\\"\\\\\\101"\n', [['a', '\t"\\']]],
    ['a="[\\1\r1]"\n', [['a', '[]']]],
    ['a="é€"\n', [['a', 'é€']]],
  ])('%j', (text, expected) => {
    expect(settings(text)).toEqual(expected);
  });

  test.each([
    [
      'a = b\n',
      1,
      5,
      'Here "b" stands, where xl takes a value: a string in quotes, a number or a list in brackets. A word needs quotes.',
    ],
    [
      'a = \n',
      1,
      5,
      'Here the line ends, where xl takes a value: a string in quotes, a number or a list in brackets.',
    ],
    ['a "b"\n', 1, 3, 'Here "b" stands, where xl takes "=" after "a".'],
    ['a = "b" c = "d"\n', 1, 9, 'Here "c" stands, where xl takes the end of the line, or ";".'],
    ['a = "b\n', 1, 5, 'The quote " here is not closed before the end of the line.'],
    ['a = "\\q"\n', 1, 6, 'The "\\" here begins no escape that xl knows; write "\\\\" for a "\\".'],
    [
      'x=1\na = [ "b" "c" ]\n',
      2,
      11,
      'Here "c" stands, where xl takes "," or "]" after a value of the list.',
    ],
    ['a = [ "b",\n\n', 1, 5, 'The "[" here has no "]" that closes it.'],
    ['a = [ ; ]\n', 1, 5, 'The "[" here has no "]" that closes it.'],
    ['a = 1 + 1\n', 1, 7, '"+" means nothing here: xl reads settings, and runs no Python.'],
    [
      'a = [1]\na += 2\n',
      2,
      6,
      'A list cannot be added to a text, nor a text to a list, and a is the other.',
    ],
    ['import os\n', 1, 8, 'Here "os" stands, where xl takes "=" after "import".'],
    ['Name = "x"\n', 1, 1, '"N" is a capital; names have none, and a word needs quotes.'],
    [
      'a = 1\r\n',
      1,
      6,
      'The line ends as on Windows, with a carriage return; xl takes none (sed -i "s/\\r$//" FILE).',
    ],
    ['a = 1\n# end', 2, 1, 'A comment has to end with a line break, and this one ends with the file.'],
  ])('%j is a fault', (text, line, column, said) => {
    expect(parseXlFile(text).faults[0]).toEqual({ line, column, text: said });
  });

  test('go on after the line of a fault, so that each is told', () => {
    const file = parseXlFile('a = b\nc = "d"\ne = f\n');
    expect(file.settings.map(({ name }) => name)).toEqual(['c']);
    expect(file.faults.map(({ line }) => line)).toEqual([1, 3]);
  });

  test('may nest as deep as they like', () => {
    const deep = 100_000;
    expect(parseXlFile(`a=${'['.repeat(deep)}${']'.repeat(deep)}\n`).faults).toEqual([]);
  });
});

describe("a guest's file", () => {
  const text = `name = "web"
type = "hvm"
vif = [ 'mac=00:16:3e:00:00:01, bridge=xenbr0',
        '' ]
`;

  test('its name, its kind and its cards, each word with its place', () => {
    const { name, isHvm, cards, strange } = parseGuestFile(text);
    expect({ name, isHvm, strange }).toEqual({ name: 'web', isHvm: true, strange: [] });
    expect(cards.map(({ words }) => words)).toEqual([
      [
        { key: 'mac', value: '00:16:3e:00:00:01', line: 3, column: 10 },
        { key: 'bridge', value: 'xenbr0', line: 3, column: 33 },
      ],
      [],
    ]);
    const [card] = cards;
    expect(card && wordOf(card, 'bridge')?.value).toBe('xenbr0');
  });

  test('of several lists the last counts, and what is no text is strange', () => {
    expect(parseGuestFile("vif=['bridge=a']\nvif=['bridge=b']\n").cards[0]?.words[0]?.value).toBe('b');
    expect(
      parseGuestFile("vif=['bridge=a']\nvif+=['bridge=b']\n").cards.map(({ words }) => words[0]?.value),
    ).toEqual(['a', 'b']);
    expect(parseGuestFile("vif='bridge=a'\n")).toMatchObject({
      cards: [],
      strange: [{ line: 1, column: 5 }],
    });
    expect(parseGuestFile("vif=[['bridge=a']]\n")).toMatchObject({
      cards: [],
      strange: [{ line: 1, column: 6 }],
    });
  });
});

test("xl's default script", () => {
  expect(defaultVifScript('')).toBe('vif-bridge');
  expect(defaultVifScript('#vif.default.script="a"\n')).toBe('vif-bridge');
  expect(defaultVifScript('vif.default.script="a"\nvif.default.script="b"\n')).toBe('b');
});
