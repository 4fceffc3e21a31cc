import { expect, test } from "vitest";

import { FakeLive } from "./fakeLive";
import { Notebook, newCell } from "./notebook.svelte";

const cells = (...ids: string[]) => ids.map((id) => ({ ...newCell("code", id), id }));

function opened() {
  const fake = new FakeLive();
  const notebook = new Notebook(fake.live, () => {});
  notebook.load(cells("a", "b", "c", "d"));
  const ids = () => notebook.cells.map((cell) => cell.id);
  return { fake, notebook, ids };
}

test("all that was removed comes back, in its place", () => {
  const { notebook, ids } = opened();
  for (const id of ["b", "c", "a"]) notebook.remove(id);
  expect(ids()).toEqual(["d"]);
  for (let n = 0; n < 4; n++) notebook.restore();
  expect(ids()).toEqual(["a", "b", "c", "d"]);
  expect(notebook.selected).toBe("b");
});

test("what was removed from one document never comes into another, nor twice into its own", () => {
  const { notebook, ids } = opened();
  notebook.remove("a");
  notebook.load(cells("a", "x"));
  notebook.restore();
  expect(ids()).toEqual(["a", "x"]);
});

test("no id is there twice", () => {
  const { notebook, ids } = opened();
  notebook.remove("a");
  notebook.cells.push(...cells("a"));
  notebook.restore();
  expect(new Set(ids()).size).toBe(5);
  expect(notebook.cells[0]!.source).toBe("a");
});

test("a removed cell that runs hears of its outputs and its end", () => {
  const { fake, notebook } = opened();
  void notebook.run("a");
  notebook.remove("a");
  expect(notebook.busy).toBe(true);
  fake.says("a", "done\n");
  fake.end("a");
  notebook.restore();
  expect(notebook.busy).toBe(false);
  expect(notebook.cells[0]).toMatchObject({ id: "a", state: { kind: "ended", status: "completed" }, outputs: [{ text: "done\n" }] });
});
