import { expect, test } from 'vitest';
import { about, aboutCommand, quote, visible } from '../../lib/text.ts';

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

test.each([
  ['There is no device vif1.0.', 'There is no device vif1.0.'],
  ['vif1.0: a post hook failed.', 'vif1.0: a post hook failed.'],
  ['vif1.0-emu is down.', 'vif1.0: vif1.0-emu is down.'],
  ['Nothing works.', 'vif1.0: Nothing works.'],
])('a sentence names its device once: %j', (sentence, said) => {
  expect(about('vif1.0', sentence)).toBe(said);
});

test.each([
  ['vif1.0: a post hook failed.', 'online vif1.0: a post hook failed.'],
  ['vif1.0 cannot have 192.0.2.7.', 'online: vif1.0 cannot have 192.0.2.7.'],
  ['web: a post hook failed.', 'online vif1.0: web: a post hook failed.'],
  ['Nothing works.', 'online vif1.0: Nothing works.'],
])('a command that failed names its device once: %j', (sentence, said) => {
  expect(aboutCommand('online', 'vif1.0', sentence)).toBe(said);
});
