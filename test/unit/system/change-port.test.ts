import { expect, test } from 'vitest';
import { XenNetworkError } from '../../../lib/errors.ts';
import { changePort } from '../../../lib/system/openvswitch/change-port.ts';
import { isRecord, parsed } from '../../../lib/wire/json.ts';

const REMOVAL = ['ovs-vsctl', '--timeout=30', '--', '--if-exists', 'del-port', 'web'];
const PORT = { _uuid: ['uuid', 'p'], interfaces: ['uuid', 'i'], fake_bridge: false };
const HOLDER = { rows: [{ _uuid: ['uuid', 'b'], name: 'ovsbr0' }] };
const FOUND = [{ rows: [PORT] }, { rows: [{ _uuid: ['uuid', 'i'] }] }, { rows: [] }, { rows: [] }];
const DONE = [{}, {}, { count: 1 }, {}, { count: 1 }, { rows: [{ next_cfg: 7 }] }];
const MET = [{ error: 'timed out' }, null];
const ECHO = '{"id":"echo","method":"echo","params":[]}';

/** A database that gives these results in order, each after an echo and in two pieces; what it was sent. */
function database(results: readonly unknown[]) {
  const sent: unknown[] = [];
  let next = 0;
  return {
    sent,
    async connectStream() {
      const text = `${ECHO}{"id":0,"error":null,"result":${JSON.stringify(results[next++])}}`;
      const pieces = [text.slice(0, -3), text.slice(-3)].map((piece) => new TextEncoder().encode(piece));
      return {
        send: (bytes: Uint8Array) => void sent.push(parsed(new TextDecoder().decode(bytes))),
        receive() {
          const piece = pieces.shift();
          if (piece === undefined) throw new XenNetworkError('It is closed.');
          return piece;
        },
        close: () => undefined,
      };
    },
  };
}

const methods = (sent: readonly unknown[]) =>
  sent.map((message) => (isRecord(message) ? (message['method'] ?? 'answer') : message));

test('a change is asked for, made, and waited for', async () => {
  const { sent, connectStream } = database([FOUND, [HOLDER], DONE, [{}]]);
  expect(await changePort({ connectStream }, '/run/db.sock', REMOVAL)).toEqual({});
  expect(methods(sent)).toEqual(Array(4).fill(['transact', 'answer']).flat());
  expect(JSON.stringify(sent)).toContain('["cur_cfg",">=",7]');
});

test('one that met another is begun again', async () => {
  const { sent, connectStream } = database([FOUND, [HOLDER], MET, FOUND, [HOLDER], DONE, [{}]]);
  expect(await changePort({ connectStream }, '/run/db.sock', REMOVAL)).toEqual({});
  expect(sent).toHaveLength(14);
});

test('one that the daemon does not do in time is an error', async () => {
  const { connectStream } = database([FOUND, [HOLDER], DONE, [{ error: 'timed out' }]]);
  expect(await changePort({ connectStream }, '/run/db.sock', REMOVAL)).toEqual({
    error: 'ovs-vswitchd did not do it within 30 s',
  });
});

test('a port that is not there needs no change', async () => {
  const { sent, connectStream } = database([[{ rows: [] }, { rows: [] }, { rows: [] }, { rows: [] }]]);
  expect(await changePort({ connectStream }, '/run/db.sock', REMOVAL)).toEqual({});
  expect(methods(sent)).toEqual(['transact', 'answer']);
});

test.each([
  ['nobody listens', async () => Promise.reject(new XenNetworkError('Nobody listens.'))],
  ['nobody answers', database([]).connectStream],
])('where %s ovs-vsctl has to run', async (_what, connectStream) => {
  expect(await changePort({ connectStream }, '/run/db.sock', REMOVAL)).toBeUndefined();
});
