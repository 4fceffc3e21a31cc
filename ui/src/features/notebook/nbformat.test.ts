import { expect, test } from "vitest";

import { newCellId, putTogether, takeApart, type FileCell, type NotebookFile, type Output } from "../../shared/outputs/nbformat";
import { fromFile, givenIds, toFile } from "./notebook.svelte";
import { show } from "../../shared/outputs/shown";

test("a file comes back as it was, whatever it holds", () => {
  const file: NotebookFile = {
    nbformat: 4,
    nbformat_minor: 5,
    metadata: { kernelspec: { name: "python3" }, vendor: [1] },
    extra: true,
    cells: [
      { cell_type: "markdown", id: "a", source: ["# Title\n", "words"], metadata: {}, attachments: { "x.png": {} } },
      {
        cell_type: "code",
        id: "b",
        source: [],
        metadata: { tags: ["t"] },
        execution_count: 2,
        outputs: [
          { output_type: "stream", name: "stdout", text: ["one\n", "two"] },
          { output_type: "execute_result", execution_count: 2, data: { "text/plain": ["1"], "image/png": "AAAA" }, metadata: {} },
          { output_type: "error", ename: "E", evalue: "", traceback: ["x"] },
        ],
      },
    ],
  };
  const { head, cells } = takeApart(structuredClone(file));
  expect(putTogether(head, cells)).toEqual(file);
});

test("an older file keeps its version and gets no ids, what is true only while it runs is left out", () => {
  const cell = (id?: string): FileCell => ({ cell_type: "code", source: "1", metadata: {}, ...(id === undefined ? {} : { id }) });
  for (const nbformat_minor of [2, 5]) {
    const { head, cells } = takeApart({ nbformat: 4, nbformat_minor, metadata: {}, cells: [cell(), cell("x"), cell("x")] });
    expect(cells.map((cell) => cell.id)).toEqual([undefined, "x", undefined]);
    const working = cells.map(fromFile);
    expect(new Set(working.map((cell) => cell.id)).size).toBe(3);
    const written = working.map(toFile);
    written[0]!.outputs = [{ output_type: "display_data", data: { "text/html": "<b>\n</b>" }, transient: { display_id: "d" } }];
    const file = putTogether(head, written, new Set(givenIds(working)));
    expect(file.nbformat_minor).toBe(nbformat_minor);
    expect(file.cells.map(({ id }) => id !== undefined)).toEqual([nbformat_minor === 5, true, nbformat_minor === 5]);
    expect(file.cells[0]!.outputs).toEqual([{ output_type: "display_data", data: { "text/html": ["<b>\n", "</b>"] }, metadata: {} }]);
  }
});

test("a Markdown cell keeps fields that don't belong there", () => {
  const cell = { cell_type: "markdown", source: ["a"], metadata: {}, outputs: [{ output_type: "stream", name: "stdout", text: "x" }], execution_count: 3, later: 1 } as FileCell;
  const { head, cells } = takeApart({ nbformat: 4, nbformat_minor: 4, metadata: {}, cells: [structuredClone(cell)] });
  const working = cells.map(fromFile);
  expect(putTogether(head, working.map(toFile), new Set(givenIds(working))).cells).toEqual([cell]);
});

test("ids are what nbformat allows", () => {
  expect(newCellId()).toMatch(/^[0-9a-f]{12}$/);
});

test("what this format does not have is shown as a line, and goes back to the file as it was", () => {
  const foreign = [
    { output_type: "display_data", metadata: {} },
    { output_type: "execute_result", data: null },
    { output_type: "vendor/thing", payload: [1] },
    { output_type: "error", ename: "E", evalue: "no lines" },
    { output_type: "stream", name: "stdout", text: [] },
    {},
  ] as unknown as Output[];
  const cell: FileCell = { cell_type: "code", id: "a", source: [], metadata: {}, outputs: foreign };
  const file = { nbformat: 4, metadata: {}, cells: [cell] } as NotebookFile;
  const { head, cells } = takeApart(structuredClone(file));
  expect(putTogether(head, cells)).toEqual(file);
  expect(foreign.map((output) => show(output).kind)).toEqual(["unknown", "unknown", "unknown", "text", "text", "unknown"]);
});
