import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { retry } from "./retry";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("what fails is called again, later each time, until it succeeds", async () => {
  const start_ms = Date.now();
  const called_ms: number[] = [];
  const load = async () => {
    called_ms.push(Date.now() - start_ms);
    if (called_ms.length < 8) throw new Error("network changed");
    return "loaded";
  };
  const loaded = retry(load);
  await vi.runAllTimersAsync();
  expect(await loaded).toBe("loaded");
  expect(called_ms).toEqual([0, 250, 750, 1750, 3750, 7750, 11_750, 15_750]);
});

test("after the last try the failure is thrown", async () => {
  const load = vi.fn().mockRejectedValueOnce(new Error("first")).mockRejectedValueOnce(new Error("second"));
  const failure = retry(load, 2).catch((thrown: Error) => thrown.message);
  await vi.runAllTimersAsync();
  expect(await failure).toBe("second");
  expect(load).toHaveBeenCalledTimes(2);
});
