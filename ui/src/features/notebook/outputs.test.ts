import { expect, test } from "vitest";

import { bytesOf } from "../../shared/untrusted";
import { joined, kept, taken, type Output, type ReferenceOutput } from "../../shared/outputs/nbformat";
import { putFetched, takeOutput } from "./outputs";
import { show } from "../../shared/outputs/shown";

const text = (name: string, text: string): Output => ({ output_type: "stream", name, text });
const display = (id: string, words: string): Output => ({ output_type: "display_data", data: { "text/plain": words }, metadata: {}, transient: { display_id: id } });

test("text of one stream grows, another stream begins anew", () => {
  const outputs: Output[] = [];
  takeOutput(outputs, text("stdout", "a"));
  takeOutput(outputs, text("stdout", "b"));
  takeOutput(outputs, text("stderr", "!"));
  takeOutput(outputs, text("stdout", "c"));
  expect(outputs).toEqual([text("stdout", "ab"), text("stderr", "!"), text("stdout", "c")]);
});

test("an update replaces the display of its id and nothing else", () => {
  const outputs = [display("one", "1"), display("two", "2")];
  takeOutput(outputs, { output_type: "update_display_data", data: { "text/plain": "new" }, transient: { display_id: "one" } });
  expect(outputs).toEqual([display("one", "new"), display("two", "2")]);
});

const reference = (seq: number, of: ReferenceOutput["of"], display_id: string | null = null, size_bytes = 1 << 20): ReferenceOutput => ({
  output_type: "reference", execution_id: "e", seq, of, display_id, size_bytes, mime_types: ["image/png"], head: "<Figure>",
});

test("an update by reference takes the display's place, whole or not, and the other way round", () => {
  const outputs = [display("one", "1"), display("two", "2"), reference(3, "display_data", "one")];
  takeOutput(outputs, reference(7, "update_display_data", "one"));
  expect(outputs).toEqual([reference(7, "display_data", "one"), display("two", "2"), reference(7, "display_data", "one")]);
  // What was asked for before the update comes too late.
  expect(putFetched(outputs, reference(3, "display_data", "one"), display("one", "old"))).toBe(false);
  const update: Output = { output_type: "update_display_data", data: { "text/plain": "new" }, transient: { display_id: "one" } };
  expect(putFetched(outputs, reference(7, null), update)).toBe(true);
  expect(outputs).toEqual([display("one", "new"), display("two", "2"), display("one", "new")]);
  takeOutput(outputs, reference(9, "update_display_data", null));
  expect(outputs).toHaveLength(3);
});

test("what lies in the machine counts as if it were here", () => {
  const outputs: Output[] = [];
  for (let at = 0; at < 100; at++) takeOutput(outputs, reference(at, "display_data"));
  expect(outputs.length).toBeLessThan(20);
  expect(missing(outputs)).toHaveLength(1);
  expect(outputs[0]).toEqual(reference(0, "display_data"));
  expect(outputs.at(-1)).toEqual(reference(99, "display_data"));
  // Those that were fetched are counted as what they are.
  for (let at = 0; at < 100; at++) putFetched(outputs, reference(at, "display_data"), display("small", "x"));
  const before = outputs.length;
  for (let at = 100; at < 108; at++) takeOutput(outputs, reference(at, "display_data"));
  expect(outputs).toHaveLength(before + 8);
});

test("what can't be had or read has a few words in a file, and bounded ones on the page", () => {
  const long = "x".repeat(1_000_000);
  const unreadable: Output = { output_type: "unreadable", cause: long, size_bytes: 5e6, head: long };
  for (const output of [unreadable, { ...reference(1, "display_data"), head: long, mime_types: [long] }]) {
    const file = kept(output);
    expect(file).toMatchObject({ output_type: "display_data", metadata: {} });
    expect(bytesOf(file)).toBeLessThan(2000);
  }
  expect(JSON.stringify(kept(reference(1, "display_data")))).toMatch(/not saved: image\/png, 1.0 MB.*Figure/);
  expect(bytesOf(show(unreadable))).toBeLessThan(1000);
  for (const odd of [null, 3, { output_type: "reference" }, { output_type: "unreadable", cause: 3 }]) {
    expect(show(taken(odd as never)).kind).toBe("unknown");
  }
});

