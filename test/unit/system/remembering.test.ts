import { expect, test } from 'vitest';
import { nodeNative } from '../../../lib/system/node/native-node.ts';
import { remembering } from '../../../lib/system/remembering.ts';
import { openSystem } from '../../../lib/system/system.ts';

test('each file and folder is read once, also one that does not exist, until a file is renamed', () => {
  const asked: string[] = [];
  const answers = new Map([['/a', 'first']]);
  const system = remembering({
    ...openSystem(nodeNative),
    readText(path) {
      asked.push(`text ${path}`);
      return answers.get(path);
    },
    list(path) {
      asked.push(`list ${path}`);
      return [...answers.keys()];
    },
    exists(path) {
      asked.push(`exists ${path}`);
      return answers.has(path);
    },
    rename: (path) => void answers.delete(path),
  });
  const look = () => [
    system.readText('/a'),
    system.readText('/b'),
    system.list('/'),
    system.exists('/a'),
    system.exists('/b'),
  ];
  const first = ['first', undefined, ['/a'], true, false];
  expect([look(), look()]).toEqual([first, first]);
  expect(asked).toEqual(['text /a', 'text /b', 'list /', 'exists /a', 'exists /b']);
  system.rename('/a', '/a.damaged');
  expect([look(), look()]).toEqual(Array(2).fill([undefined, undefined, [], false, false]));
  expect(asked).toHaveLength(10);
});

test('everything is read again once the system is told to forget', () => {
  let content = 'before';
  const system = remembering({ ...openSystem(nodeNative), readText: () => content });
  expect(system.readText('/a')).toBe('before');
  content = 'after';
  expect(system.readText('/a')).toBe('before');
  system.forget();
  expect(system.readText('/a')).toBe('after');
});
