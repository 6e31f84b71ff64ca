/** The flag of an attribute that contains attributes (NLA_F_NESTED of linux/netlink.h). */
export const NESTED = 0x8000;

const HEADER = 16;
/** IFNAMSIZ. */
export const NAME_LENGTH = 16;

/**
 * Writes nfnetlink messages one after the other. Numbers in attributes are in network byte order, headers in the
 * machine's, which is little-endian wherever this program runs.
 */
export class NetlinkWriter {
  #bytes: Uint8Array;
  #view: DataView;
  readonly #mask: number;
  /** The start of each attribute that is not closed yet. */
  readonly #open: number[] = [];
  #message = 0;
  /** The sequence number of the last message. */
  sequence = 0;
  /** The offset of the next byte. */
  at = 0;

  /**
   * @param size in bytes, enough for all messages, or for those until the next call of `reserve`
   * @param isMarked whether attributes that contain attributes get the flag NESTED
   */
  constructor(size: number, isMarked = true) {
    this.#bytes = new Uint8Array(size);
    this.#view = new DataView(this.#bytes.buffer);
    this.#mask = isMarked ? 0xffff : ~NESTED;
  }

  /**
   * Makes room for what is written next. Views of earlier parts are useless afterwards.
   * @param size in bytes
   */
  reserve(size: number): void {
    if (this.at + size <= this.#bytes.length) return;
    const bytes = new Uint8Array(2 * this.#bytes.length + size);
    bytes.set(this.from(0));
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }

  /** The bytes that were written from an offset on. */
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

  /** Adds a flag to the last message, after its end. */
  flag(flag: number): void {
    this.#view.setUint16(this.#message + 6, this.#view.getUint16(this.#message + 6, true) | flag, true);
  }

  /** Opens an attribute; what is written until it is closed is its content. */
  nest(type: number): void {
    this.#open.push(this.at);
    this.#view.setUint16(this.at + 2, type & this.#mask, true);
    this.at += 4;
  }

  /** Closes attributes until only `depth` are open. */
  close(depth: number): void {
    for (let open = this.#open.length; open > depth; open--) {
      const start = this.#open.pop() ?? 0;
      this.#view.setUint16(start, this.at - start, true);
      this.at = (this.at + 3) & ~3;
    }
  }

  /** Writes an attribute of 32 bits. */
  number(type: number, value: number): void {
    this.#view.setUint32(this.at, 8 | (type << 16), true);
    this.#view.setUint32(this.at + 4, value);
    this.at += 8;
  }

  /** Writes an attribute with an ASCII text and its NUL. */
  text(type: number, text: string): void {
    const start = this.at;
    this.#view.setUint16(start + 2, type, true);
    this.at += 4;
    this.string(text);
    this.#view.setUint16(start, this.at - start, true);
    this.at = (this.at + 3) & ~3;
  }

  /** Writes an ASCII text and its NUL. */
  string(text: string): void {
    for (let i = 0; i < text.length; i++) this.#bytes[this.at++] = text.charCodeAt(i);
    this.at++;
  }

  /** Writes a device's name as a part of a key: 16 bytes. */
  name(name: string): void {
    const end = this.at + NAME_LENGTH;
    for (let i = 0; i < name.length; i++) this.#bytes[this.at + i] = name.charCodeAt(i);
    this.at = end;
  }

  byte(value: number): void {
    this.#bytes[this.at++] = value;
  }

  /** Writes 32 bits. */
  word(value: number): void {
    this.#view.setUint32(this.at, value);
    this.at += 4;
  }

  bytes(bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.at);
    this.at += bytes.length;
  }

  /** Skips bytes, which are zero, and returns a view to fill them. */
  room(size: number): DataView {
    this.at += size;
    return new DataView(this.#bytes.buffer, this.at - size, size);
  }
}
