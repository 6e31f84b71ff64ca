/** A position in a file, counted from 1; a tab is one column. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** Something that a reader does not understand: a sentence without the position. */
export interface Fault extends Place {
  readonly text: string;
  /** The program that reads the file carries on in spite of this fault. */
  readonly isMild?: boolean;
}

/**
 * A position as messages name it.
 * @param path the file
 * @param place the position in it
 */
export function placeText(path: string, { line, column }: Place): string {
  return `${path}, line ${line}, column ${column}`;
}

/** Reads a text once from beginning to end, character by character, and knows the position of the next character. */
export class Reader {
  readonly text: string;
  #at = 0;
  #line = 1;
  #lineAt = 0;

  constructor(text: string) {
    this.text = text;
  }

  /** How many characters have been read. */
  get at(): number {
    return this.#at;
  }

  get place(): Place {
    return { line: this.#line, column: this.#at - this.#lineAt + 1 };
  }

  /** The next character, or the one that many characters after it; empty at the end. */
  peek(ahead = 0): string {
    return this.text.charAt(this.#at + ahead);
  }

  /** Reads the next character. */
  take(): string {
    const taken = this.peek();
    this.#at += taken.length;
    if (taken === '\n') {
      this.#line++;
      this.#lineAt = this.#at;
    }
    return taken;
  }

  /** Reads characters as long as `isSuch` holds for them. */
  takeWhile(isSuch: (character: string) => boolean): string {
    const begin = this.#at;
    while (this.#at < this.text.length && isSuch(this.peek())) this.take();
    return this.text.slice(begin, this.#at);
  }
}
