/** What a form's button does: once at a time, and its failure is kept for the form to show. */
import { toFailure } from "../host";
import type { Failure } from "../wire";

export class Attempt {
  busy = $state(false);
  failure = $state.raw<Failure | null>(null);

  /** Does it, unless it is being done. Calls `done` if it succeeds. */
  async run(work: () => Promise<unknown>, done: () => void): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    this.failure = null;
    try {
      await work();
      done();
    } catch (thrown) {
      this.failure = toFailure(thrown);
    } finally {
      this.busy = false;
    }
  }
}
