import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Host } from '../support/hosts/host.ts';
import type { Ran } from '../support/hosts/namespace.ts';
import { freshSeed, pick, type Random, randomNumbers } from '../support/random.ts';
import type { Store } from '../support/xenstore/store.ts';

const SEED = freshSeed('hostile');
const ROUNDS = 80;
const PACKAGED = join(import.meta.dirname, '../../dist/xen-network-pkg');
const PWNED = '/run/pwned';
const BACKEND = '/local/domain/0/backend/vif/1/0';

// Each string is a string of bytes: what is above 127 is no UTF-8.
const NASTY = [
  '$(touch /run/pwned)',
  '`touch /run/pwned`',
  ';touch /run/pwned;',
  '|touch /run/pwned',
  '> /run/pwned',
  "'; touch /run/pwned; '",
  '"',
  "'",
  '\\',
  '\n',
  'a\nlink del dev xenbr0\n',
  '# comment',
  '\xff\xfe\xfa',
  '\xc3',
  '\xe2\x80\xa8',
  '\x1b[31m',
  '\x01',
  ' ',
  '\t',
  '-batch',
  '--help=x',
  '-force',
  'vif+',
  'eth%d',
  '%s%s%n',
  '../../etc/passwd',
  '/dev/null',
  '.',
  '..',
  '*',
  '~',
  '$PATH',
  '99999999999999999999',
  '-1',
  '1e9',
  '0x10',
  'NaN',
  '__proto__',
  'constructor',
  'x'.repeat(5000),
  '1.2.3.4/33',
  '::1/129',
  '999.1.1.1',
  'fe80::1%eth0',
  '1.2.3.4 '.repeat(300),
  'null',
  'all',
  'default',
] as const;
const TAME = [
  'yes',
  'no',
  'eth0',
  'xenbr0',
  '0',
  '1',
  '192.0.2.7',
  '2001:db8::7',
  'classic',
  'plain',
  'web',
  '1500',
] as const;

let host: Host;
let store: Store;

beforeAll(async () => {
  host = await Host.create();
  store = await host.xenstore();
  host.nic('eth0', { address: '192.0.2.10/24', gateway: '192.0.2.1' });
  host.ip('link add xenbr9 type bridge', 'link set xenbr9 up');
});

afterAll(() => host.close());

/** Runs a program with words and variables that need not be UTF-8; a timer kills it, which no call may need. */
function call(
  program: readonly string[],
  words: readonly string[],
  variables: Readonly<Record<string, string>>,
): Ran {
  const all = [...Object.entries(variables).map(([name, value]) => `${name}=${value}`), ...program, ...words];
  writeFileSync(host.path('/run/words'), Buffer.from(all.map((word) => `${word}\0`).join(''), 'latin1'));
  const script = 'timeout -s KILL 250 env "$@"; echo $? > /run/status';
  const ran = host.run(['xargs', '-0', '-a', '/run/words', '-x', 'sh', '-c', script, 'sh']);
  return { ...ran, status: Number(readFileSync(host.path('/run/status'), 'utf8')) };
}

function value(random: Random): string {
  if (random(4) === 0) return pick(random, TAME);
  const parts = Array.from({ length: 1 + random(3) }, () => pick(random, random(3) === 0 ? TAME : NASTY));
  return parts.join('').replaceAll('\0', '');
}

function pairs(random: Random, names: readonly [string, ...string[]]): string[] {
  return Array.from({ length: random(5) }, () => `${pick(random, names)}=${value(random)}`);
}

