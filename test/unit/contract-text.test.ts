import { expect, test } from 'vitest';
import { quote, visible } from '../../lib/contract/text.ts';

test.each([
  ['a\u0007b', 'a\\u0007b'],
  ['\u001b[31m', '\\u001b[31m'],
  ['web\u009b31m', 'web\\u009b31m'],
  ['\u202egnp', '\\u202egnp'],
  ['\u2066x\u2069', '\\u2066x\\u2069'],
  ['a\u2028b\u2029c\u0085d', 'a\\u2028b\\u2029c\\u0085d'],
  ['a\u200bb\ufeffc\u00add', 'a\\u200bb\\ufeffc\\u00add'],
  ['\u{e0041}', '\\udb40\\udc41'],
  ['tab\tand\nnewline', 'tab\tand\nnewline'],
  ['naïve 日本 🙂 — "ok"', 'naïve 日本 🙂 — "ok"'],
])('%j is shown as %j', (text, shown) => {
  expect(visible(text)).toBe(shown);
});

test('what is quoted has no line of its own either', () => {
  expect(quote('a\nb\u202ec\ufffd')).toBe('"a\\nb\\u202ec\\ufffd"');
});
