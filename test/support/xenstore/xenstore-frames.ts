import { loadNative } from '../../../lib/system/kernel/load-native.ts';
import type { ByteChannel } from '../../../lib/system/kernel/native.ts';
import { encodeFrame, type Frame, FrameDecoder, XS_TYPE } from '../../../lib/wire/xenstore.ts';

/** A type that the protocol names, or any number. */
export type Kind = keyof typeof XS_TYPE | number;

/** What came back for a request, for comparison: the type's name, the transaction, the payload byte for byte. */
export type Reply = readonly [kind: string, transactionId: number, payload: string];

/** A client that sends frames as they are, for tests of servers. Payloads are strings of one byte per character. */
export class FrameClient {
  readonly #channel: ByteChannel;
  readonly #decoder = new FrameDecoder();
  readonly #frames: Frame[] = [];
  #events: string[] = [];

  private constructor(channel: ByteChannel) {
    this.#channel = channel;
  }

  /** @param socketPath where the server listens */
  static async connect(socketPath: string): Promise<FrameClient> {
    return new FrameClient(await (await loadNative()).connectStream(socketPath, 20_000));
  }

  /** Sends a request and waits for its reply; events that come before it are kept for `events`. */
  async ask(kind: Kind, payload: string, transactionId = 0): Promise<Reply> {
    const type = typeof kind === 'number' ? kind : XS_TYPE[kind];
    await this.send(
      encodeFrame({ type, requestId: 77, transactionId, payload: Buffer.from(payload, 'latin1') }),
    );
    for (;;) {
      const frame = await this.#next();
      const text = Buffer.from(frame.payload).toString('latin1');
      if (frame.type !== XS_TYPE.watchEvent) {
        return [nameOf(frame.type), frame.transactionId, text];
      }
      this.#events.push(text);
    }
  }

  /** The events that were sent until now, in their order. */
  async events(): Promise<string[]> {
    // Its reply comes after all of them.
    await this.ask('read', '/\0');
    const events = this.#events;
    this.#events = [];
    return events;
  }

  async send(bytes: Uint8Array): Promise<void> {
    await this.#channel.send(bytes);
  }

  close(): void {
    this.#channel.close();
  }

  async #next(): Promise<Frame> {
    for (;;) {
      const frame = this.#frames.shift();
      if (frame !== undefined) return frame;
      this.#frames.push(...this.#decoder.push(await this.#channel.receive()));
    }
  }
}

function nameOf(type: number): string {
  return Object.entries(XS_TYPE).find(([, number]) => number === type)?.[0] ?? String(type);
}
