import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { serveXenstore } from '../../lib/sandbox/xenstored.ts';
import { nodeNative } from '../../lib/system/node/native-node.ts';
import { encodeFrame } from '../../lib/wire/xenstore.ts';
import { findBun } from '../support/bun.ts';
import { pick, type Random, randomNumbers } from '../support/random.ts';
import { FrameClient, type Kind, type Reply } from '../support/xenstore/xenstore-frames.ts';
import {
  type RunningXenstored,
  startRealXenstored,
  startSandboxXenstored,
  whyNoRealXenstored,
} from '../support/xenstore/xenstored.ts';

const SERVER = join(import.meta.dirname, '../support/xenstore/serve-xenstore.ts');
const missing = whyNoRealXenstored();
let dir: string;
let real: RunningXenstored;
let sandbox: RunningXenstored;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'xen-network-frames-'));
  sandbox = await startSandboxXenstored(join(dir, 'sandbox'));
  if (missing === undefined) real = await startRealXenstored(join(dir, 'real'));
});

afterAll(async () => {
  await sandbox.stop();
  if (missing === undefined) await real.stop();
  rmSync(dir, { recursive: true });
});

/** Talks to Xen's server and then to ours; what they said. */
async function both<T>(talk: (client: FrameClient) => Promise<T>): Promise<{ real: T; sandbox: T }> {
  const said: T[] = [];
  for (const path of [real.socketPath, join(dir, 'sandbox')]) {
    const client = await FrameClient.connect(path);
    said.push(await talk(client));
    await client.ask('resetWatches', '\0');
    client.close();
  }
  const [first, second] = said;
  if (first === undefined || second === undefined) throw new Error('A server said nothing.');
  return { real: first, sandbox: second };
}

type Request = readonly [kind: Kind, payload: string];

const requests: readonly Request[] = [
  ['read', '/nothing\0'],
  ['read', '\0'],
  ['read', ''],
  ['read', '/tool'],
  ['read', '/tool/\0'],
  ['read', '//tool\0'],
  ['read', '/to ol\0'],
  ['read', '/t\xfcol\0'],
  ['read', '/tool\0x\0'],
  ['write', '/f/b/c\0value'],
  ['write', '/f/b/c'],
  ['write', '/f/b c\0value'],
  ['write', '/f/b/c\0two\0parts\0'],
  ['read', '/f/b/c\0'],
  ['write', '/f/bytes\0\xff\xfe\x00\x80'],
  ['read', '/f/bytes\0'],
  ['read', '/f/b\0'],
  ['read', '/\0'],
  ['mkdir', '/\0'],
  ['mkdir', '/f/m/n\0'],
  ['mkdir', '/f/b/c\0'],
  ['mkdir', '/f/b/c/\0'],
  ['directory', '/f\0'],
  ['directory', '/f/b/c\0'],
  ['directory', '/f/nothing\0'],
  ['rm', '/\0'],
  ['rm', '/f/nothing\0'],
  ['rm', '/f/nothing/below\0'],
  ['rm', '/f/b\0'],
  ['read', '/f/b/c\0'],
  ['directory', '/f\0'],
  ['getPerms', '/f\0'],
  ['getPerms', '/f/nothing\0'],
  ['setPerms', '/f\0n0\0r5\0'],
  ['getPerms', '/f\0'],
  ['setPerms', '/f\0x0\0'],
  ['setPerms', '/f\0n\0'],
  ['setPerms', '/f\0nfoo\0'],
  ['setPerms', '/f\0'],
  ['setPerms', '/f/nothing\0n0\0'],
  ['mkdir', '/f/heir/heir\0'],
  ['getPerms', '/f/heir/heir\0'],
  ['write', 'backend/vif/1/0\0x'],
  ['read', '/local/domain/0/backend/vif/1/0\0'],
  ['directory', 'backend/vif\0'],
  ['mkdir', `${'a'.repeat(2048)}\0`],
  ['mkdir', `${'a'.repeat(2049)}\0`],
  ['mkdir', `/${'a'.repeat(2047)}\0`],
  ['mkdir', `/${'a'.repeat(2048)}\0`],
  ['mkdir', `/local/domain/0/${'a'.repeat(2048)}\0`],
  ['mkdir', `/local/domain/0/${'a'.repeat(2049)}\0`],
  ['mkdir', `/${'a'.repeat(3072)}\0`],
  ['rm', `${'a'.repeat(2048)}\0`],
  ['rm', `/${'a'.repeat(2047)}\0`],
  ['write', `/f/long\0${'v'.repeat(4088)}`],
  ['read', '/f/long\0'],
  [20, ''],
  [23, '\0'],
  [99, ''],
  [0xffffffff, ''],
  ['watchEvent', '/f\0token\0'],
  ['error', 'EINVAL\0'],
  ['getDomainPath', '5\0'],
  ['getDomainPath', '005\0'],
  ['getDomainPath', ''],
  ['isDomainIntroduced', '0\0'],
  ['isDomainIntroduced', '5\0'],
  ['introduce', '5\0'],
  ['introduce', '5\x001\x001\0'],
  ['isDomainIntroduced', '5\0'],
  ['release', '5\0'],
  ['isDomainIntroduced', '5\0'],
  ['release', '5\0'],
  ['watch', '/f/w\0token\0'],
  ['watch', '/f/w\0token\0'],
  ['watch', '/f/w\0other\0'],
  ['watch', '/f/w\0'],
  ['watch', '/f/w\0token\0more\0'],
  ['watch', '/f w\0token\0'],
  ['unwatch', '/f/w\0other\0'],
  ['unwatch', '/f/w\0other\0'],
  ['resetWatches', '\0'],
  ['unwatch', '/f/w\0token\0'],
  ['directoryPart', '/f\0'],
  ['directoryPart', '/f/nothing\x000\0'],
  ['transactionEnd', 'T\0'],
];

