import { expect, test } from "vitest";

import { advance, beginRun, endRun, KEPT_LINES } from "./run";

const step = (index: number, title: string, cached = false) => ({ kind: "step" as const, index, total: 3, title, cached });

test("phases and steps end where the next one begins", () => {
  const run = beginRun("a", 0);
  advance(run, { kind: "phase", name: "build" }, 10);
  advance(run, step(1, "FROM debian"), 20);
  advance(run, step(1, "FROM debian", true), 25);
  advance(run, step(2, "RUN true"), 30);
  advance(run, { kind: "phase", name: "create" }, 50);
  endRun(run, null, 60);
  expect(run.phases.map(({ name, started_at, ended_at }) => [name, started_at, ended_at])).toEqual([
    ["build", 10, 50],
    ["create", 50, 60],
  ]);
  expect(run.phases[0]!.steps.map(({ cached, ended_at }) => [cached, ended_at])).toEqual([
    [true, 30],
    [false, 50],
  ]);
  expect(run.outcome).toEqual({ kind: "done" });
});

test("a failing step stays open, so that it can be shown as the one that failed", () => {
  const run = beginRun("a", 0);
  advance(run, step(1, "RUN false"), 1);
  endRun(run, { code: "build_failed", message: "no", cause: null, next: null, detail: null }, 5);
  expect(run.phases[0]!.ended_at).toBeNull();
  expect(run.phases[0]!.steps[0]!.ended_at).toBeNull();
  expect(run.ended_at).toBe(5);
});

test("only the last lines are kept, with their numbers", () => {
  const run = beginRun("a", 0);
  for (let at = 0; at < KEPT_LINES * 3; at++) advance(run, { kind: "line", text: `${at}` }, at);
  expect(run.lines.length).toBeLessThanOrEqual(KEPT_LINES * 1.25);
  expect(run.lines.at(-1)).toEqual({ number: KEPT_LINES * 3, text: `${KEPT_LINES * 3 - 1}` });
});
