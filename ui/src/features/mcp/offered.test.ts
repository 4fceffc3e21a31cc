import { expect, test } from "vitest";

import { readAll, readPages, readPrompt, readResource, readTool } from "./offered";

test("what has another shape is left out", () => {
  const given = [null, 3, "tool", [], {}, { name: 3 }, { name: "" }, { name: "x".repeat(5000) }, { name: "a", title: {}, description: null, inputSchema: null, annotations: "no" }, { name: "a", description: "again" }];
  expect(readAll(given, readTool, ({ name }) => name)).toEqual([{ name: "a", inputSchema: {}, readOnly: false, destructive: false }]);
  expect(readTool({ name: "b", title: "B", annotations: { title: "no", readOnlyHint: true } })).toMatchObject({ title: "B", readOnly: true });
  expect(readResource({ uri: 3 }, false)).toBeNull();
  expect(readResource({ uriTemplate: "x://{a}", name: null }, true)).toEqual({ name: "x://{a}", uri: "x://{a}", template: true });
  expect(readPrompt({ name: "p", arguments: [null, { name: "q", required: "yes" }, 3] })).toEqual({ name: "p", arguments: [{ name: "q", required: false }] });
});

/** Pages of a server; how often it was asked. */
async function pages(answer: (asked: number) => unknown) {
  let asked = 0;
  const { entries, cut } = await readPages("tools", async () => answer(asked++));
  return { asked, entries: entries.length, cut };
}

test("pages are read to their end, if they have one", async () => {
  expect(await pages((at) => (at < 2 ? { tools: [1, 2], nextCursor: String(at) } : { tools: [3] }))).toEqual({ asked: 3, entries: 5, cut: false });
  expect(await pages(() => ({ tools: [1], nextCursor: "same" }))).toEqual({ asked: 2, entries: 2, cut: true });
  expect(await pages((at) => ({ tools: [], nextCursor: String(at) }))).toEqual({ asked: 3, entries: 0, cut: true });
  expect(await pages((at) => ({ tools: [at], nextCursor: String(at) }))).toEqual({ asked: 50, entries: 50, cut: true });
  expect(await pages((at) => ({ tools: Array(1500).fill(0), nextCursor: String(at) }))).toEqual({ asked: 2, entries: 2000, cut: true });
  expect(await pages(() => ({ tools: Array(300_000).fill(0) }))).toEqual({ asked: 1, entries: 2000, cut: true });
  expect(await pages((at) => ({ tools: [{ name: `${at}`, description: "x".repeat(5 << 20) }], nextCursor: String(at) }))).toEqual({ asked: 7, entries: 6, cut: true });
  for (const odd of [null, 3, [], { tools: null }, { tools: {}, nextCursor: 3 }, { nextCursor: null }]) expect(await pages(() => odd)).toEqual({ asked: 1, entries: 0, cut: false });
});
