// The open notebook: its cells, what they put out, what runs. Cells run in the machine's kernel and
// go on there when this window closes; their outputs come back with the stream.

import { toFailure } from "../../host";
import type { Live } from "../../shared/live/live.svelte";
import { bytesOf } from "../../shared/untrusted";
import type { Event, ExecStatus, Failure, InputPrompt, KernelCell } from "../../wire";
import { isReference, joined, newCellId, taken, type FileCell, type Output, type ReferenceOutput } from "../../shared/outputs/nbformat";
import { takeOutput } from "./outputs";
import { References } from "./references.svelte";

export type CellState =
  | { kind: "idle" }
  /** Taken out of the queue: it did not run. */
  | { kind: "skipped" }
  /** When it was handed in, the kernel's id of the run once it has it, and when it began once it runs. */
  | { kind: "queued"; at_ms: number; execution_id: string | null; began_ms: number | null }
  /** `restarted`: the kernel ended under it because somebody wanted a new one. */
  | { kind: "ended"; status: ExecStatus | "restarted"; timing_ms: number }
  /** Its end was not heard; `begun` where the kernel was at it. */
  | { kind: "lost"; failure: Failure; begun: boolean };

export interface Cell {
  id: string;
  /** Whether the id is this window's, and in no file yet. */
  given: boolean;
  kind: "code" | "markdown" | "raw";
  source: string;
  outputs: Output[];
  execution_count: number | null;
  state: CellState;
  /** The run that this window began or took up last: what others put out under the cell's id is not its. */
  run: string | null;
  /** The run that was handed in last, which the machine knows under this name. */
  tag: string | null;
  /** The `input()` that waits for an answer. */
  asks: { execution_id: string; prompt: InputPrompt } | null;
  /** What a file said of it beside that: metadata, attachments, fields that are not known here. */
  rest: Pick<FileCell, "metadata"> & Record<string, unknown>;
}

/** What waits for the next frame, and what each takes beside its content. */
const MOST_PENDING_BYTES = 4 << 20;
const PENDING_BYTES = 200;

export function newCell(kind: Cell["kind"] = "code", source = ""): Cell {
  return { id: newCellId(), given: true, kind, source, outputs: [], execution_count: null, state: { kind: "idle" }, run: null, tag: null, asks: null, rest: { metadata: {} } };
}

/** A file's cell, to work on. What is no code keeps whatever fields it has. */
export function fromFile(cell: FileCell): Cell {
  const { id, cell_type, source, ...fields } = cell;
  const named = { id: id ?? newCellId(), given: id === undefined };
  if (cell_type !== "code") return { ...newCell(cell_type, joined(source)), ...named, rest: fields };
  const { outputs, execution_count, ...rest } = fields;
  return { ...newCell(cell_type, joined(source)), ...named, outputs: Array.isArray(outputs) ? outputs : [], execution_count: execution_count ?? null, rest };
}

/** The cell as a file has it. */
export function toFile({ id, kind, source, outputs, execution_count, rest }: Cell): FileCell {
  const common = { ...rest, id, cell_type: kind, source };
  return kind === "code" ? { ...common, outputs, execution_count } : common;
}

/** Ids of cells that are in no file yet. */
export const givenIds = (cells: Cell[]): string[] => cells.filter(({ given }) => given).map(({ id }) => id);

export class Notebook {
  cells = $state<Cell[]>([]);
  /** Id of the cell that the keyboard is about. */
  selected = $state("");
  /** Whether the keyboard is in that cell's source. */
  editing = $state(false);
  /** Cells of this document that were taken away, with their places: the last one comes back first. */
  removed = $state<{ cell: Cell; at: number }[]>([]);
  trouble = $state<Failure | null>(null);
  /** How many cells have ended while this window looked. */
  ended = $state(0);
  /** Outputs that are not here yet. */
  readonly references: References;
  #live: Live;
  #pending: Told[] = [];
  #pending_bytes = 0;
  #frame = 0;
  /** Told of every change that a file would show. */
  #changed: () => void;
  /** Told of outputs that came here and were part of the notebook before. */
  #fetched: () => void;

