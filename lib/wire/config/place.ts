/** Where something stands in a file, both counted from 1; a tab is one column. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** What a reader does not understand, as a sentence without its place. */
export interface Fault extends Place {
  readonly text: string;
  /** The program that the file is for goes on all the same. */
  readonly isMild?: boolean;
}

/**
 * A place as messages name it.
 * @param path the file
 * @param place where in it
 */
export function placeText(path: string, { line, column }: Place): string {
  return `${path}, line ${line}, column ${column}`;
}

/** A text that is read once from its beginning to its end, character by character, with the place of the next one. */
export class Reader {
  readonly text: string;
  #at = 0;
  #line = 1;
  #lineAt = 0;

  constructor(text: string) {
    this.text = text;
  }

  /** How many characters have been taken. */
  get at(): number {
    return this.#at;
  }

  get place(): Place {
    return { line: this.#line, column: this.#at - this.#lineAt + 1 };
  }

  /** The next character, or so many after it; empty at the end. */
  peek(ahead = 0): string {
    return this.text.charAt(this.#at + ahead);
  }

  /** Takes the next character. */
  take(): string {
    const taken = this.peek();
    this.#at += taken.length;
    if (taken === '\n') {
      this.#line++;
      this.#lineAt = this.#at;
    }
    return taken;
  }

  /** Takes characters while they are such. */
  takeWhile(isSuch: (character: string) => boolean): string {
    const begin = this.#at;
    while (this.#at < this.text.length && isSuch(this.peek())) this.take();
    return this.text.slice(begin, this.#at);
  }
}
