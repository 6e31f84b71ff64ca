import { describe, expect, test } from 'vitest';
import { seal, unseal } from '../../../lib/record/sealed.ts';

const TEXT = '{"name":"web","bridge":"xenbr0","why":"ü…"}';

describe('a sealed line', () => {
  test.each(['', 'a', 'abcd', TEXT, TEXT.repeat(500)])('gives back what was sealed', (text) => {
    expect(unseal(seal(text))).toEqual({ text });
  });

  test('keeps the form that runs of before have left', () => {
    expect(seal('{"a":[1,2,3]}')).toBe('3 3b38432e {"a":[1,2,3]}');
  });

  test('of which any character was changed is damaged, or nothing that has the form of one', () => {
    const line = seal(TEXT);
    for (let at = 0; at < line.length; at += 1) {
      const spoilt = `${line.slice(0, at)}${line[at] === 'x' ? 'y' : 'x'}${line.slice(at + 1)}`;
      const found = unseal(spoilt);
      expect(typeof found === 'object' ? found.text[0] : found).toMatch(/^([3x]|damaged)$/);
      expect(found).not.toEqual({ text: TEXT });
    }
  });

  test.each(['abcdefgh', 'the end', '\0\0\0\0', 'x'])('of which an end was lost is damaged', (end) => {
    expect(unseal(seal(`${TEXT}${end}`).slice(0, -end.length))).toBe('damaged');
    expect(unseal(`${seal(TEXT)}${end}`)).toBe('damaged');
  });

  test('whose words changed places is damaged', () => {
    expect(unseal(seal('aaaabbbb').replace('aaaabbbb', 'bbbbaaaa'))).toBe('damaged');
  });

  test('of a later version is known as that', () => {
    expect(unseal('4 00000000 whatever')).toBe('newer');
    expect(unseal('10 00000000 ')).toBe('newer');
    expect(unseal(seal('a').replace(/^3/, '0'))).toBe('damaged');
  });

  test('of version 1 has its keys by their present names, also within a journal', () => {
    const record = JSON.stringify({ claim: { kind: 'strict' }, users: ['vif vif1.0'], laid: [] });
    const present = JSON.stringify({
      setting: { kind: 'strict' },
      holders: ['vif vif1.0'],
      assigned: [],
    });
    expect(unseal(record)).toEqual({ text: present });
    const journal = (text: string, holder: string, settings: string) =>
      JSON.stringify({ steps: [{ do: { tool: 'record', text } }, { [holder]: 'x', [settings]: [] }] });
    expect(unseal(journal(record, 'user', 'claims'))).toEqual({
      text: journal(present, 'holder', 'sharedSettings'),
    });
    expect(unseal('1 3b38432e {"a":[1,2,3]}')).toEqual({ text: '{"a":[1,2,3]}' });
  });

  test('of version 2 has the present keys, whatever values are called', () => {
    expect(unseal('2 3b38432e {"a":[1,2,3]}')).toEqual({ text: '{"a":[1,2,3]}' });
    const text = JSON.stringify({ steps: [{ why: 'users', argv: ['"laid":'] }] });
    expect(unseal(seal(text).replace(/^3/, '2'))).toEqual({ text });
  });

  test('without a seal is of an earlier version', () => {
    expect(unseal('{"a":1}')).toEqual({ text: '{"a":1}' });
    expect(unseal('3')).toEqual({ text: '3' });
  });
});
