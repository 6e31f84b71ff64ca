import { messageOf, XenstoreError } from '../../errors.ts';
import { decodeStrings, encodeFrames, type Frame, FrameDecoder, XS_TYPE } from '../../wire/xenstore.ts';
import type { ByteChannel } from '../kernel/native.ts';

/** One request to xenstored. */
export interface Request {
  readonly type: number;
  readonly payload: Uint8Array;
  /** The id of its transaction; 0 for none. */
  readonly transactionId: number;
}

/** xenstored's reply: a payload, or the errno name of a refusal. */
export type Answer =
  | { readonly payload: Uint8Array; readonly error?: undefined }
  | { readonly payload?: undefined; readonly error: string };

interface Pending {
  readonly request: Request;
  resolve(answer: Answer): void;
  reject(error: unknown): void;
}

/**
 * A connection to one xenstored. Requests that are made together are sent together. When the connection fails, all
 * pending and later requests fail with the same reason; a refusal by xenstored only concerns its request.
 */
export class XenstoreConnection {
  readonly #channel: ByteChannel;
  readonly #place: string;
  readonly #depth: number;
  readonly #decoder = new FrameDecoder();
  #queue: Pending[] = [];
  #busy = false;
  #lastId = 0;
  #broken: XenstoreError | undefined;

  /**
   * @param channel the open socket or device, which the connection owns from now on
   * @param place its path, for messages
   * @param depth how many requests may be pending at once
   */
  constructor(channel: ByteChannel, place: string, depth: number) {
    this.#channel = channel;
    this.#place = place;
    this.#depth = depth;
  }

  /**
   * Sends a request and waits for its reply.
   * @throws XenstoreError when xenstored goes away, does not answer in time or sends an invalid answer
   */
  ask(request: Request): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ request, resolve, reject });
      if (!this.#busy) {
        this.#busy = true;
        // Runs after the caller has queued all requests that belong together.
        queueMicrotask(() => void this.#work());
      }
    });
  }

  /** Closes the connection. */
  close(): void {
    if (this.#broken === undefined) {
      this.#broken = new XenstoreError(`The connection to xenstored at ${this.#place} is closed already.`);
      this.#channel.close();
    }
  }

  async #work(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#queue.splice(0, this.#depth);
      try {
        await this.#exchange(batch);
      } catch (error) {
        const broken = this.#break(error);
        for (const pending of [...batch, ...this.#queue.splice(0)]) {
          pending.reject(broken);
        }
      }
    }
    this.#busy = false;
  }

  #break(error: unknown): XenstoreError {
    if (this.#broken === undefined) {
      this.#broken = new XenstoreError(
        `xenstored at ${this.#place} gave no proper answer. ${messageOf(error)} Look whether xenstored still runs.`,
        { cause: error },
      );
      this.#channel.close();
    }
    return this.#broken;
  }

  async #exchange(batch: readonly Pending[]): Promise<void> {
    if (this.#broken !== undefined) {
      throw this.#broken;
    }
    const waiting = new Map<number, Pending>();
    for (const pending of batch) {
      this.#lastId = (this.#lastId + 1) >>> 0;
      waiting.set(this.#lastId, pending);
    }
    const frames = [...waiting].map(
      ([
        requestId,
        {
          request: { type, transactionId, payload },
        },
      ]): Frame => ({
        type,
        requestId,
        transactionId,
        payload,
      }),
    );
    await this.#channel.send(encodeFrames(frames));
    while (waiting.size > 0) {
      const piece = this.#channel.receive();
      for (const frame of this.#decoder.push(piece instanceof Uint8Array ? piece : await piece)) {
        answer(frame, waiting);
      }
    }
  }
}

/** Resolves the request that a reply answers. Events of watches, which nobody here sets, are ignored. */
function answer(frame: Frame, waiting: Map<number, Pending>): void {
  if (frame.type === XS_TYPE.watchEvent) {
    return;
  }
  const pending = waiting.get(frame.requestId);
  if (pending === undefined) {
    throw new XenstoreError('It answered a request that was not made.');
  }
  if (frame.type !== pending.request.type && frame.type !== XS_TYPE.error) {
    throw new XenstoreError(
      `It answered a request of type ${pending.request.type} by one of type ${frame.type}.`,
    );
  }
  waiting.delete(frame.requestId);
  if (frame.type === XS_TYPE.error) {
    pending.resolve({ error: decodeStrings(frame.payload)[0] ?? 'EIO' });
  } else {
    pending.resolve({ payload: frame.payload });
  }
}
