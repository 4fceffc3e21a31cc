// A live connection for tests: hears what is asked of it, and tells events.

import { vi } from "vitest";

import type { Command } from "../../host";
import type { Live } from "../../shared/live/live.svelte";
import type { CellEnd, CellFault, CellOutput, Event, ExecStatus, Failure } from "../../wire";

export class FakeLive {
  /** What was asked, oldest first: the command, and the cell that it is about. */
  asked: string[] = [];
  /** Commands that are refused. */
  refused = new Set<Command>();
  /** The kernel knows nothing of what it is asked about. */
  unknown = false;
  /** Cells that the kernel knows. */
  known: { cell_id: string; run_id?: string | null; execution_id: string; pending: boolean }[] = [];
  /** The kernel's ids of runs that were taken up, oldest first. */
  followed: string[] = [];
  /** Outputs that lie in the machine, by their references. */
  outputs = new Map<string, CellOutput>();
  /** The last run of each cell. */
  runs = new Map<string, string>();
  /** The batches of what was handed in, oldest first. */
  batches: (string | null)[] = [];
  /** What was interrupted, oldest first: the kernel's ids, `null` for whatever runs. */
  interrupted: (string | null)[] = [];
  /** Cells that are not over, in their order: the kernel is at the first. */
  #queue: string[] = [];
  #listeners: ((event: Event, at_ms: number) => void)[] = [];
  #at_ms = 0;

  constructor() {
    // Frames come when a test wants them: with a cell's end.
    vi.stubGlobal("requestAnimationFrame", () => 1);
    vi.stubGlobal("cancelAnimationFrame", () => {});
  }

  get live(): Live {
    return this as unknown as Live;
  }

  listen(listener: (event: Event, at_ms: number) => void): void {
    this.#listeners.push(listener);
  }

  async call(command: Command, request: { cell_id?: string; run_id?: string; batch?: string | null; execution_id?: string | null; seq?: number }): Promise<unknown> {
    this.asked.push([command, request.cell_id].filter(Boolean).join(" "));
    if (this.refused.has(command)) throw new Error("refused");
    if (this.unknown) throw { code: "not_found", message: "unknown", cause: null, next: null, detail: null } satisfies Failure;
    if (command === "kernel_output") {
      const output = this.outputs.get(`${request.execution_id} ${request.seq}`);
      if (!output) throw { code: "not_found", message: "gone", cause: null, next: null, detail: null } satisfies Failure;
      return { output };
    }
    if (command === "kernel_follow") this.followed.push(request.execution_id!);
    if (command === "kernel_cells") return { cells: this.known };
    if (command === "kernel_interrupt") this.interrupted.push(request.execution_id ?? null);
    if (command === "kernel_exec" || command === "kernel_follow") {
      const run_id = request.run_id!;
      this.runs.set(request.cell_id!, run_id);
      this.batches.push(request.batch ?? null);
      this.tell({ kind: "cell_queued", cell_id: request.cell_id!, run_id });
      if (this.#queue.push(request.cell_id!) === 1) this.#start();
    }
    return {};
  }

  tell(event: Event): void {
    for (const listener of this.#listeners) listener(event, ++this.#at_ms);
  }

  /** A line that the last run of a cell, or another one, puts out. */
  says(cell_id: string, text: string, run_id = this.runs.get(cell_id) ?? ""): void {
    this.tell({ kind: "cell_output", cell_id, run_id, output: { output_type: "stream", name: "stdout", text } });
  }

  end(cell_id: string, status: ExecStatus = "completed", run_id = this.runs.get(cell_id) ?? "", error: CellFault | null = null): void {
    const answer: CellEnd = { status, error, timing_ms: 1, execution_count: 1 };
    this.tell({ kind: "cell_ended", cell_id, run_id, answer, failure: null });
    if (run_id !== this.runs.get(cell_id)) return;
    const first = this.#queue[0] === cell_id;
    this.#queue = this.#queue.filter((id) => id !== cell_id);
    if (first) this.#start();
  }

  #start(): void {
    const cell_id = this.#queue[0];
    if (cell_id !== undefined) this.tell({ kind: "cell_started", cell_id, run_id: this.runs.get(cell_id)!, ran_ms: 0 });
  }
}
