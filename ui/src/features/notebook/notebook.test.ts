import { expect, test } from "vitest";

import { bytesOf } from "../../shared/untrusted";
import { FakeLive } from "./fakeLive";
import { Notebook, newCell } from "./notebook.svelte";

function opened() {
  const fake = new FakeLive();
  const notebook = new Notebook(fake.live, () => {});
  notebook.load(["a", "b", "c"].map((id) => ({ ...newCell("code", id), id })));
  const states = () => notebook.cells.map(({ state }) => (state.kind === "ended" ? state.status : state.kind));
  const text = () => notebook.cells[0]!.outputs.map((output) => ("text" in output ? output.text : null));
  return { fake, notebook, states, text };
}

test("a cell shows its last run alone", async () => {
  const { fake, notebook, states, text } = opened();
  await notebook.run("a");
  const first = fake.runs.get("a")!;
  fake.says("a", "first");
  await notebook.run("a");
  fake.says("a", "late", first);
  fake.end("a", "completed", first);
  expect(states()[0]).toBe("queued");
  fake.says("a", "second");
  fake.end("a");
  expect(text()).toEqual(["second"]);
  expect(states()[0]).toBe("completed");
});

test("what was told before the window opened changes no cell", () => {
  const { fake, states, text } = opened();
  for (const run_id of ["of-another", ""]) {
    fake.tell({ kind: "cell_queued", cell_id: "a", run_id });
    fake.says("a", "another notebook's", run_id);
    fake.end("a", "completed", run_id);
  }
  expect(text()).toEqual([]);
  expect(states()[0]).toBe("idle");
});

test("a cell that is taken up shows its outputs once", async () => {
  const { fake, notebook, text } = opened();
  fake.known = [{ cell_id: "a", execution_id: "x", pending: true }];
  await notebook.takeUp(["a"]);
  expect(fake.asked).toEqual(["kernel_cells", "kernel_follow a"]);
  fake.says("a", "0", "before");
  fake.says("a", "0");
  fake.end("a");
  expect(text()).toEqual(["0"]);
});

test("after the app began anew a cell is taken up by the run that was handed in, and never by another", async () => {
  const { fake, notebook, text } = opened();
  await notebook.run("a");
  const tag = fake.runs.get("a")!;
  const run = (execution_id: string, run_id: string | null) => ({ cell_id: "a", run_id, execution_id, pending: true });
  fake.known = [run("1", tag), run("2", "another window's"), run("3", null)];
  await notebook.takeUp(["a"]);
  expect(fake.followed).toEqual(["1"]);
  expect(fake.runs.get("a")).not.toBe(tag);
  fake.says("a", "0", tag);
  fake.says("a", "1");
  fake.end("a");
  expect(text()).toEqual(["1"]);
  // The same run again, which the machine knows by its first name.
  await notebook.takeUp(["a"]);
  expect(fake.followed).toEqual(["1", "1"]);
  fake.known = fake.known.slice(1);
  await notebook.takeUp(["a"]);
  expect(fake.followed).toEqual(["1", "1"]);
});

test("an output that lies in the machine is fetched once, and only to the run that it is of", async () => {
  const { fake, notebook } = opened();
  const picture = { output_type: "display_data" as const, data: { "image/png": "AAAA" }, metadata: {} };
  const reference = { output_type: "reference" as const, execution_id: "e", seq: 4, of: "display_data" as const, display_id: null, size_bytes: 1e6, mime_types: ["image/png"], head: "" };
  fake.outputs.set("e 4", picture);
  await notebook.run("a");
  const put = () => fake.tell({ kind: "cell_output", cell_id: "a", run_id: fake.runs.get("a")!, output: reference });
  put();
  fake.end("a");
  const cell = notebook.cells[0]!;
  expect(cell.outputs).toEqual([reference]);
  await Promise.all([notebook.fetch(cell, reference), notebook.fetch(cell, reference), notebook.fetchAll()]);
  expect(fake.asked.filter((what) => what === "kernel_output")).toHaveLength(1);
  expect(cell.outputs).toEqual([picture]);

  await notebook.run("a");
  put();
  fake.end("a");
  const fetching = notebook.fetch(cell, reference);
  await notebook.run("a");
  await fetching;
  expect(cell.outputs).toEqual([]);
});

