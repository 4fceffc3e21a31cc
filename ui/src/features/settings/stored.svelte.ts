// A list of the settings that the app keeps: loading, known or failing, and one change at a time.

import { toFailure } from "../../host";
import type { Failure } from "../../wire";

export type Look<T> = { kind: "loading" } | { kind: "known"; list: T } | { kind: "failing"; failure: Failure };

export class Stored<T> {
  look = $state.raw<Look<T>>({ kind: "loading" });
  /** Whether a change is on its way. */
  busy = $state(false);
  /** What the last change could not do. */
  trouble = $state.raw<Failure | null>(null);

  /** The list, where it is known. */
  get list(): T | null {
    return this.look.kind === "known" ? this.look.list : null;
  }

  /** Asks for the list. */
  protected async read(ask: () => Promise<T>): Promise<void> {
    if (this.look.kind === "failing") this.look = { kind: "loading" };
    try {
      this.look = { kind: "known", list: await ask() };
    } catch (thrown) {
      this.look = { kind: "failing", failure: toFailure(thrown) };
    }
  }

  /** Changes it, unless a change is on its way; whether that was done. What failed is in `trouble`. */
  protected async change(work: () => Promise<T>): Promise<boolean> {
    if (this.busy) return false;
    this.busy = true;
    this.trouble = null;
    try {
      this.look = { kind: "known", list: await work() };
      return true;
    } catch (thrown) {
      this.trouble = toFailure(thrown);
      return false;
    } finally {
      this.busy = false;
    }
  }
}
