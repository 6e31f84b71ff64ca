import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadNative } from '../../lib/system/kernel/load-native.ts';
import type { Native } from '../../lib/system/kernel/native.ts';
import { openXenstore } from '../../lib/system/xenstore/open.ts';
import { XS_TYPE } from '../../lib/wire/xenstore.ts';
import { runScenario } from '../support/kernel/native-scenarios.ts';
import { FrameClient } from '../support/xenstore/xenstore-frames.ts';
import {
  startRealXenstored,
  startSandboxXenstored,
  whyNoRealXenstored,
} from '../support/xenstore/xenstored.ts';

const missing = whyNoRealXenstored();
let dir: string;

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'xen-network-store-'));
});

afterAll(() => {
  rmSync(dir, { recursive: true });
});

const tooLong =
  'XenstoreError: The xenstore entry "/x/long" was not written: with its value it takes 4097 bytes, and one message ' +
  'carries 4096. Shorten the value.';
const badPath =
  'XenstoreError: The xenstore path "/x y" has a character other than letters, digits, "-", "/", "_" and "@", so ' +
  'there can be no such entry.';

/** What the scenario "xenstore" has to see, whichever the server and the runtime. */
const transcript = {
  'read nothing': [],
  'read what is not there': [null, null],
  'write and read': ['one', '', null],
  overwrite: ['two'],
  relative: null,
  'relative is absolute': ['00:16:3e:00:00:01', '00:16:3e:00:00:01', ''],
  'odd values': ['ü\n$(id)\t"\'\0 '],
  'empty value': [''],
  'longest value': null,
  'longest value is there': 4088,
  'too long a value': tooLong,
  'bad path': badPath,
  list: ['y', 'odd', 'long'],
  'list a leaf': [],
  'list what is not there': null,
  'several at once': null,
  'a long list': true,
  'read many': true,
  together: [['y', 'odd', 'long'], ['two'], null],
  'all or none': `XenstoreError: The xenstore entry "/${'t'.repeat(59)}…" could not be written: the request or its path is malformed (EINVAL).`,
  none: null,
  remove: [null, null, null],
  'remove again': null,
  'remove below nothing': null,
  'remove all':
    'XenstoreError: The xenstore entry "/" could not be removed: the request or its path is malformed (EINVAL).',
  closed: 'XenstoreError: The connection to xenstored at SOCKET is closed already.',
};

/** A native port that does something before each end of a transaction is sent. */
function meddling(native: Native, meddle: () => Promise<void>): Native {
  return {
    ...native,
    async connectStream(path, timeoutMs) {
      const channel = await native.connectStream(path, timeoutMs);
      return {
        async send(bytes) {
          if (bytes[0] === XS_TYPE.transactionEnd) await meddle();
          await channel.send(bytes);
        },
        receive: () => channel.receive(),
        close: () => channel.close(),
      };
    },
  };
}

const servers = [
  {
    name: `Xen's xenstored (${missing ?? 'it runs'})`,
    skip: missing !== undefined,
    async start() {
      const server = await startRealXenstored(join(dir, 'real'));
      return { path: server.socketPath, stop: () => server.stop() };
    },
  },
  {
    name: "the sandbox's xenstored",
    skip: false,
    async start() {
      const server = await startSandboxXenstored(join(dir, 'sandbox'));
      return { path: server.socketPath, stop: () => server.stop() };
    },
  },
];