test("what the machine no longer has is said, and asked for again", async () => {
  const { fake, notebook } = opened();
  const reference = { output_type: "reference" as const, execution_id: "e", seq: 4, of: null, display_id: null, size_bytes: 1e6, mime_types: [], head: "" };
  const cell = notebook.cells[0]!;
  cell.outputs = [reference];
  await notebook.fetch(cell, reference);
  expect(notebook.references.failure(reference)?.code).toBe("not_found");
  expect(cell.outputs).toEqual([reference]);
  expect(await notebook.fetchAll()).toEqual([[reference]]);
  fake.outputs.set("e 4", { output_type: "error", ename: "E", evalue: "", traceback: [] });
  expect(await notebook.fetchAll()).toEqual([]);
  expect(notebook.references.failure(reference)).toBeUndefined();
});

test("a flood reaches the cell also while no frame is drawn, and is bounded there", async () => {
  const { fake, notebook } = opened();
  await notebook.run("a");
  const line = `${"x".repeat(1 << 16)}\n`;
  for (let at = 0; at < 320; at++) fake.says("a", line);
  const { outputs } = notebook.cells[0]!;
  expect(bytesOf(outputs)).toBeGreaterThan(8 << 20);
  expect(bytesOf(outputs)).toBeLessThan(15 << 20);
  expect(outputs.some((output) => "text" in output && String(output.text).includes("[output truncated: "))).toBe(true);
});

test("a question that is over is asked no more", async () => {
  const { fake, notebook } = opened();
  await notebook.run("a");
  const input = (prompt: { prompt: string; password: boolean } | null) =>
    fake.tell({ kind: "cell_input", cell_id: "a", run_id: fake.runs.get("a")!, execution_id: "x", prompt });
  input({ prompt: "name? ", password: false });
  expect(notebook.cells[0]!.asks?.prompt.prompt).toBe("name? ");
  input(null);
  expect(notebook.cells[0]!.asks).toBeNull();
});

test("an answer stays in the output, in its place, and a password does not", async () => {
  const { fake, notebook, text } = opened();
  await notebook.run("a");
  const asks = (password: boolean) =>
    fake.tell({ kind: "cell_input", cell_id: "a", run_id: fake.runs.get("a")!, execution_id: "x", prompt: { prompt: "? ", password } });
  fake.says("a", "before\n");
  asks(false);
  await notebook.answer("a", "ada");
  asks(true);
  await notebook.answer("a", "secret");
  fake.says("a", "after");
  fake.end("a");
  expect(text()).toEqual(["before\n? ada\nafter"]);
});

test("all cells are handed in at once, as one batch, and a cell alone in none", async () => {
  const { fake, notebook, states } = opened();
  await notebook.runAll();
  expect(fake.asked).toEqual(["kernel_exec a", "kernel_exec b", "kernel_exec c"]);
  expect(new Set(fake.batches).size).toBe(1);
  expect(fake.batches[0]).toBeTruthy();
  // The kernel takes out what waits behind one that fails.
  fake.end("a", "failed");
  const cancelled = { type: "Cancelled", message: "" };
  fake.end("b", "interrupted", undefined, cancelled);
  fake.end("c", "interrupted", undefined, cancelled);
  expect(states()).toEqual(["failed", "skipped", "skipped"]);
  await notebook.run("b");
  expect(fake.batches.at(-1)).toBeNull();
});

test("nothing is handed in behind a cell that was refused", async () => {
  const { fake, notebook, states } = opened();
  fake.refused.add("kernel_exec");
  await notebook.runAll();
  expect(states()).toEqual(["lost", "idle", "idle"]);
});

test("an interrupt ends this notebook's run alone, and whatever runs where it has none", async () => {
  const { fake, notebook } = opened();
  await notebook.interrupt();
  expect(fake.interrupted).toEqual([null]);
  await notebook.run("a");
  await notebook.run("b");
  fake.known = [
    { cell_id: "another's", execution_id: "0", pending: true },
    { cell_id: "a", execution_id: "1", pending: false },
    { cell_id: "a", execution_id: "2", pending: true },
    { cell_id: "b", execution_id: "3", pending: true },
  ];
  await notebook.interrupt();
  await notebook.interrupt(notebook.cell("b"));
  expect(fake.interrupted).toEqual([null, "2", "3"]);
  // Over in the kernel, and its end not heard of yet.
  fake.known = fake.known.slice(0, 2);
  await notebook.interrupt();
  expect(fake.interrupted).toHaveLength(3);
});

