// The messages between xenstore clients and servers as bytes: frames, payloads, paths.

import { XenstoreError } from '../errors.ts';
import { quote } from '../text.ts';

/**
 * The message types and their numbers (docs/contract.md, "xenstore"; Xen's io/xs_wire.h). Number 20 is no longer used.
 */
export const XS_TYPE = {
  control: 0,
  directory: 1,
  read: 2,
  getPerms: 3,
  watch: 4,
  unwatch: 5,
  transactionStart: 6,
  transactionEnd: 7,
  introduce: 8,
  release: 9,
  getDomainPath: 10,
  write: 11,
  mkdir: 12,
  rm: 13,
  setPerms: 14,
  watchEvent: 15,
  error: 16,
  isDomainIntroduced: 17,
  resume: 18,
  setTarget: 19,
  resetWatches: 21,
  directoryPart: 22,
} as const;

/** The errors of ERROR replies (Xen's io/xs_wire.h), in words. */
export const XS_ERRORS = {
  EINVAL: 'the request or its path is malformed',
  EACCES: 'permission is denied',
  EEXIST: 'it exists already',
  EISDIR: 'it is a directory',
  ENOENT: 'there is no such entry',
  ENOMEM: 'xenstored is out of memory',
  ENOSPC: 'a quota of xenstored is used up',
  EIO: 'xenstored has an input/output error',
  ENOTEMPTY: 'it is not empty',
  ENOSYS: 'xenstored does not know this request',
  EROFS: 'the connection is read-only',
  EBUSY: 'it is busy',
  EAGAIN: 'another program changed it in between',
  EISCONN: 'the domain is connected already',
  E2BIG: 'it is too large for one message',
  EPERM: 'the operation is not permitted',
} as const;

/** The name of an error in an ERROR reply. */
export type XsError = keyof typeof XS_ERRORS;

/**
 * Why xenstored refused a request: the error in words, then its name.
 * @param name the payload of an ERROR reply
 */
export function xsErrorWords(name: string): string {
  const words: string | undefined = Object.entries(XS_ERRORS).find(([known]) => known === name)?.[1];
  return words === undefined ? `error ${quote(name)}` : `${words} (${name})`;
}

/** The length of a frame's header: type, request id, transaction id, payload length; 32 bits each, little-endian. */
export const HEADER_BYTES = 16;
/** The maximum length of a frame's payload in either direction. */
export const PAYLOAD_MAX = 4096;
/** The longest absolute path, in bytes. */
export const ABSOLUTE_PATH_MAX = 3072;
/** The longest relative path, in bytes. */
export const RELATIVE_PATH_MAX = 2048;

/** One message in either direction. Ids are unsigned 32-bit numbers; transaction id 0 means none. */
export interface Frame {
  readonly type: number;
  readonly requestId: number;
  readonly transactionId: number;
  readonly payload: Uint8Array;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/**
 * A frame as bytes, header first.
 * @throws XenstoreError when the payload exceeds 4096 bytes, for which xenstored would drop the connection
 */
export function encodeFrame(frame: Frame): Uint8Array {
  return encodeFrames([frame]);
}

/**
 * Frames as bytes, one after the other.
 * @throws XenstoreError as encodeFrame
 */
export function encodeFrames(frames: readonly Frame[]): Uint8Array {
  const bytes = new Uint8Array(frames.reduce((sum, { payload }) => sum + HEADER_BYTES + payload.length, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const { type, requestId, transactionId, payload } of frames) {
    const { length } = payload;
    if (length > PAYLOAD_MAX) {
      throw new XenstoreError(
        `A xenstore message of ${length} bytes was not sent, since the protocol allows ${PAYLOAD_MAX}; ` +
          'shorten the value.',
      );
    }
    view.setUint32(at, type, true);
    view.setUint32(at + 4, requestId, true);
    view.setUint32(at + 8, transactionId, true);
    view.setUint32(at + 12, length, true);
    bytes.set(payload, at + HEADER_BYTES);
    at += HEADER_BYTES + length;
  }
  return bytes;
}

/** Cuts a byte stream into frames; the stream may come in pieces of any size. */
export class FrameDecoder {
  #pending = new Uint8Array(0);

  /**
   * Adds a piece of the stream and yields, in order, the frames that it completes. The piece is only added when the
   * caller asks for the first frame.
   * @throws XenstoreError after the whole frames, when a header announces more than 4096 bytes
   */
  *push(piece: Uint8Array): Generator<Frame, void> {
    const bytes = concatBytes([this.#pending, piece]);
    this.#pending = bytes;
    const view = new DataView(bytes.buffer);
    for (let at = 0; at + HEADER_BYTES <= bytes.length; ) {
      const length = view.getUint32(at + 12, true);
      if (length > PAYLOAD_MAX) {
        throw new XenstoreError(
          `A xenstore message announces ${length} bytes, but the protocol allows ${PAYLOAD_MAX}; ` +
            'the other side does not speak the xenstore protocol.',
        );
      }
      const start = at + HEADER_BYTES;
      const end = start + length;
      if (end > bytes.length) return;
      const frame = {
        type: view.getUint32(at, true),
        requestId: view.getUint32(at + 4, true),
        transactionId: view.getUint32(at + 8, true),
        // Nobody writes to these bytes any more.
        payload: bytes.subarray(start, end),
      };
      this.#pending = bytes.subarray(end);
      at = end;
      yield frame;
    }
  }
}

/** All pieces, one after the other. */
export function concatBytes(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let offset = 0;
  for (const piece of pieces) {
    whole.set(piece, offset);
    offset += piece.length;
  }
  return whole;
}

/** Encodes text as UTF-8. */
export function encodeText(text: string): Uint8Array {
  return encoder.encode(text);
}

/** Decodes UTF-8; invalid bytes become U+FFFD. */
export function decodeText(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** A payload of strings, each followed by a NUL byte. */
export function encodeStrings(strings: readonly string[]): Uint8Array {
  return encodeText(strings.map((text) => `${text}\0`).join(''));
}

/** The strings of a payload, each ended by a NUL byte or by the end of the payload. An empty payload has none. */
export function decodeStrings(payload: Uint8Array): string[] {
  const text = decodeText(payload);
  if (text === '') {
    return [];
  }
  return (text.endsWith('\0') ? text.slice(0, -1) : text).split('\0');
}

/**
 * Why a path cannot name a node, as the rest of a sentence ("has …"); undefined when it can. Absolute paths start with
 * a slash; relative ones are below the caller's own domain (Xen's docs/misc/xenstore.txt).
 */
export function pathFault(path: string): string | undefined {
  const max = path.startsWith('/') ? ABSOLUTE_PATH_MAX : RELATIVE_PATH_MAX;
  if (path === '') {
    return 'is empty';
  }
  if (!/^[-/_@A-Za-z0-9]*$/.test(path)) {
    return 'has a character other than letters, digits, "-", "/", "_" and "@"';
  }
  if (path.length > max) {
    return `has ${path.length} bytes, more than the ${max} that are allowed`;
  }
  if (path.includes('//') || (path.endsWith('/') && path !== '/')) {
    return 'has an empty part between or after slashes';
  }
  return undefined;
}
