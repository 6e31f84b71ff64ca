import { XenNetworkError } from '../../errors.ts';
import { isRecord, parsed, wholeMessages } from '../../wire/json.ts';
import type { ByteChannel, Native } from '../kernel/native.ts';

/** What a process of Open vSwitch answered. */
export interface SwitchAnswer {
  /** The result of the request; null where it failed. */
  readonly result: unknown;
  /** The whole answer, for messages. */
  readonly text: string;
}

/**
 * Sends one request to a process of Open vSwitch and waits for its answer (ovsdb-server(7), ovs-vswitchd(8)). A process
 * that hangs still accepts connections, and ovs-vsctl would wait for it for half a minute.
 * @param native the way to the socket
 * @param path the socket
 * @param method the request
 * @param params its parameters
 * @param timeoutMs how long the process may be silent
 * @returns undefined where no answer comes
 */
export async function askSwitch(
  native: Pick<Native, 'connectStream'>,
  path: string,
  method: string,
  params: readonly unknown[],
  timeoutMs: number,
): Promise<SwitchAnswer | undefined> {
  try {
    const channel = await native.connectStream(path, timeoutMs);
    try {
      await channel.send(encoded({ id: REQUEST, method, params }));
      return await answerOn(channel);
    } finally {
      channel.close();
    }
  } catch (thrown) {
    if (!(thrown instanceof XenNetworkError)) throw thrown;
    return undefined;
  }
}

/** The id of our request; the server's own ones are strings. */
const REQUEST = 0;

const encoded = (message: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(message));

async function answerOn(channel: ByteChannel): Promise<SwitchAnswer> {
  let bytes = new Uint8Array(0);
  for (let seen = 0; ; ) {
    bytes = joined(bytes, await channel.receive());
    const messages = wholeMessages(new TextDecoder().decode(bytes));
    for (const text of messages.slice(seen)) {
      const message = parsed(text);
      if (!isRecord(message)) continue;
      if (message['id'] === REQUEST) return { result: message['result'], text };
      // Who is silent for some seconds is asked whether anybody is there, and cut off where nothing comes back.
      if (message['method'] === 'echo')
        await channel.send(encoded({ id: message['id'], result: message['params'], error: null }));
    }
    seen = messages.length;
  }
}

function joined(before: Uint8Array, more: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(before.length + more.length);
  both.set(before);
  both.set(more, before.length);
  return both;
}