const KIB = 1 << 10;
const SMALL = { head_bytes: 64 * KIB, tail_bytes: 256 * KIB, slack_bytes: 64 * KIB };
const LIMIT = 384 * KIB;
const words = (output: Output | undefined) => joined(output?.output_type === "stream" ? output.text : "");
const missing = (outputs: Output[]) => outputs.map((output) => /^\n\[output truncated: (\d+ [KM]iB) omitted\]\n$/.exec(words(output))?.[1]).filter((found) => found !== undefined);

test("of a flood the beginning and the end are kept in whole lines, and how much is missing is said once", () => {
  const outputs: Output[] = [];
  let printed = 0;
  for (let at = 0; printed < 4096 * KIB; at++) {
    const lines = Array.from({ length: 100 }, (_, line) => `${at * 100 + line} ${"x".repeat(200)}\n`).join("");
    printed += lines.length;
    takeOutput(outputs, text("stdout", lines), SMALL);
    expect(bytesOf(outputs)).toBeLessThan(LIMIT + 64 * KIB);
  }
  takeOutput(outputs, text("stdout", "the end\n"), SMALL);
  expect(outputs).toHaveLength(3);
  const [head, note, tail] = outputs.map(words);
  expect(head).toMatch(/^0 x/);
  expect(head).toMatch(/x\n$/);
  expect(head!.length).toBeLessThan(SMALL.head_bytes + 4096);
  expect(tail).toMatch(/^\d+ x/);
  expect(tail).toMatch(/x\nthe end\n$/);
  expect(tail!.length).toBeGreaterThan(SMALL.tail_bytes - 4096);
  expect(missing(outputs)).toEqual([`${Math.ceil((printed + 8 - head!.length - tail!.length) / KIB / KIB)} MiB`]);
  expect(note).not.toBe("");
});

test("so is one of very many outputs, and of lines without an end", () => {
  const outputs: Output[] = [];
  for (let at = 0; at < 3000; at++) takeOutput(outputs, at % 2 === 0 ? text("stdout", `${at}`) : display(`${at}`, `${at}`), SMALL);
  expect(outputs.length).toBeLessThan(LIMIT / 500);
  expect(words(outputs[0])).toBe("0");
  expect(outputs.at(-1)).toEqual(display("2999", "2999"));
  expect(missing(outputs)).toHaveLength(1);

  const emoji: Output[] = [];
  for (let at = 0; at < 40; at++) takeOutput(emoji, text("stdout", `a${"🦎".repeat(16 * KIB)}`), SMALL);
  expect(missing(emoji)).toHaveLength(1);
  for (const output of emoji) expect(words(output)).not.toMatch(/\p{Cs}/u);
});

test("a large picture stays as long as it is the last", () => {
  const outputs: Output[] = [text("stdout", "before\n")];
  const picture: Output = { output_type: "display_data", data: { "image/png": "A".repeat(600 * KIB) }, metadata: {} };
  takeOutput(outputs, picture, SMALL);
  expect(outputs.at(-1)).toEqual(picture);
  expect(missing(outputs)).toEqual([]);
  takeOutput(outputs, text("stdout", "after\n"), SMALL);
  expect(words(outputs[0])).toBe("before\n");
  expect(missing(outputs)).toEqual(["601 KiB"]);
  expect(words(outputs.at(-1))).toBe("after\n");
});

test("what an output says of itself harms no other", () => {
  const outputs: Output[] = [];
  const forged = (at: number): Output => ({ output_type: "stream", name: "stderr", text: `${at}`, transient: { missing_bytes: at % 2 === 0 ? -1e9 : 7 } });
  for (let at = 0; at < 3000; at++) takeOutput(outputs, forged(at), SMALL);
  takeOutput(outputs, text("stdout", "z".repeat(600 * KIB)), SMALL);
  expect(bytesOf(outputs)).toBeLessThan(LIMIT + 64 * KIB);
  expect(words(outputs.at(-1))).toMatch(/z$/);
});

test("a file has the words about what is missing, and nothing else of them", () => {
  const outputs: Output[] = [];
  for (let at = 0; at < 16; at++) takeOutput(outputs, text("stderr", "y".repeat(32 * KIB)), SMALL);
  expect(outputs).toHaveLength(3);
  for (const output of outputs.map(kept)) expect(Object.keys(output).sort()).toEqual(["name", "output_type", "text"]);
});