describe.skipIf(missing !== undefined)(
  `the sandbox's xenstored against Xen's (${missing ?? 'both run'})`,
  () => {
    test('answers each kind of request alike, good or bad', async () => {
      const said = await both(async (client) => {
        const replies: [...Request, Reply][] = [];
        for (const request of requests) replies.push([...request, await client.ask(...request)]);
        return replies;
      });
      expect(said.sandbox).toEqual(said.real);
    });

    test('tells watchers the same', async () => {
      const steps: readonly Request[] = [
        ['watch', '/w\0all\0'],
        ['watch', '/w/x/y\0deep\0'],
        ['watch', '/w/x/nothing\0nothing\0'],
        ['write', '/w/x/y\x001'],
        ['write', '/w/x/y\x001'],
        ['mkdir', '/w/x\0'],
        ['mkdir', '/w/z\0'],
        ['setPerms', '/w/x\0n0\0'],
        ['read', '/w/x\0'],
        ['write', '/ww\0not below'],
        ['rm', '/w/x\0'],
        ['rm', '/w/x\0'],
        ['watch', 'rel/p\0relative\0'],
        ['write', 'rel/p/q\0x'],
        ['write', '/local/domain/0/rel/p/q\0x'],
        ['rm', 'rel\0'],
        ['watch', '@introduceDomain\0domains\0'],
        ['watch', '@releaseDomain\0domains\0'],
        ['introduce', '9\x001\x001\0'],
        ['release', '9\0'],
        ['unwatch', '/w\0all\0'],
        ['write', '/w/z\0unseen'],
        ['watch', '/\0root\0'],
        ['write', '/w/z\0seen'],
      ];
      const said = await both(async (client) => {
        const seen: [...Request, string[]][] = [];
        for (const step of steps) {
          await client.ask(...step);
          seen.push([...step, (await client.events()).sort()]);
        }
        return seen;
      });
      expect(said.sandbox).toEqual(said.real);
      expect(said.sandbox.filter(([, , events]) => events.length > 0).length).toBeGreaterThan(10);
    });

    test('tells of a transaction only once it is committed', async () => {
      const said = await both(async (client) => {
        await client.ask('watch', '/tw\0token\0');
        await client.events();
        const [, , id] = await client.ask('transactionStart', '\0');
        await client.ask('write', '/tw/a\x001', Number.parseInt(id, 10));
        const before = await client.events();
        await client.ask('transactionEnd', 'T\0', Number.parseInt(id, 10));
        return { before, after: await client.events() };
      });
      expect(said.sandbox).toEqual({ before: [], after: ['/tw/a\0token\0'] });
      expect(said.real).toEqual(said.sandbox);
    });

    const conflicts: readonly [name: string, inside: readonly Request[], outside: Request][] = [
      ['the same entry written', [['write', '/t/a\x002']], ['write', '/t/a\x003']],
      ['the same value written', [['read', '/t/a\0']], ['write', '/t/a\x001']],
      ['another entry written', [['write', '/t/a\x002']], ['write', '/t/b\x003']],
      [
        'written what was read',
        [
          ['read', '/t/a\0'],
          ['write', '/t/b\x002'],
        ],
        ['write', '/t/a\x003'],
      ],
      ['made what was looked for', [['read', '/t/new\0']], ['write', '/t/new\x003']],
      ['a sibling made', [['write', '/t/new\x002']], ['write', '/t/newer\x003']],
      ['an entry made elsewhere', [['write', '/t/new\x002']], ['write', '/u/new\x003']],
      ['the parent of a new entry written', [['write', '/t/new\x002']], ['write', '/t\x003']],
      ['removed what was written', [['write', '/t/d/e\x002']], ['rm', '/t/d\0']],
      ['a new name in what was listed', [['directory', '/t\0']], ['write', '/t/new\x003']],
      ['written in what was removed', [['rm', '/t/d\0']], ['write', '/t/d/e\x003']],
      ['made in what was removed', [['rm', '/t/d\0']], ['write', '/t/d/new\x003']],
      ['other permissions for what was read', [['read', '/t/a\0']], ['setPerms', '/t/a\0n0\0']],
      ['nothing touched', [], ['write', '/t/a\x003']],
    ];

    test.each(conflicts)('a transaction meets: %s', async (_name, inside, outside) => {
      const said = await both(async (client) => {
        await client.ask('rm', '/t\0');
        for (const path of ['/t/a', '/t/b', '/t/d/e']) await client.ask('write', `${path}\x001`);
        const id = Number.parseInt((await client.ask('transactionStart', '\0'))[2], 10);
        for (const request of inside) await client.ask(...request, id);
        await client.ask(...outside);
        const [kind, , verdict] = await client.ask('transactionEnd', 'T\0', id);
        return [kind, verdict, await dump(client, '/t')];
      });
      expect(said.sandbox).toEqual(said.real);
    });

    test('refuses a transaction alike that is not open, nested or ended badly', async () => {
      const said = await both(async (client) => {
        const id = Number.parseInt((await client.ask('transactionStart', '\0'))[2], 10);
        const replies = [
          await client.ask('transactionStart', '\0', id),
          await client.ask('transactionEnd', 'X\0', id),
          await client.ask('transactionEnd', '', id),
          await client.ask('read', '/\0', id + 1000),
          await client.ask('transactionEnd', 'T\0', id + 1000),
          await client.ask('watch', '/f\0token\0', id + 1000),
          await client.ask('transactionEnd', 'F\0', id),
          await client.ask('read', '/\0', id),
        ];
        return replies.map(([kind, transaction, payload]) => [kind, transaction - id, payload]);
      });
      expect(said.sandbox).toEqual(said.real);
    });

    test('gives a list that is too long for one message in the same parts', async () => {
      const said = await both(async (client) => {
        for (let index = 0; index < 400; index += 1) {
          await client.ask('mkdir', `/long/a-child-with-a-long-name-${index}\0`);
        }
        const replies = [await client.ask('directory', '/long\0')];
        for (let offset = 0; ; ) {
          const reply = await client.ask('directoryPart', `/long\0${offset}\0`);
          const names = reply[2].replace(/^\d+\0/, '');
          replies.push([reply[0], reply[1], names]);
          if (names.endsWith('\0\0') || replies.length > 10) return replies;
          offset += names.length;
        }
      });
      expect(said.sandbox).toEqual(said.real);
      expect(said.sandbox.length).toBeGreaterThan(3);
    });

    test('stays the same over random requests and transactions', async () => {
      for (let seed = 1; seed <= 25; seed += 1) {
        const said = await both((client) => randomTalk(client, randomNumbers(seed)));
        expect(said.sandbox, `seed ${seed}`).toEqual(said.real);
      }
    });
  },
);