/** What holds for every call, whatever it was given. */
function mustBehave(hook: string, ran: Ran, given: unknown): void {
  const context = { seed: SEED, given, ...ran };
  // A hang would have been ended by the timer, with 137.
  expect({ ...context, known: [0, 1].includes(ran.status) }).toMatchObject({ known: true });
  expect(context).toMatchObject({
    stderr: expect.not.stringMatching(/^\s+at |\.ts:\d|node:|bun:|\[object|undefined/m),
  });
  const lines = ran.stderr.split('\n').filter((line) => line !== '');
  expect({ ...context, lines }).toMatchObject({
    lines: lines.filter((line) => line.startsWith(`${hook}: `)),
  });
  if (ran.status !== 0)
    expect({ ...context, last: lines.at(-1) }).toMatchObject({ last: expect.stringMatching(/[.…]$/) });
  expect({ ...context, pwned: existsSync(host.path(PWNED)) }).toMatchObject({ pwned: false });
}

const NETWORK = ['netdev', 'bridge', 'vifnum', 'topology', 'antispoof', 'check', 'confirm', 'bogus'] as const;
const VIF = [
  'vif',
  'ip',
  'bridge',
  'vifname',
  'mtu',
  'type_if',
  'filter',
  'XENBUS_PATH',
  'INTERFACE',
  'antispoof',
  'locking',
  'notrack',
  'bogus',
] as const;
const XENSTORE = [
  'bridge',
  'ip',
  'mac',
  'vifname',
  'mtu',
  'vlan',
  'handle',
  'script',
  'antispoof',
  'locking',
  'notrack',
] as const;

describe.each([
  ['the program', [] as readonly string[], ROUNDS],
  ['the program on Node', [PACKAGED] as readonly string[], 6],
])('%s', (_name, packaged, rounds) => {
  const programOf = (hook: string) =>
    packaged.length > 0 ? [...packaged, hook] : [`/etc/xen/scripts/${hook}`];
  const missing = packaged.length > 0 && !existsSync(PACKAGED);

  test(`network-bridge under ${rounds} hostile calls`, (context) => {
    if (missing) context.skip('dist/xen-network-pkg is not built (npm run build:pkg)');
    const random = randomNumbers(SEED);
    for (let round = 0; round < rounds; round++) {
      const command =
        random(4) === 0 ? value(random) : pick(random, ['start', 'stop', 'status', 'start --dry-run']);
      const words = [...command.split(/ (?=--)/), ...pairs(random, NETWORK)];
      const given =
        random(2) === 0 ? {} : { [pick(random, NETWORK)]: value(random), LD_PRELOAD: '', IFS: 'e' };
      // A start that really waits for a ping of ten seconds, or for a confirmation, is tested elsewhere.
      const quick = words.filter((word) => !/^(check|confirm)=[0-9a-f.:]+$/.test(word));
      mustBehave('network-bridge', call(programOf('network-bridge'), quick, given), { round, quick, given });
    }
    expect(host.hook('network-bridge', ['stop', 'netdev=eth0']).status).toBe(0);
  });

  test(`vif-bridge under ${rounds} hostile calls, and as many values in xenstore`, (context) => {
    if (missing) context.skip('dist/xen-network-pkg is not built (npm run build:pkg)');
    const random = randomNumbers(SEED + 1);
    for (let round = 0; round < rounds; round++) {
      if (host.run(['ip', 'link', 'show', 'dev', 'vif1.0']).status !== 0) renew();
      store.remove(BACKEND);
      store.vif(1, 0, { bridge: 'xenbr9' });
      const key = pick(random, XENSTORE);
      const stored = value(random).slice(0, 3000);
      call(['xenstore-write'], ['-R', `${BACKEND}/${key}`, stored], {});
      const command =
        random(8) === 0 ? value(random) : pick(random, ['online', 'offline', 'add', 'remove', 'online']);
      const words = [command, ...(random(2) === 0 ? pairs(random, VIF) : [])];
      const legal = { vif: 'vif1.0', XENBUS_PATH: 'backend/vif/1/0', INTERFACE: 'vif1.0-emu' };
      const given = random(3) === 0 ? { ...legal, [pick(random, VIF)]: value(random) } : legal;
      const ran = call(programOf('vif-bridge'), words, given);
      const what = { round, words, given, key, stored };
      mustBehave('vif-bridge', ran, what);
      const isOurs =
        given.XENBUS_PATH === legal.XENBUS_PATH && !words.some((word) => word.startsWith('XENBUS_PATH='));
      const acts =
        words[0] === 'online' && !words.some((word) => /^(type_if|vif)=/.test(word)) && !('type_if' in given);
      if (isOurs && acts) mustBeTold(ran, what);
    }
  });
});

/** Whoever waits for the hook learns how it ended (docs/contract.md, "xenstore"). */
function mustBeTold(ran: Ran, given: unknown): void {
  const { status, error } = store.told(1);
  expect({ seed: SEED, given, ran, status }).toMatchObject({
    status: ran.status === 0 ? 'connected' : 'error',
  });
  if (ran.status === 0) return;
  expect({ seed: SEED, given, ran, error }).toMatchObject({
    error: expect.stringMatching(/^vif-bridge online[ :].+[.…]?$/s),
  });
}

/** The guest's card, whatever became of the last one. */
function renew(): void {
  host.netns('guest1').run(['ip', 'link', 'del', 'dev', 'eth0']);
  host.vif(1);
}

test('thousands of arguments, and very long ones', () => {
  const many = Array.from({ length: 5000 }, (_, i) => `name${i}=${i}`);
  const before = host.snapshot();
  const ran = call(['/etc/xen/scripts/network-bridge'], ['status', ...many], {});
  expect(ran.status).toBe(0);
  expect(ran.stderr.split('\n').filter((line) => line.includes('is ignored')).length).toBeGreaterThan(0);
  const long = call(['/etc/xen/scripts/network-bridge'], ['start', `netdev=${'é'.repeat(60_000)}`], {});
  mustBehave('network-bridge', long, 'a very long netdev');
  expect(long.status).not.toBe(0);
  expect(long.stderr.length).toBeLessThan(1000);
  expect(host.snapshot()).toEqual(before);
});

test.each([
  ['/run/xen-network/bridge/xenbr0', 'network-bridge', ['stop', 'netdev=eth0']],
  ['/run/xen-network/journal/network-bridge', 'network-bridge', ['start']],
  ['/run/xen-network/journal/network-bridge', 'xen-network', ['recover']],
  ['/run/xen-network/pending/network-bridge.xenbr0.deadline', 'xen-network', ['recover']],
] as const)('rubbish in %s, then %s %j', (path, hook, words) => {
  const rubbish = [
    '',
    '{',
    'null',
    '[]',
    '{"steps":[null,{"do":5}],"indexes":"x"}\n7\n',
    '{"antispoof":7,"nicIndex":1}',
  ];
  for (const text of rubbish) {
    host.write(path, text);
    mustBehave(hook, call([`/etc/xen/scripts/${hook}`], words, {}), { path, text });
    expect(host.hook('network-bridge', ['stop', 'netdev=eth0']).status).toBe(0);
    host.ok('rm', '-rf', '/run/xen-network/bridge', '/run/xen-network/journal', '/run/xen-network/pending');
  }
});
