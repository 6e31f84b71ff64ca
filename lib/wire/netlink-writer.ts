/** Where an attribute holds others (NLA_F_NESTED of linux/netlink.h). */
export const NESTED = 0x8000;

const HEADER = 16;

/**
 * Writes messages of nfnetlink one after the other. Numbers in attributes are in network order, headers in the machine's,
 * which is little-endian wherever this program runs.
 */
export class NetlinkWriter {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #mask: number;
  /** Where the attributes begin that are not closed yet. */
  readonly #open: number[] = [];
  #message = 0;
  /** The number of the last message. */
  sequence = 0;
  /** Where the next byte goes. */
  at = 0;

  /**
   * @param size in bytes, enough for all that will be written
   * @param isMarked whether attributes that hold others are marked so
   */
  constructor(size: number, isMarked = true) {
    this.#bytes = new Uint8Array(size);
    this.#view = new DataView(this.#bytes.buffer);
    this.#mask = isMarked ? 0xffff : ~NESTED;
  }

  /** What was written from a place on. */
  from(start: number): Uint8Array {
    return this.#bytes.subarray(start, this.at);
  }

  begin(type: number, flags: number, family: number, resource = 0): void {
    const at = this.at;
    this.#message = at;
    this.sequence++;
    this.#view.setUint16(at + 4, type, true);
    this.#view.setUint16(at + 6, flags, true);
    this.#view.setUint32(at + 8, this.sequence, true);
    this.#view.setUint8(at + HEADER, family);
    this.#view.setUint16(at + HEADER + 2, resource);
    this.at = at + HEADER + 4;
  }

  end(): void {
    this.#view.setUint32(this.#message, this.at - this.#message, true);
  }

  /** Gives the last message, once it has ended, one more flag. */
  flag(flag: number): void {
    this.#view.setUint16(this.#message + 6, this.#view.getUint16(this.#message + 6, true) | flag, true);
  }

  /** Begins an attribute; what follows is in it until it is closed. */
  nest(type: number): void {
    this.#open.push(this.at);
    this.#view.setUint16(this.at + 2, type & this.#mask, true);
    this.at += 4;
  }

  /** Closes attributes until so many are open. */
  close(depth: number): void {
    for (let open = this.#open.length; open > depth; open--) {
      const start = this.#open.pop() ?? 0;
      this.#view.setUint16(start, this.at - start, true);
      this.at = (this.at + 3) & ~3;
    }
  }

  /** A whole attribute of 32 bits. */
  number(type: number, value: number): void {
    this.#view.setUint32(this.at, 8 | (type << 16), true);
    this.#view.setUint32(this.at + 4, value);
    this.at += 8;
  }

  /** A whole attribute with a text of ASCII, NUL included. */
  text(type: number, text: string): void {
    const start = this.at;
    this.#view.setUint16(start + 2, type, true);
    this.at += 4;
    this.string(text);
    this.#view.setUint16(start, this.at - start, true);
    this.at = (this.at + 3) & ~3;
  }

  /** A text of ASCII with its NUL. */
  string(text: string): void {
    for (let i = 0; i < text.length; i++) this.#bytes[this.at++] = text.charCodeAt(i);
    this.at++;
  }

  byte(value: number): void {
    this.#bytes[this.at++] = value;
  }

  /** 32 bits. */
  word(value: number): void {
    this.#view.setUint32(this.at, value);
    this.at += 4;
  }

  bytes(bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.at);
    this.at += bytes.length;
  }

  /** Bytes that are zero so far, to be filled by their view. */
  room(size: number): DataView {
    this.at += size;
    return new DataView(this.#bytes.buffer, this.at - size, size);
  }
}
