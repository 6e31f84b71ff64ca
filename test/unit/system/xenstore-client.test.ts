import { describe, expect, test } from 'vitest';
import { ClosedError, XenNetworkError, XenstoreError } from '../../../lib/errors.ts';
import type { Native } from '../../../lib/system/kernel/native.ts';
import { setDeadline } from '../../../lib/system/processes/deadline.ts';
import { openXenstore } from '../../../lib/system/xenstore/open.ts';
import {
  encodeFrame,
  encodeStrings,
  encodeText,
  type Frame,
  FrameDecoder,
  XS_TYPE,
} from '../../../lib/wire/xenstore.ts';

interface FakeHost {
  readonly native: Pick<Native, 'connectStream' | 'openDevice'>;
  /** The places that were tried, in their order. */
  readonly tried: string[];
  /** The requests in each write. */
  readonly writes: Frame[][];
  readonly closed: string[];
}

/** A host on which only one place answers, each write of requests with the frames that `answer` gives. */
function fakeHost(place: string, answer: (requests: readonly Frame[]) => readonly Frame[]): FakeHost {
  const tried: string[] = [];
  const writes: Frame[][] = [];
  const closed: string[] = [];
  const open = async (path: string) => {
    tried.push(path);
    if (path !== place) throw new XenNetworkError(`${path} is not there.`);
    const waiting: Uint8Array[] = [];
    return {
      send(bytes: Uint8Array) {
        const requests = [...new FrameDecoder().push(bytes)];
        writes.push(requests);
        waiting.push(...answer(requests).map(encodeFrame));
      },
      async receive() {
        const bytes = waiting.shift();
        if (bytes === undefined) throw new XenNetworkError(`${path} did not answer within 1 s.`);
        return bytes;
      },
      close: () => void closed.push(path),
    };
  };
  const native = {
    connectStream: open,
    openDevice: open,
  };
  return { native, tried, writes, closed };
}

/** Each value is the last part of its path. */
function readReply(request: Frame): Frame {
  const path = new TextDecoder().decode(request.payload).replace('\0', '');
  return { ...request, payload: encodeText(path.slice(path.lastIndexOf('/') + 1)) };
}

const event: Frame = {
  type: XS_TYPE.watchEvent,
  requestId: 0,
  transactionId: 0,
  payload: encodeStrings(['/a', 'token']),
};