/** All below a path with values and permissions, by the requests themselves. */
async function dump(client: FrameClient, path: string): Promise<string[]> {
  const value = await client.ask('read', `${path}\0`);
  const permissions = await client.ask('getPerms', `${path}\0`);
  const [kind, , names] = await client.ask('directory', `${path}\0`);
  const children = kind === 'directory' && names !== '' ? names.slice(0, -1).split('\0') : [];
  const below: string[] = [];
  for (const name of children) below.push(...(await dump(client, `${path}/${name}`)));
  return [`${path} ${value.join()} ${permissions.join()}`, ...below];
}

function randomRequest(random: Random): Request {
  const path = pick(random, ['/r', '/r/a', '/r/a/b', '/r/a/b/c', '/r/d', '/r/d/e', '/r/a/b/f/g']);
  return pick<Request>(random, [
    ['write', `${path}\0${random(100)}`],
    ['write', `${path}/n${random(5)}\0${random(100)}`],
    ['mkdir', `${path}\0`],
    ['rm', `${path}\0`],
    ['read', `${path}\0`],
    ['directory', `${path}\0`],
    ['getPerms', `${path}\0`],
    ['setPerms', `${path}\0n0\0r${random(9)}\0`],
  ]);
}

async function randomTalk(client: FrameClient, random: Random): Promise<unknown[]> {
  await client.ask('rm', '/r\0');
  const said: unknown[] = [];
  for (let count = 0; count < 40; count += 1) {
    if (random(5) === 0) {
      const id = Number.parseInt((await client.ask('transactionStart', '\0'))[2], 10);
      for (let inside = random(8); inside > 0; inside -= 1) {
        const [kind, , payload] = await client.ask(...randomRequest(random), id);
        said.push([kind, payload]);
      }
      const [kind, , verdict] = await client.ask('transactionEnd', pick(random, ['T\0', 'F\0']), id);
      said.push([kind, verdict]);
    } else {
      const request = randomRequest(random);
      said.push([request, await client.ask(...request)]);
    }
  }
  return [...said, await dump(client, '/r')];
}