test("an interrupt of a cell that the kernel has accepted asks for no list of cells", async () => {
  const { fake, notebook } = opened();
  await notebook.run("a");
  fake.tell({ kind: "cell_accepted", cell_id: "a", run_id: "an-earlier-run", execution_id: "0" });
  fake.tell({ kind: "cell_accepted", cell_id: "a", run_id: fake.runs.get("a")!, execution_id: "1" });
  await notebook.interrupt();
  await notebook.run("b");
  fake.tell({ kind: "cell_started", cell_id: "b", run_id: fake.runs.get("b")!, execution_id: "2", ran_ms: 0 });
  await notebook.interrupt(notebook.cell("b"));
  fake.tell({ kind: "cell_queued", cell_id: "c", run_id: "", execution_id: "3" });
  expect(fake.interrupted).toEqual(["1", "2"]);
  expect(fake.asked).not.toContain("kernel_cells");
  // Another run of the same cell has another id.
  await notebook.run("a");
  fake.known = [{ cell_id: "a", execution_id: "4", pending: true }];
  await notebook.interrupt(notebook.cell("a"));
  expect(fake.interrupted.at(-1)).toBe("4");
});

test("a cell that the kernel has forgotten by now is interrupted without a complaint", async () => {
  const { fake, notebook } = opened();
  await notebook.run("a");
  fake.tell({ kind: "cell_accepted", cell_id: "a", run_id: fake.runs.get("a")!, execution_id: "1" });
  fake.unknown = true;
  await notebook.interrupt();
  expect(notebook.trouble).toBeNull();
});

test("a kernel that dies takes the counts with it, and a restart that was asked for is no death", async () => {
  const { fake, notebook, states } = opened();
  const counts = () => notebook.cells.map((cell) => cell.execution_count);
  await notebook.run("a");
  fake.end("a");
  expect(counts()).toEqual([1, null, null]);
  await notebook.run("b");
  fake.end("b", "died");
  expect(states()).toEqual(["completed", "died", "idle"]);
  expect(counts()[0]).toBeNull();
  await notebook.run("c");
  fake.end("c", "died", undefined, { type: "KernelRestarted", message: "the kernel was restarted" });
  expect(states()[2]).toBe("restarted");
});

test("a cell whose end is not heard of was cut off where it had begun", async () => {
  const { fake, notebook } = opened();
  const failure = { code: "not_running" as const, message: "gone", cause: null, next: { kind: "check_machine" as const }, detail: null };
  await notebook.run("a");
  await notebook.run("b");
  await notebook.run("c");
  fake.end("a");
  for (const cell_id of ["b", "c"]) fake.tell({ kind: "cell_ended", cell_id, run_id: fake.runs.get(cell_id)!, answer: null, failure });
  expect(notebook.cells.map(({ state }) => state.kind === "lost" && state.begun)).toEqual([false, true, false]);
});

test("a cell runs from when the kernel is at it, also where it was before this window", async () => {
  const { fake, notebook } = opened();
  await notebook.run("a");
  await notebook.run("b");
  expect(notebook.running?.id).toBe("a");
  fake.end("a");
  expect(notebook.running?.id).toBe("b");
  fake.tell({ kind: "cell_queued", cell_id: "b", run_id: fake.runs.get("b")! });
  // Another client's cell is before it: the toolbar's Interrupt takes this one out of the queue.
  expect(notebook.running).toBeUndefined();
  fake.known = [{ cell_id: "b", execution_id: "x", pending: true }];
  await notebook.interrupt();
  expect(fake.interrupted).toEqual(["x"]);
  fake.tell({ kind: "cell_started", cell_id: "b", run_id: fake.runs.get("b")!, ran_ms: 60_000 });
  const { state } = notebook.cells[1]!;
  expect(state.kind === "queued" && state.at_ms - state.began_ms!).toBe(59_999);
});

test("an output of any shape leaves the others, and what is nested too deeply can be saved", async () => {
  const { fake, notebook } = opened();
  await notebook.run("a");
  const deep = JSON.parse("[".repeat(50_000) + "]".repeat(50_000)) as never;
  const run_id = fake.runs.get("a")!;
  for (const output of [null, 3, { output_type: "display_data", data: { "application/json": deep } }]) fake.tell({ kind: "cell_output", cell_id: "a", run_id, output: output as never });
  fake.says("a", "after");
  fake.end("a");
  expect(notebook.cells[0]!.outputs).toMatchObject([...Array.from({ length: 3 }, () => ({ output_type: "unreadable" })), { text: "after" }]);
  expect(() => JSON.stringify(notebook.cells)).not.toThrow();
});
