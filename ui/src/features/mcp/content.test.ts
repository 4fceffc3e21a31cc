import { expect, test } from "vitest";

import { jsonIn, readBlock, readMessages, readParts, source, spoken } from "./content";

test("an answer is read by its types, whatever its shape", () => {
  const odd = [null, 3, "text", [], {}, { type: "text" }, { type: "text", text: { a: 1 } }, { type: "image", data: 3 }, { type: "resource", resource: null }, { type: "resource", resource: { uri: 3 } }, { type: "resource_link" }, { type: { type: "text" } }];
  expect(readParts({ content: odd }).every(({ block }) => block.kind === "other")).toBe(true);
  expect(readParts({ contents: [null, 3, {}] }).every(({ block }) => block.kind === "other")).toBe(true);
  for (const result of [undefined, null, 3, "x", [], {}, { content: null }, { content: {} }, { content: "x" }, { messages: {} }]) expect(readParts(result)).toEqual([]);
  expect(readParts({ messages: [null, { role: 3, content: null }, { role: "user", content: { type: "text", text: "hi" } }] })).toMatchObject([
    { from: "?", block: { kind: "other" } },
    { from: "?", block: { kind: "other" } },
    { from: "user", block: { kind: "text", text: "hi" } },
  ]);
  expect(readBlock({ type: "text", text: "x" })).toEqual({ kind: "text", text: "x" });
});

test("what a model is asked is read, also without content", () => {
  expect(readMessages(null)).toEqual([]);
  const [first, second] = readMessages([{ role: "user", content: null }, { role: "user", content: [{ type: "text", text: "a" }, { type: "image", data: "", mimeType: "image/png" }] }]);
  expect(spoken(first!.blocks)).toBe("(no content)");
  expect(spoken(second!.blocks)).toBe("a\n(image/png)");
});

test("only pictures and sounds become addresses", () => {
  expect(source("image/png", "AAAA")).toEqual({ kind: "image", address: "data:image/png;base64,AAAA" });
  for (const mime of ["text/html", "image/png;charset=x,<script>", "image/", "", "IMAGE"]) expect(source(mime, "")).toBeNull();
  expect([jsonIn('{"a": 1}'), jsonIn("{"), jsonIn("3"), jsonIn(`[${"1,".repeat(1_500_000)}1]`)]).toEqual([{ a: 1 }, undefined, undefined, undefined]);
});
