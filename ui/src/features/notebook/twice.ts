// Keys of the command mode that act when pressed twice, such as D, D.

const WITHIN_MS = 600;

export class Twice {
  #last = { key: "", at: 0 };

  /** Whether this press is the second of its key. A key that is held was pressed once. */
  pressed({ key, timeStamp, repeat }: Pick<KeyboardEvent, "key" | "timeStamp" | "repeat">): boolean {
    if (repeat) return false;
    const second = this.#last.key === key && timeStamp - this.#last.at < WITHIN_MS;
    // A third press is the first of the next two.
    this.#last = second ? { key: "", at: 0 } : { key, at: timeStamp };
    return second;
  }
}
