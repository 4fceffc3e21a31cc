import { expect, test } from "vitest";

import { NotANotebook, newCellId, readNotebook, takeOutput, type Output } from "./nbformat";

const text = (name: string, text: string): Output => ({ output_type: "stream", name, text });

test("text of one stream grows, another stream begins anew", () => {
  const outputs: Output[] = [];
  takeOutput(outputs, text("stdout", "a"));
  takeOutput(outputs, text("stdout", "b"));
  takeOutput(outputs, text("stderr", "!"));
  takeOutput(outputs, text("stdout", "c"));
  expect(outputs).toEqual([text("stdout", "ab"), text("stderr", "!"), text("stdout", "c")]);
});

test("an update replaces the display of its id and nothing else", () => {
  const display = (id: string, words: string): Output => ({
    output_type: "display_data",
    data: { "text/plain": words },
    metadata: {},
    transient: { display_id: id },
  });
  const outputs = [display("one", "1"), display("two", "2")];
  takeOutput(outputs, { output_type: "update_display_data", data: { "text/plain": "new" }, transient: { display_id: "one" } });
  expect(outputs).toEqual([display("one", "new"), display("two", "2")]);
});

test.each([
  ["", /not JSON/],
  ["[]", /no list of cells/],
  ['{"cells": {}}', /no list of cells/],
  ['{"cells": [], "nbformat": 3}', /nbformat 3/],
  ['{"cells": [{"cell_type": "poem"}], "nbformat": 4}', /unknown type poem/],
])("%j is refused with the reason", (file, reason) => {
  expect(() => readNotebook(file)).toThrow(NotANotebook);
  expect(() => readNotebook(file)).toThrow(reason);
});

test("ids are what nbformat allows", () => {
  expect(newCellId()).toMatch(/^[0-9a-f]{12}$/);
});