describe("the sandbox's xenstored", () => {
  test('gives a transaction the tree of its beginning', async () => {
    const client = await FrameClient.connect(join(dir, 'sandbox'));
    await client.ask('write', '/snapshot/a\0before');
    const id = Number.parseInt((await client.ask('transactionStart', '\0'))[2], 10);
    await client.ask('write', '/snapshot/a\0after');
    expect(await client.ask('read', '/snapshot/a\0', id)).toEqual(['read', id, 'before']);
    expect(await client.ask('transactionEnd', 'T\0', id)).toEqual(['error', id, 'EAGAIN\0']);
    client.close();
  });

  test('outlives clients that send garbage, half a frame or nothing', async () => {
    const path = join(dir, 'sandbox');
    const random = randomNumbers(1);
    const announced = encodeFrame({ type: 2, requestId: 1, transactionId: 0, payload: Buffer.from('/\0') });
    new DataView(announced.buffer).setUint32(12, 5000, true);
    const streams = [
      announced,
      announced.subarray(0, 7),
      encodeFrame({ type: 2, requestId: 1, transactionId: 0, payload: Buffer.from('/tool\0') }).subarray(
        0,
        18,
      ),
      ...Array.from({ length: 50 }, () => Uint8Array.from({ length: random(3000) }, () => random(256))),
      ...Array.from({ length: 50 }, () =>
        encodeFrame({
          type: random(24),
          requestId: random(9),
          transactionId: random(2),
          payload: Uint8Array.from({ length: random(60) }, () => pick(random, [0, 47, 48, 84, random(256)])),
        }),
      ),
    ];
    for (const stream of streams) {
      const client = await FrameClient.connect(path);
      await client.send(stream);
      client.close();
    }
    const broken = await FrameClient.connect(path);
    await broken.send(announced);
    await expect(broken.ask('read', '/tool\0')).rejects.toThrow(/closed the connection/);
    const client = await FrameClient.connect(path);
    expect(await client.ask('read', '/tool\0')).toEqual(['read', 0, '']);
    client.close();
  });

  test('drops its clients when it ends, and says why it cannot begin', async () => {
    const path = join(dir, 'short-lived');
    const server = await startSandboxXenstored(path);
    const client = await FrameClient.connect(path);
    await client.ask('read', '/tool\0');
    const why = `Nothing can listen at ${path}: there is one already (EADDRINUSE).`;
    await expect(serveXenstore(nodeNative, path)).rejects.toThrow(why);
    expect(spawnSync(findBun(), [SERVER, path], { encoding: 'utf8' }).stderr).toContain(why);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await server.stop();
    await expect(client.ask('read', '/tool\0')).rejects.toThrow(path);
    await expect(FrameClient.connect(path)).rejects.toThrow('nobody listens there');
  });
});
