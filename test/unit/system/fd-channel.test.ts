import { expect, test } from 'vitest';
import { XenNetworkError } from '../../../lib/errors.ts';
import { setDeadline } from '../../../lib/system/processes/deadline.ts';
import { FdChannel } from '../../../lib/system/xenstore/fd-channel.ts';

/** A peer that answers with so many single bytes, and then with nothing. */
function channelOf(answers: number): FdChannel {
  let left = answers;
  const files = {
    open: () => 3,
    close: () => {},
    isAt: () => true,
    write: (_fd: number, bytes: Uint8Array) => bytes.length,
    read: () => {
      if (left-- > 0) return 1;
      throw Object.assign(new Error('nothing'), { code: 'EAGAIN' });
    },
  };
  const wait = (_fd: number, _direction: string, ms: number) =>
    new Promise((resolve) => setTimeout(resolve, ms));
  return new FdChannel(3, '/run/socket', 30, wait, files);
}

async function fault(channel: FdChannel): Promise<string> {
  await channel.send(new Uint8Array(4));
  try {
    for (;;) await channel.receive();
  } catch (thrown) {
    if (thrown instanceof XenNetworkError) return thrown.message;
    throw thrown;
  }
}

test('who says nothing, and who says only a part, are told apart, with how long they were waited for', async () => {
  expect(await fault(channelOf(0))).toBe('/run/socket did not answer within 0.03 s.');
  expect(await fault(channelOf(3))).toBe(
    '/run/socket sent only a part of its answer, and then nothing for 0.03 s.',
  );
  setDeadline(10);
  expect(await fault(channelOf(3))).toMatch(
    /^\/run\/socket sent only a part of its answer within [\d.]+ s \(then the 0\.01 s of the whole call were over\)\.$/,
  );
});
