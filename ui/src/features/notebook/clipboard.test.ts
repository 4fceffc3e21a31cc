import { expect, test } from "vitest";

import { copy, pasted } from "./clipboard";
import { FakeLive } from "./fakeLive";
import { Notebook, type Cell } from "./notebook.svelte";

test("a copy is a cell of its own, and what became of the first is none of it", () => {
  expect(pasted()).toBeNull();
  const cell: Cell = { ...new Notebook(new FakeLive().live, () => {}).cells[0]!, source: "a", rest: { metadata: { tags: ["t"] } } };
  copy(cell);
  cell.source = "b";
  (cell.rest.metadata as { tags: string[] }).tags.push("later");
  const [one, two] = [pasted()!, pasted()!];
  expect([one.source, one.rest]).toEqual(["a", { metadata: { tags: ["t"] } }]);
  expect(new Set([one.id, two.id, cell.id]).size).toBe(3);
  expect([one.given, one.state]).toEqual([true, { kind: "idle" }]);
});