for (const { name, skip, start } of servers) {
  describe.skipIf(skip)(name, () => {
    let path: string;
    let stop: () => Promise<void>;

    beforeAll(async () => {
      ({ path, stop } = await start());
    });

    afterAll(() => stop());

    test.each(['node', 'bun'] as const)('serves our client in %s', async (twin) => {
      const said = JSON.stringify(await runScenario(twin, 'xenstore', path));
      expect(JSON.parse(said.replaceAll(path, 'SOCKET'))).toEqual(transcript);
    });

    test('shows bytes that are not UTF-8 as U+FFFD', async () => {
      const frames = await FrameClient.connect(path);
      await frames.ask('write', '/bytes\0a\xff\xfeb');
      frames.close();
      const store = await openXenstore(await loadNative(), { XENSTORED_PATH: path });
      expect(await store.readMany(['/bytes'])).toEqual(['a\ufffd\ufffdb']);
      store.close();
    });

    test('a transaction that others disturb is tried again', async () => {
      const native = await loadNative();
      const other = await openXenstore(native, { XENSTORED_PATH: path });
      let disturbances = 3;
      const disturbed = meddling(native, async () => {
        if (disturbances > 0) await other.write('/disturbed/a', 'theirs');
        disturbances -= 1;
      });
      const store = await openXenstore(disturbed, { XENSTORED_PATH: path });
      await store.writeAll([
        ['/disturbed/a', 'ours'],
        ['/disturbed/b', 'ours'],
      ]);
      expect(disturbances).toBe(-1);
      expect(await other.readMany(['/disturbed/a', '/disturbed/b'])).toEqual(['ours', 'ours']);
      store.close();
      other.close();
    });

    test('a transaction that others always disturb is an error', async () => {
      const native = await loadNative();
      const other = await openXenstore(native, { XENSTORED_PATH: path });
      const store = await openXenstore(
        meddling(native, () => other.write('/hopeless/a', 'theirs')),
        { XENSTORED_PATH: path },
      );
      await expect(store.writeAll([['/hopeless/a', 'ours']])).rejects.toThrow(
        'The xenstore entries "/hopeless/a" could not be written together: other programs changed them 20 times',
      );
      expect(await other.readMany(['/hopeless/a'])).toEqual(['theirs']);
      store.close();
      other.close();
    });

    test('a client goes on when xenstored is restarted, in the order of its requests', async () => {
      const store = await openXenstore(await loadNative(), { XENSTORED_PATH: path });
      await store.write('/before', '1');
      await stop();
      rmSync(path, { force: true });
      ({ path, stop } = await start());
      await Promise.all([
        store.write('/after/a', 'first'),
        store.write('/after/a', 'last'),
        store.writeAll([['/after/b', '1']]),
      ]);
      expect(await store.readMany(['/before', '/after/a', '/after/b'])).toEqual([undefined, 'last', '1']);
      store.close();
    });

    test('many clients at once are all served', async () => {
      const names = ['bun1', 'bun2', 'bun3', ...Array.from({ length: 8 }, (_, index) => `node${index}`)];
      const results = await Promise.all(
        names.map((name) =>
          runScenario(name.startsWith('bun') ? 'bun' : 'node', 'compete', path, name, '10'),
        ),
      );
      expect(results).toEqual(names.map(() => 'written'));
      const store = await openXenstore(await loadNative(), { XENSTORED_PATH: path });
      expect(await store.readMany(names.map((name) => `/compete/${name}`))).toEqual(names.map(() => '10'));
      store.close();
    });
  });
}

describe('finding xenstored', () => {
  test('XENSTORED_RUNDIR names the folder of its socket, XENSTORED_PATH the socket and wins', async () => {
    mkdirSync(join(dir, 'rundir'));
    const server = await startSandboxXenstored(join(dir, 'rundir/socket'));
    const native = await loadNative();
    const store = await openXenstore(native, { XENSTORED_RUNDIR: join(dir, 'rundir') });
    expect(await store.list('/tool')).toEqual(['xenstored']);
    store.close();
    const none = join(dir, 'none');
    await expect(
      openXenstore(native, { XENSTORED_PATH: none, XENSTORED_RUNDIR: join(dir, 'rundir') }),
    ).rejects.toThrow(
      `xenstore cannot be reached. ${none} cannot be reached: there is no such file (ENOENT). Start xenstored, or ` +
        'set XENSTORED_PATH to its socket.',
    );
    await server.stop();
  });

  test('a xenstored that takes requests and never answers is an error, for good', async () => {
    const path = join(dir, 'silent');
    const server = createServer((socket) => socket.on('error', () => {}).resume());
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const store = await openXenstore(await loadNative(), { XENSTORED_PATH: path }, 30);
    const said = `xenstored at ${path} gave no proper answer. ${path} did not answer within 0.03 s.`;
    const [first, second] = await Promise.allSettled([store.readMany(['/a', '/b']), store.list('/')]);
    expect(first).toMatchObject({ status: 'rejected', reason: { message: expect.stringContaining(said) } });
    expect(second).toEqual({
      status: 'rejected',
      reason: expect.objectContaining({ name: 'XenstoreError' }),
    });
    await expect(store.write('/a', '1')).rejects.toThrow(said);
    store.close();
    await new Promise((resolve) => server.close(resolve));
  });
});