describe('the xenstore client', () => {
  test('sends up to 32 requests at once to a socket', async () => {
    const host = fakeHost('/run/xenstored/socket', (requests) => requests.map(readReply));
    const store = await openXenstore(host.native, {});
    const paths = Array.from({ length: 35 }, (_, index) => `/a/${index}`);
    expect(await store.readMany(paths)).toEqual(paths.map((_, index) => `${index}`));
    expect(host.writes.map((requests) => requests.length)).toEqual([32, 3]);
  });

  test('sends one request at a time to the device, after no socket answered', async () => {
    const host = fakeHost('/dev/xen/xenbus', (requests) => requests.map(readReply));
    const store = await openXenstore(host.native, {});
    expect(await store.readMany(['/a/1', '/a/2', '/a/3'])).toEqual(['1', '2', '3']);
    expect(host.writes.map((requests) => requests.length)).toEqual([1, 1, 1]);
    expect(host.tried).toEqual(['/run/xenstored/socket', '/var/run/xenstored/socket', '/dev/xen/xenbus']);
  });

  test('says of each place why it does not answer', async () => {
    const host = fakeHost('nowhere', () => []);
    await expect(openXenstore(host.native, {})).rejects.toThrow(
      'xenstore cannot be reached. /run/xenstored/socket is not there. /var/run/xenstored/socket is not there. ' +
        '/dev/xen/xenbus is not there. /proc/xen/xenbus is not there. Start xenstored,',
    );
  });

  test('matches replies in any order and passes over the events of watches', async () => {
    const host = fakeHost('/s', (requests) => [event, ...requests.map(readReply).reverse(), event]);
    const store = await openXenstore(host.native, { XENSTORED_PATH: '/s' });
    expect(await store.readMany(['/a/1', '/a/2', '/a/3'])).toEqual(['1', '2', '3']);
    expect(await store.readMany(['/a/4'])).toEqual(['4']);
  });

  test('a path xenstore cannot have and a value too long are errors before anything is sent', async () => {
    const host = fakeHost('/s', (requests) => requests.map(readReply));
    const store = await openXenstore(host.native, { XENSTORED_PATH: '/s' });
    await expect(store.readMany(['/a\0b'])).rejects.toThrow('The xenstore path "/a\\u0000b" has a character');
    await expect(store.write('/a', 'v'.repeat(4094))).rejects.toThrow(XenstoreError);
    await expect(
      store.writeAll([
        ['/a', '1'],
        ['/b\n', '2'],
      ]),
    ).rejects.toThrow('"/b\\n"');
    expect(host.writes).toEqual([]);
    await store.write('/a', 'ü'.repeat(2046));
    expect(host.writes).toHaveLength(1);
  });

  test.each<[string, (request: Frame) => Frame, string]>([
    [
      'of another id',
      (request) => ({ ...request, requestId: 99 }),
      'It answered a request that was not made.',
    ],
    [
      'of another type',
      (request) => ({ ...request, type: XS_TYPE.rm }),
      'a request of type 2 by one of type 13',
    ],
  ])('a reply %s ends the conversation', async (_name, reply, message) => {
    const host = fakeHost('/s', (requests) => requests.map(reply));
    const store = await openXenstore(host.native, { XENSTORED_PATH: '/s' });
    await expect(store.readMany(['/a'])).rejects.toThrow(message);
    await expect(store.list('/a')).rejects.toThrow(message);
    expect(host.closed).toEqual(['/s']);
    expect(host.writes).toHaveLength(1);
  });

  test('an error without a name is one', async () => {
    const nameless = (request: Frame) => ({ ...request, type: XS_TYPE.error, payload: new Uint8Array(0) });
    const host = fakeHost('/s', (requests) => requests.map(nameless));
    const store = await openXenstore(host.native, { XENSTORED_PATH: '/s' });
    await expect(store.readMany(['/a'])).rejects.toThrow('The xenstore entry "/a" could not be read: ');
  });

  test('a transaction without a number writes nothing', async () => {
    const host = fakeHost('/s', (requests) =>
      requests.map((request) => ({ ...request, payload: encodeStrings(['0']) })),
    );
    const store = await openXenstore(host.native, { XENSTORED_PATH: '/s' });
    await expect(store.writeAll([['/a', '1']])).rejects.toThrow('xenstored named a transaction "0"');
    expect(host.writes.flat().map(({ type }) => type)).toEqual([XS_TYPE.transactionStart]);
  });

  test('a list that changes while it is read in parts is read anew', async () => {
    const parts = ['7\0a\0b\0', '8\0c\0\0', '8\0a\0b\0', '8\0c\0\0'];
    const host = fakeHost('/s', ([request]) => {
      if (request === undefined) return [];
      if (request.type === XS_TYPE.directory)
        return [{ ...request, type: XS_TYPE.error, payload: encodeStrings(['E2BIG']) }];
      return [{ ...request, payload: encodeText(parts.shift() ?? '') }];
    });
    const store = await openXenstore(host.native, { XENSTORED_PATH: '/s' });
    expect(await store.list('/long')).toEqual(['a', 'b', 'c']);
    const offsets = host.writes.slice(1).map(([request]) => new TextDecoder().decode(request?.payload));
    expect(offsets).toEqual(['/long\x000\0', '/long\x004\0', '/long\x000\0', '/long\x004\0']);
  });

  test('when the connection ends and nobody listens any more, each request says so, and waits but once', async () => {
    const host = fakeHost('/s', () => {
      throw new ClosedError('The other side of /s has closed the connection.');
    });
    let isThere = true;
    const native = {
      ...host.native,
      connectStream: (path: string) => host.native.connectStream(isThere ? path : '/gone', 1000),
    };
    const store = await openXenstore(native, { XENSTORED_PATH: '/s' });
    isThere = false;
    setDeadline(0);
    try {
      await expect(store.readMany(['/a'])).rejects.toThrow('xenstore cannot be reached. /gone is not there.');
      const tried = host.tried.length;
      await expect(store.write('/a', '1')).rejects.toThrow('xenstored at /s gave no proper answer.');
      expect(host.tried).toHaveLength(tried);
    } finally {
      setDeadline(Number.POSITIVE_INFINITY);
    }
  });

  test('a request is made again where xenstored listens again later', async () => {
    let hasGone = false;
    const host = fakeHost('/s', (requests) => {
      if (!hasGone) {
        hasGone = true;
        throw new ClosedError('The other side of /s has closed the connection.');
      }
      return requests.map(readReply);
    });
    let refusals = 0;
    const connectStream = async (path: string) => {
      if (hasGone && refusals < 3) {
        refusals += 1;
        throw new XenNetworkError(`${path} cannot be reached.`);
      }
      return host.native.connectStream(path, 1000);
    };
    const store = await openXenstore({ ...host.native, connectStream }, { XENSTORED_PATH: '/s' });
    expect(await Promise.all([store.readMany(['/a/1', '/a/2']), store.readMany(['/a/3'])])).toEqual([
      ['1', '2'],
      ['3'],
    ]);
    expect(refusals).toBe(3);
    expect(host.tried).toEqual(['/s', '/s']);
  });

  test('a request that ends its connection each time is an error after the second', async () => {
    const host = fakeHost('/s', () => {
      throw new ClosedError('The other side of /s has closed the connection.');
    });
    const store = await openXenstore(host.native, { XENSTORED_PATH: '/s' });
    await expect(store.readMany(['/a'])).rejects.toThrow('has closed the connection.');
    expect(host.writes).toHaveLength(2);
  });

  test('closing twice closes once', async () => {
    const host = fakeHost('/s', () => []);
    const store = await openXenstore(host.native, { XENSTORED_PATH: '/s' });
    store.close();
    store.close();
    expect(host.closed).toEqual(['/s']);
  });
});