  constructor(live: Live, changed: () => void, fetched: () => void = () => {}) {
    this.#live = live;
    this.#changed = changed;
    this.#fetched = fetched;
    this.references = new References(live);
    this.load([newCell()]);
    live.listen((event, at_ms) => this.#take(event, at_ms));
  }

  /** Other cells in place of these. Cells that run go on, unseen. */
  load(cells: Cell[]): void {
    this.removed = [];
    this.cells = cells.length > 0 ? cells : [newCell()];
    this.selected = this.cells[0]!.id;
    this.trouble = null;
  }

  /** The cell that runs. */
  get running(): Cell | undefined {
    return this.#known.find((cell) => cell.state.kind === "queued" && cell.state.began_ms !== null);
  }

  /** Of those that wait, the first: somebody else's run before it. */
  get #waiting(): Cell | undefined {
    return this.#known
      .filter((cell) => cell.state.kind === "queued")
      .toSorted((one, other) => queuedAt(one) - queuedAt(other))[0];
  }

  get busy(): boolean {
    return this.#known.some((cell) => cell.state.kind === "queued");
  }

  cell(id: string): Cell | undefined {
    return this.#known.find((cell) => cell.id === id);
  }

  /** Removed cells too: what they put out and how they end goes on with them. */
  get #known(): Cell[] {
    return [...this.cells, ...this.removed.map(({ cell }) => cell)];
  }

  /** Sends a code cell to the kernel; those of one batch run only as long as each completes. */
  async run(id: string, batch: string | null = null): Promise<void> {
    const cell = this.cell(id);
    if (cell?.kind !== "code" || cell.source.trim() === "") return;
    this.trouble = null;
    try {
      cell.tag = begun(cell);
      await this.#live.call("kernel_exec", { cell_id: id, run_id: cell.tag, code: cell.source, batch });
    } catch (thrown) {
      cell.state = { kind: "lost", failure: toFailure(thrown), begun: false };
    }
  }

  /** Hands all of them in, as one batch: they run on when this window closes. */
  async runAll(): Promise<void> {
    const batch = newCellId();
    for (const { id } of [...this.cells]) {
      await this.run(id, batch);
      if (this.cell(id)?.state.kind === "lost") return;
    }
  }

  /** Ends the run of one cell, or takes it out of the queue; with none here, whatever the kernel is at, whoever's it is. */
  async interrupt(cell = this.running ?? this.#waiting): Promise<void> {
    try {
      const execution_id = cell ? await this.#execution(cell) : null;
      // Over meanwhile: what the kernel is at now is somebody else's.
      if (cell && execution_id === null) return;
      await this.#live.call("kernel_interrupt", { execution_id });
    } catch (thrown) {
      const failure = toFailure(thrown);
      // The kernel was done with it and has forgotten it: its end is on the way.
      if (cell && failure.code === "not_found") return;
      this.trouble = failure;
    }
  }

  /** The kernel's id of a cell's run, where it is not over. The kernel is asked only if it hasn't told it. */
  async #execution(cell: Cell): Promise<string | null> {
    if (cell.state.kind === "queued" && cell.state.execution_id !== null) return cell.state.execution_id;
    if (cell.asks) return cell.asks.execution_id;
    const { cells } = await this.#live.call("kernel_cells", {});
    const pending = cells.filter((known) => known.pending);
    return runOf(cell, pending)?.execution_id ?? null;
  }

  /** Answers the `input()` of a cell; question and answer stay in its output, but for a password. */
  async answer(id: string, value: string): Promise<void> {
    const cell = this.cell(id);
    if (!cell?.asks) return;
    const { execution_id, prompt } = cell.asks;
    cell.asks = null;
    this.#flush();
    if (!prompt.password) {
      takeOutput(cell.outputs, { output_type: "stream", name: "stdout", text: `${prompt.prompt}${value}\n` });
      this.changed();
    }
    try {
      await this.#live.call("kernel_input", { execution_id, value });
    } catch (thrown) {
      this.trouble = toFailure(thrown);
    }
  }

  /** A new process for the kernel; false where that failed. */
  async restart(): Promise<boolean> {
    try {
      await this.#live.call("kernel_restart", {});
      this.#forgetCounts();
      return true;
    } catch (thrown) {
      this.trouble = toFailure(thrown);
      return false;
    }
  }

  /** The counts are of a namespace that is gone. */
  #forgetCounts(): void {
    for (const cell of this.#known) cell.execution_count = null;
  }

  /** Cells that this window, or one before it, handed in, and that the kernel is not done with. */
  get pending(): string[] {
    return this.cells.filter((cell) => cell.state.kind === "queued").map((cell) => cell.id);
  }

  /** Takes up cells that were handed in before this window opened: their outputs from the beginning. */
  async takeUp(ids: string[]): Promise<void> {
    if (ids.length === 0) return;
    try {
      const { cells } = await this.#live.call("kernel_cells", {});
      for (const id of ids) {
        const cell = this.cell(id);
        const known = cell && runOf(cell, cells);
        if (known) await this.#live.call("kernel_follow", { cell_id: id, run_id: begun(cell), execution_id: known.execution_id });
      }
    } catch {
      // No machine, no kernel: the cells are as the draft has them.
    }
  }

  /** Brings an output here that lies in the machine. */
  async fetch(cell: Cell, reference: ReferenceOutput): Promise<void> {
    if (await this.references.fetch(cell, reference)) this.#fetched();
  }

  /** Brings all outputs here that lie in the machine; answers those that are still not here, by cell. */
  async fetchAll(): Promise<ReferenceOutput[][]> {
    await this.references.fetchAll(this.cells);
    return this.cells.map(({ outputs }) => outputs.filter(isReference)).filter((missing) => missing.length > 0);
  }

  /** Adds a cell beside another and selects it. */
  add(beside: string, side: "above" | "below", kind: Cell["kind"] = "code"): Cell {
    const at = this.cells.findIndex((cell) => cell.id === beside);
    this.cells.splice(at < 0 ? this.cells.length : side === "above" ? at : at + 1, 0, newCell(kind));
    const added = this.cells[at < 0 ? this.cells.length - 1 : side === "above" ? at : at + 1]!;
    this.selected = added.id;
    this.changed();
    return added;
  }

  /** Puts a cell beside another and selects it. */
  insert(cell: Cell, beside: string, side: "above" | "below"): void {
    const { id } = this.add(beside, side);
    this.cells = this.cells.map((one) => (one.id === id ? cell : one));
    this.selected = cell.id;
  }

  /** Takes a cell away; the last one is replaced by an empty one. */
  remove(id: string): void {
    const at = this.cells.findIndex((cell) => cell.id === id);
    if (at < 0) return;
    const [cell] = this.cells.splice(at, 1);
    this.removed.push({ cell: cell!, at });
    if (this.cells.length === 0) this.cells.push(newCell());
    this.selected = this.cells[Math.min(at, this.cells.length - 1)]!.id;
    this.changed();
  }

  /** Puts the cell back that was removed last. */
  restore(): void {
    const last = this.removed.pop();
    if (!last) return;
    const { cell, at } = last;
    // No id twice, whatever came in the meantime.
    if (this.cells.some(({ id }) => id === cell.id)) cell.id = newCellId();
    this.cells.splice(at, 0, cell);
    this.selected = cell.id;
    this.changed();
  }

  move(id: string, by: -1 | 1): void {
    const at = this.cells.findIndex((cell) => cell.id === id);
    const to = at + by;
    if (at < 0 || to < 0 || to >= this.cells.length) return;
    const [cell] = this.cells.splice(at, 1);
    this.cells.splice(to, 0, cell!);
    this.changed();
  }

  /** Selects the neighbour, where there is one. */
  step(by: -1 | 1): void {
    const at = this.cells.findIndex((cell) => cell.id === this.selected);
    this.selected = this.cells[at + by]?.id ?? this.selected;
  }

  clear(): void {
    for (const cell of this.cells) {
      cell.outputs = [];
      cell.execution_count = null;
      if (cell.state.kind !== "queued") cell.state = { kind: "idle" };
    }
    this.changed();
  }

  changed(): void {
    this.#changed();
  }

  /** The cell that an event is about, where it is of the cell's last run. */
  #of({ cell_id, run_id }: { cell_id: string; run_id: string }): Cell | undefined {
    const cell = this.cell(cell_id);
    return cell?.run === run_id ? cell : undefined;
  }

  #take(event: Event, at_ms: number): void {
    switch (event.kind) {
      case "cell_queued": {
        const cell = this.#of(event);
        if (!cell) return;
        cell.outputs = [];
        cell.execution_count = null;
        cell.state = { kind: "queued", at_ms, execution_id: event.execution_id ?? null, began_ms: null };
        cell.asks = null;
        this.changed();
        return;
      }
      case "cell_accepted": {
        const cell = this.#of(event);
        if (cell?.state.kind === "queued") cell.state.execution_id = event.execution_id;
        return;
      }
      case "cell_started": {
        const cell = this.#of(event);
        if (cell?.state.kind !== "queued") return;
        cell.state.execution_id ??= event.execution_id ?? null;
        cell.state.began_ms = at_ms - event.ran_ms;
        return;
      }
      case "cell_input": {
        this.#flush();
        const cell = this.#of(event);
        if (cell) cell.asks = event.prompt && { execution_id: event.execution_id, prompt: event.prompt };
        return;
      }
      case "cell_cleared": {
        this.#flush();
        const cell = this.#of(event);
        if (cell) cell.outputs = [];
        return;
      }
      case "cell_output": {
        if (!this.#of(event)) return;
        const output = taken(event.output);
        this.#pending.push({ of: event, output });
        // A flood of outputs becomes one change a frame. A window that nobody sees has no frames.
        this.#frame ||= requestAnimationFrame(() => this.#flush());
        this.#pending_bytes += PENDING_BYTES + bytesOf(output);
        if (this.#pending_bytes > MOST_PENDING_BYTES) this.#flush();
        return;
      }
      case "cell_ended": {
        this.#flush();
        // Whoever ran it: the namespace may have changed.
        this.ended += 1;
        const cell = this.#of(event);
        if (!cell) return;
        const begun = cell.state.kind === "queued" && cell.state.began_ms !== null;
        cell.asks = null;
        if (event.answer?.error?.type === "Cancelled") {
          cell.state = { kind: "skipped" };
        } else if (event.answer) {
          const { status, timing_ms, execution_count, error } = event.answer;
          cell.execution_count = execution_count;
          if (status === "died") this.#forgetCounts();
          cell.state = { kind: "ended", status: error?.type === "KernelRestarted" ? "restarted" : status, timing_ms };
        } else if (event.failure) {
          cell.state = { kind: "lost", failure: event.failure, begun };
        }
        this.changed();
      }
    }
  }

  #flush(): void {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    const pending = this.#pending;
    this.#pending = [];
    this.#pending_bytes = 0;
    for (const { of, output } of joinText(pending)) {
      const cell = this.#of(of);
      if (cell) takeOutput(cell.outputs, output);
    }
  }
}

