import { XenstoreError } from '../../errors.ts';
import { listed, quote } from '../../text.ts';
import {
  concatBytes,
  decodeStrings,
  decodeText,
  encodeStrings,
  encodeText,
  PAYLOAD_MAX,
  pathFault,
  XS_TYPE,
  xsErrorWords,
} from '../../wire/xenstore.ts';
import type { Answer, XenstoreConnection } from './connection.ts';
import type { Xenstore } from './xenstore.ts';

const MOST_TRIES = 20;
const LONGEST_PAUSE_MS = 100;

interface Write {
  readonly path: string;
  readonly payload: Uint8Array;
}

/** The requests of the xenstore protocol as methods (docs/contract.md, "xenstore"; Xen's docs/misc/xenstore.txt). */
export class XenstoreClient implements Xenstore {
  readonly #connection: XenstoreConnection;

  /** @param connection an open connection, which close() closes */
  constructor(connection: XenstoreConnection) {
    this.#connection = connection;
  }

  async readMany(paths: readonly string[]): Promise<(string | undefined)[]> {
    const answers = await Promise.all(
      paths.map(pathPayload).map((payload) => this.#ask(XS_TYPE.read, payload)),
    );
    return paths.map((path, i) => readValue(answers[i], path));
  }

  async list(path: string): Promise<string[] | undefined> {
    const answer = await this.#ask(XS_TYPE.directory, pathPayload(path));
    if (answer.error === 'E2BIG') {
      return this.#listInParts(path);
    }
    const names = payloadIfThere(answer, path, 'listed');
    return names && decodeStrings(names);
  }

  async write(path: string, value: string): Promise<void> {
    payloadOf(await this.#ask(XS_TYPE.write, writePayload(path, value)), path, 'written');
  }

  async remove(path: string): Promise<void> {
    payloadIfThere(await this.#ask(XS_TYPE.rm, pathPayload(path)), path, 'removed');
  }

  async writeAll(entries: readonly (readonly [path: string, value: string])[]): Promise<void> {
    const writes = entries.map(([path, value]) => ({ path, payload: writePayload(path, value) }));
    for (let tries = 0; tries < MOST_TRIES; tries += 1) {
      if (await this.#transact(writes)) {
        return;
      }
      // Random and growing pauses, so that competing programs do not collide again and again.
      const pause = Math.random() * Math.min(LONGEST_PAUSE_MS, 2 ** tries);
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
    const names = listed(entries.map(([path]) => quote(path)));
    throw new XenstoreError(
      `The xenstore entries ${names} could not be written together: other programs changed them ${MOST_TRIES} ` +
        'times in between. Look with xenstore-watch which entries change all the time.',
    );
  }

  close(): void {
    this.#connection.close();
  }

  #ask(type: number, payload: Uint8Array, transactionId = 0): Promise<Answer> {
    return this.#connection.ask({ type, payload, transactionId });
  }

  /** A list that is longer than one message comes in ranges of bytes; an empty name marks its end. */
  async #listInParts(path: string): Promise<string[] | undefined> {
    let names = new Uint8Array(0);
    let generation: string | undefined;
    for (;;) {
      const payload = encodeStrings([path, String(names.length)]);
      const part = payloadIfThere(await this.#ask(XS_TYPE.directoryPart, payload), path, 'listed');
      if (part === undefined) {
        return undefined;
      }
      const start = part.indexOf(0) + 1;
      const found = decodeText(part.subarray(0, start));
      const isSame = generation === undefined || generation === found;
      names = isSame ? concatBytes([names, part.subarray(start)]) : new Uint8Array(0);
      generation = isSame ? found : undefined;
      const all = decodeStrings(names);
      if (isSame && (all.at(-1) === '' || part.length === start)) {
        return all.filter((name) => name !== '');
      }
    }
  }

  /** One attempt; false when others changed the same entries in the meantime. */
  async #transact(writes: readonly Write[]): Promise<boolean> {
    const started = await this.#ask(XS_TYPE.transactionStart, encodeStrings(['']));
    const [text = ''] = decodeStrings(payloadOf(started, '/', 'opened for a transaction'));
    if (!/^[1-9]\d{0,9}$/.test(text)) {
      throw new XenstoreError(`xenstored named a transaction ${quote(text)}, which is no number.`);
    }
    const id = Number(text);
    const results = await Promise.all(
      writes.map(async ({ path, payload }) => ({
        path,
        answer: await this.#ask(XS_TYPE.write, payload, id),
      })),
    );
    const isRefused = results.some(({ answer }) => answer.error !== undefined);
    const ended = await this.#ask(XS_TYPE.transactionEnd, encodeStrings([isRefused ? 'F' : 'T']), id);
    for (const { path, answer } of results) {
      payloadOf(answer, path, 'written');
    }
    if (ended.error === 'EAGAIN') {
      return false;
    }
    payloadOf(ended, '/', 'changed by a transaction');
    return true;
  }
}

function pathPayload(path: string): Uint8Array {
  const fault = pathFault(path);
  if (fault !== undefined) {
    throw new XenstoreError(`The xenstore path ${quote(path)} ${fault}, so there can be no such entry.`);
  }
  return encodeStrings([path]);
}

function writePayload(path: string, value: string): Uint8Array {
  const payload = concatBytes([pathPayload(path), encodeText(value)]);
  if (payload.length > PAYLOAD_MAX) {
    throw new XenstoreError(
      `The xenstore entry ${quote(path)} was not written: with its value it takes ${payload.length} bytes, and one ` +
        `message carries ${PAYLOAD_MAX}. Shorten the value.`,
    );
  }
  return payload;
}

function readValue(answer: Answer | undefined, path: string): string | undefined {
  const value = answer && payloadIfThere(answer, path, 'read');
  return value && decodeText(value);
}

function payloadOf(answer: Answer, path: string, done: string): Uint8Array {
  if (answer.error !== undefined) {
    throw new XenstoreError(
      `The xenstore entry ${quote(path)} could not be ${done}: ${xsErrorWords(answer.error)}.`,
    );
  }
  return answer.payload;
}

function payloadIfThere(answer: Answer, path: string, done: string): Uint8Array | undefined {
  return answer.error === 'ENOENT' ? undefined : payloadOf(answer, path, done);
}
