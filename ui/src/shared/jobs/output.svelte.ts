// What a job printed, as a view reads it: page by page, and on from where it was read to.

import { toFailure } from "../../host";
import type { Failure, JobLog } from "../../wire";
import { addLine, type Line, LONGEST_LINE, newLog } from "../log";

export class JobOutput {
  readonly #page: (after: number) => Promise<JobLog>;
  #log = $state(newLog());
  /** The last line, if it hasn't ended yet. */
  #rest = $state("");
  /** Why it can't be read now. */
  failure = $state.raw<Failure | null>(null);
  /** Whether anything was read yet. */
  known = $state(false);
  #after = 0;
  #reading = false;
  #closed = false;

  constructor(page: (after: number) => Promise<JobLog>) {
    this.#page = page;
  }

  /** Its beginning and its end, with a line about what is missing between them. */
  get lines(): Line[] {
    const { lines, count } = this.#log;
    return this.#rest === "" ? lines : [...lines, { number: count + 1, text: this.#rest }];
  }

  /** Reads on until nothing new comes. A second look meanwhile is the same one. */
  async read(): Promise<void> {
    if (this.#reading) return;
    this.#reading = true;
    try {
      while (!this.#closed) {
        const { text, next } = await this.#page(this.#after);
        this.#add(text);
        this.known = true;
        this.failure = null;
        if (next <= this.#after) break;
        this.#after = next;
      }
    } catch (thrown) {
      this.failure = toFailure(thrown);
    } finally {
      this.#reading = false;
    }
  }

  /** Nobody looks any more: nothing else is read. */
  close(): void {
    this.#closed = true;
  }

  #add(text: string): void {
    const lines = (this.#rest + text).split("\n");
    const rest = lines.pop() ?? "";
    for (const line of lines) addLine(this.#log, line);
    // A line that is longer goes on in the next one.
    if (rest.length > LONGEST_LINE) addLine(this.#log, rest);
    this.#rest = rest.length > LONGEST_LINE ? "" : rest;
  }
}
