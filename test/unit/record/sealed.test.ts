import { describe, expect, test } from 'vitest';
import { seal, unseal } from '../../../lib/record/sealed.ts';

const TEXT = '{"name":"web","bridge":"xenbr0","why":"ü…"}';

describe('a sealed line', () => {
  test.each(['', 'a', 'abcd', TEXT, TEXT.repeat(500)])('gives back what was sealed', (text) => {
    expect(unseal(seal(text))).toEqual({ text });
  });

  test('keeps the form that runs of before have left', () => {
    expect(seal('{"a":[1,2,3]}')).toMatchInlineSnapshot(`"1 3b38432e {"a":[1,2,3]}"`);
  });

  test('of which any character was changed is damaged, or nothing that has the form of one', () => {
    const line = seal(TEXT);
    for (let at = 0; at < line.length; at += 1) {
      const spoilt = `${line.slice(0, at)}${line[at] === 'x' ? 'y' : 'x'}${line.slice(at + 1)}`;
      const found = unseal(spoilt);
      expect(typeof found === 'object' ? found.text[0] : found).toMatch(/^([1x]|damaged)$/);
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
    expect(unseal('2 00000000 whatever')).toBe('newer');
    expect(unseal('10 00000000 ')).toBe('newer');
    expect(unseal(seal('a').replace(/^1/, '0'))).toBe('damaged');
  });

  test('without a seal is of an earlier version', () => {
    expect(unseal('{"a":1}')).toEqual({ text: '{"a":1}' });
    expect(unseal('3')).toEqual({ text: '3' });
  });
});
