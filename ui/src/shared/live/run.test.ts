import { expect, test } from "vitest";

import { advance, beginRun, endRun, FIRST_STEPS, LAST_STEPS } from "./run";

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

test("a build that prints for ever, and claims any number of steps, is bounded", () => {
  const run = beginRun("a", 0);
  for (let at = 1; at <= 1500; at++) {
    advance(run, { kind: "line", text: `${at} ${"x".repeat(20_000)}` }, at);
    advance(run, step(at, `RUN ${at} ${"y".repeat(20_000)}`), at);
  }
  expect(JSON.stringify(run).length).toBeLessThan(6 << 20);
  expect(run.log.lines[0]!.text).toMatch(/^1 x/);
  expect(run.log.lines.at(-1)!.text).toMatch(/^1500 x/);
  const { steps, missing_steps } = run.phases[0]!;
  expect(steps.length).toBe(FIRST_STEPS + LAST_STEPS);
  expect(missing_steps).toBe(1500 - steps.length);
  expect([steps[0]!.index, steps[FIRST_STEPS - 1]!.index, steps.at(-1)!.index]).toEqual([1, FIRST_STEPS, 1500]);
  for (let at = 0; at < 1000; at++) advance(run, { kind: "phase", name: "p" }, at);
  expect(run.phases.length).toBeLessThanOrEqual(100);
});
