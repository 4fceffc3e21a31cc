import { expect, test, vi } from "vitest";

import type { Failure, JobLog } from "../../wire";
import { HEAD, LONGEST_LINE, TAIL } from "../log";
import { JobOutput } from "./output.svelte";

const texts = (output: JobOutput) => output.lines.map(({ text }) => text);

/** The pages that a job's log has, each numbered by its place. */
function paged(pages: string[]) {
  const page = vi.fn(async (after: number): Promise<JobLog> => ({ text: pages[after] ?? "", next: Math.min(after + 1, pages.length) }));
  return { page, output: new JobOutput(page) };
}

test("all pages are read, lines that were cut between two are whole, and a later look reads on", async () => {
  const pages = ["one\ntw", "o\nthr"];
  const { page, output } = paged(pages);
  expect(output.known).toBe(false);
  await output.read();
  expect(output.known).toBe(true);
  expect(texts(output)).toEqual(["one", "two", "thr"]);
  pages.push("ee\n");
  await output.read();
  expect(texts(output)).toEqual(["one", "two", "three"]);
  expect(page.mock.calls.map(([after]) => after)).toEqual([0, 1, 2, 2, 3]);
});

test("a job that prints for ever is kept up to a limit, its end too, also if it ends no line", async () => {
  const lines = `${"x".repeat(99)}\n`.repeat(10_000);
  const { output } = paged([...Array.from({ length: 10 }, () => lines), "the end"]);
  await output.read();
  expect(output.lines.length).toBeLessThan(HEAD.lines + TAIL.lines * 1.25 + 3);
  expect(texts(output).at(-1)).toBe("the end");
  expect(texts(output).some((text) => text.startsWith("[log truncated: "))).toBe(true);

  const endless = paged(Array.from({ length: 50 }, () => "y".repeat(1 << 20)));
  await endless.output.read();
  for (const text of texts(endless.output)) expect(text.length).toBeLessThan(LONGEST_LINE + 100);
});

test("a log that stands still is asked for once, and one that nobody looks at no more", async () => {
  const still = vi.fn(async (): Promise<JobLog> => ({ text: "again\n", next: 0 }));
  await new JobOutput(still).read();
  expect(still).toHaveBeenCalledTimes(1);

  // A machine may say for ever that there is more.
  const endless = vi.fn(async (after: number): Promise<JobLog> => {
    if (after === 20) output.close();
    return { text: "more\n", next: after + 1 };
  });
  const output = new JobOutput(endless);
  await output.read();
  expect(endless).toHaveBeenCalledTimes(21);
});

test("what could not be read is said until it can be, and what was read stays", async () => {
  const refused: Failure = { code: "not_found", message: "The job was not found", cause: null, next: null, detail: null };
  let fails = false;
  const output = new JobOutput(async (after) => {
    if (fails) throw refused;
    return { text: after === 0 ? "one\n" : "", next: 1 };
  });
  await output.read();
  fails = true;
  await output.read();
  expect(output.failure).toEqual(refused);
  expect(texts(output)).toEqual(["one"]);
  fails = false;
  await output.read();
  expect(output.failure).toBeNull();
});
