import { expect, test, vi } from "vitest";

import { Attempt } from "./attempt.svelte";

test("it is done once at a time, and its failure is kept until the next attempt", async () => {
  const attempt = new Attempt();
  const done = vi.fn();
  let fail = (_: unknown) => {};
  const work = vi.fn(() => new Promise((_, reject) => (fail = reject)));
  const first = attempt.run(work, done);
  expect(attempt.busy).toBe(true);
  await attempt.run(work, done);
  expect(work).toHaveBeenCalledTimes(1);
  fail(new Error("full"));
  await first;
  expect(attempt.busy).toBe(false);
  expect(attempt.failure?.cause).toBe("full");
  expect(done).not.toHaveBeenCalled();
  await attempt.run(() => Promise.resolve(), done);
  expect(attempt.failure).toBe(null);
  expect(done).toHaveBeenCalledTimes(1);
});
