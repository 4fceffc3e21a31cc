import { expect, test } from "vitest";

import { addLine, HEAD, LONGEST_LINE, logOf, newLog, TAIL } from "./log";

const bytes = (lines: { text: string }[]) => lines.reduce((sum, { text }) => sum + text.length, 0);

test("of very many lines the beginning and the end are kept, and how many are missing is said", () => {
  const log = newLog();
  const all = 50_000;
  for (let at = 1; at <= all; at++) addLine(log, `line ${at}`);
  expect(log.lines.length).toBeLessThanOrEqual(HEAD.lines + TAIL.lines * 1.25 + 1);
  expect(log.lines.slice(0, HEAD.lines).map(({ number, text }) => [number, text])).toEqual(Array.from({ length: HEAD.lines }, (_, at) => [at + 1, `line ${at + 1}`]));
  expect(log.lines.at(-1)).toEqual({ number: all, text: `line ${all}` });
  // No line between the two ends is lost without being counted.
  const note = /^\[log truncated: ([\d,]+) lines \(\d+ KiB\) omitted\]$/.exec(log.lines[HEAD.lines]!.text);
  expect(Number(note?.[1]?.replaceAll(",", ""))).toBe(all - (log.lines.length - 1));
  expect(log.lines[HEAD.lines + 1]!.text).toBe(`line ${all - (log.lines.length - HEAD.lines - 2)}`);
  expect(log.lines.filter(({ text }) => text.startsWith("[log truncated"))).toHaveLength(1);
});

test("long lines take no more room than many short ones", () => {
  const log = logOf(Array.from({ length: 4000 }, (_, at) => `${at} ${"x".repeat(LONGEST_LINE * 3)}`));
  expect(bytes(log.lines)).toBeLessThanOrEqual(HEAD.bytes + TAIL.bytes * 1.25 + LONGEST_LINE);
  expect(log.lines[0]!.text).toMatch(/^0 x+… \([\d,]+ more characters\)$/);
  expect(log.lines.at(-1)!.text).toMatch(/^3999 /);
  expect(log.lines[log.head]!.text).toMatch(/ \(\d+ MiB\) omitted/);
});

test("a short log is as it came", () => {
  const texts = Array.from({ length: HEAD.lines + TAIL.lines }, (_, at) => `${at}`);
  expect(logOf(texts).lines.map(({ text }) => text)).toEqual(texts);
});
