// The time that a run may take: what does not fit any more is left out, with a sentence that says so.

/** Tells what goes on, and what there is no time for. */
export class Budget {
  readonly #wholeS: number;
  readonly #nowS: () => number;
  readonly #say: (text: string) => void;
  readonly #begunS: number;
  /** How much longer than expected the finished pieces took. */
  #expectedS = 0;
  #tookS = 0;
  /** A sentence for each piece that was left out. */
  readonly leftOut: string[] = [];

  /**
   * @param wholeS how long all may take, in seconds
   * @param nowS a clock, in seconds
   * @param say prints a line
   */
  constructor(wholeS: number, nowS: () => number, say: (text: string) => void) {
    this.#wholeS = wholeS;
    this.#nowS = nowS;
    this.#say = say;
    this.#begunS = nowS();
  }

  /**
   * Does a piece of work if there is time for it.
   * @param name what is measured
   * @param expectedS how long it takes on a quiet two-core machine, in seconds; on a slower one the finished pieces tell
   * @param work the work
   * @returns undefined where it was left out
   */
  async piece<T>(name: string, expectedS: number, work: () => Promise<T>): Promise<T | undefined> {
    const begunS = this.#nowS();
    const leftS = this.#wholeS - (begunS - this.#begunS);
    const slowness = this.#expectedS === 0 ? 1 : Math.max(1, this.#tookS / this.#expectedS);
    const needsS = Math.round(expectedS * slowness);
    if (needsS > leftS) {
      this.leftOut.push(
        `${name} is left out: it takes some ${needsS} s here, and ${Math.round(leftS)} s are left of ${this.#wholeS}.`,
      );
      return undefined;
    }
    this.#say(`${Math.round(begunS - this.#begunS)} s: ${name}, some ${needsS} s`);
    const result = await work();
    const tookS = this.#nowS() - begunS;
    this.#expectedS += expectedS;
    this.#tookS += tookS;
    this.#say(`${name} took ${Math.round(tookS)} s.`);
    return result;
  }
}