/** A new run of a cell; its id. */
function begun(cell: Cell): string {
  cell.run = newCellId();
  return cell.run;
}

/** The run of a cell that was handed in last, among those that the kernel knows. A machine of an earlier version names no runs: it is the cell's last one then. */
function runOf(cell: Cell, known: KernelCell[]): KernelCell | undefined {
  const own = known.filter(({ cell_id }) => cell_id === cell.id);
  const named = own.some(({ run_id }) => typeof run_id === "string");
  return named && cell.tag !== null ? own.findLast(({ run_id }) => run_id === cell.tag) : own.at(-1);
}

/** An output that waits for the next frame, and the run that it is of. */
interface Told {
  of: { cell_id: string; run_id: string };
  output: Output;
}

/** Runs of text for one stream as one output: a thousand small prints change the page once. */
function joinText(told: Told[]): Told[] {
  const out: (Told & { parts: string[] })[] = [];
  for (const { of, output } of told) {
    const last = out.at(-1);
    if (
      output.output_type === "stream" &&
      last?.of.cell_id === of.cell_id &&
      last.of.run_id === of.run_id &&
      last.output.output_type === "stream" &&
      last.output.name === output.name
    ) {
      last.parts.push(joined(output.text));
    } else {
      out.push({ of, output, parts: output.output_type === "stream" ? [joined(output.text)] : [] });
    }
  }
  return out.map(({ of, output, parts }) => ({
    of,
    output: output.output_type === "stream" ? { ...output, text: parts.join("") } : output,
  }));
}

function queuedAt(cell: Cell): number {
  return cell.state.kind === "queued" ? cell.state.at_ms : 0;
}
