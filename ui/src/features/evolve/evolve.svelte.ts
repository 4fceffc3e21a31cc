// The machine's evolves as the page shows them: what changed, the run that goes on, its log, and
// the generations. A copy of what the engine says, fetched anew whenever it says that it changed.

import { toFailure } from "../../host";
import type { Live } from "../../shared/live/live.svelte";
import { addLine, logOf, newLog, type Log } from "../../shared/log";
import type { EvolveRequest, EvolveRun, EvolveStatus, Event, Failure, Generation, RepoDiff, RollbackRequest, SavedFiles } from "../../wire";

export type Diff = { kind: "reading" } | { kind: "read"; diff: RepoDiff } | { kind: "failed"; failure: Failure };

export class Evolve {
  status = $state.raw<EvolveStatus | null>(null);
  run = $state.raw<EvolveRun | null>(null);
  runs = $state.raw<EvolveRun[]>([]);
  diff = $state.raw<Diff>({ kind: "reading" });
  generations = $state.raw<Generation[]>([]);
  /** What rollbacks put aside. */
  saved = $state.raw<SavedFiles[]>([]);
  keeps = $state(0);
  /** The log of `run`. */
  log = $state(newLog());
  failure = $state.raw<Failure | null>(null);
  /** Whether the generations were ever read. */
  known = $state(false);
  #live: Live;
  /** The run that the log is of. */
  #log_of = "";

  constructor(live: Live) {
    this.#live = live;
  }

  get going(): boolean {
    return this.run?.state === "running" || this.run?.state === "asked";
  }

  get current(): Generation | undefined {
    return this.generations.find(({ current }) => current);
  }

  /** Fetches all, and hears what changes; call what is returned to stop. */
  watch(): () => void {
    void this.look();
    return this.#live.listen((event) => this.#take(event));
  }

  async look(): Promise<void> {
    await Promise.all([this.#status(), this.#list(), this.read()]);
  }

  /** What changed in the repo since the machine's generation. */
  async read(): Promise<void> {
    try {
      this.diff = { kind: "read", diff: await this.#live.call("evolve_preview", {}) };
    } catch (thrown) {
      this.diff = { kind: "failed", failure: toFailure(thrown) };
    }
  }

  /** Evolves what is shown; the engine refuses other files. */
  start(request: EvolveRequest): Promise<void> {
    const tree = this.diff.kind === "read" ? { tree: this.diff.diff.tree } : {};
    return this.#do(() => this.#live.call("evolve_start", { ...request, ...tree }));
  }

  rollback(request: RollbackRequest): Promise<void> {
    return this.#do(() => this.#live.call("generation_rollback", request));
  }

  cancel(): Promise<void> {
    const run_id = this.run?.run_id;
    return run_id === undefined ? Promise.resolve() : this.#do(() => this.#live.call("evolve_cancel", { run_id }));
  }

  answer(yes: boolean): Promise<void> {
    const run_id = this.run?.run_id;
    // What is approved is what is shown: the engine refuses other files.
    const tree = this.diff.kind === "read" ? { tree: this.diff.diff.tree } : {};
    return run_id === undefined ? Promise.resolve() : this.#do(() => this.#live.call("evolve_answer", { run_id, yes, ...(yes && tree) }));
  }

  keep(number: number, kept: boolean): Promise<void> {
    return this.#do(() => this.#live.call("generation_keep", { number, kept }));
  }

  name(number: number, name: string): Promise<void> {
    return this.#do(() => this.#live.call("generation_name", { number, name }));
  }

  remove(number: number): Promise<void> {
    return this.#do(() => this.#live.call("generation_remove", { number }));
  }

  /** A run's whole log. */
  async logOf(run_id: string): Promise<Log> {
    const { lines } = await this.#live.call("evolve_log", { run_id, after: 0 });
    return logOf(lines);
  }

  changesOf(number: number): Promise<RepoDiff> {
    return this.#live.call("generation_diff", { number });
  }

  async #do(work: () => Promise<unknown>): Promise<void> {
    this.failure = null;
    try {
      await work();
      await Promise.all([this.#status(), this.#list()]);
    } catch (thrown) {
      this.failure = toFailure(thrown);
    }
  }

  async #status(): Promise<void> {
    try {
      this.status = await this.#live.call("evolve_status", {});
      this.runs = (await this.#live.call("evolve_runs", {})).runs;
      this.run = this.status.latest_run;
      await this.#readLog();
    } catch (thrown) {
      this.failure = toFailure(thrown);
    }
  }

  async #list(): Promise<void> {
    try {
      const { generations, saved, generations_to_keep } = await this.#live.call("generation_list", {});
      this.generations = generations;
      this.saved = saved;
      this.keeps = generations_to_keep;
      this.known = true;
    } catch (thrown) {
      this.failure = toFailure(thrown);
    }
  }

  /** The log of a run that this page has not followed from its beginning. */
  async #readLog(): Promise<void> {
    const run_id = this.run?.run_id;
    if (run_id === undefined || this.#log_of === run_id) return;
    this.#log_of = run_id;
    this.log = await this.logOf(run_id);
  }

  #take(event: Event): void {
    switch (event.kind) {
      case "evolve":
        if (this.run?.run_id !== event.run.run_id) {
          this.#log_of = event.run.run_id;
          this.log = newLog();
        }
        // What is to be approved is read when it is asked for: what was read before may be something else.
        if (event.run.state === "awaits_yes" && (this.run?.state !== "awaits_yes" || this.run.run_id !== event.run.run_id)) {
          this.diff = { kind: "reading" };
          void this.read();
        }
        this.run = event.run;
        if (event.run.ended_at !== null) void this.look();
        break;
      case "evolve_log":
        if (event.run_id === this.run?.run_id) for (const line of event.lines) addLine(this.log, line);
        break;
      case "generations":
        void this.#list();
        break;
    }
  }
}
