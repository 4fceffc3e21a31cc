import { afterEach, beforeEach, expect, test, vi } from "vitest";

import type { Live } from "../../shared/live/live.svelte";
import { lastLines, MOST_FOLLOWED, Screens } from "./screens.svelte";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test("a few of those in view are followed, and none once the page is left", async () => {
  const call = vi.fn(async (_: string, { id }: { id: string }) => ({ text: `${id}\n\n\n` }));
  const screens = new Screens({ call } as unknown as Live);
  const leave = Array.from({ length: 40 }, (_, at) => screens.follow(`a${at}`));
  const stop = screens.watch();
  await vi.advanceTimersByTimeAsync(100);
  expect(call).toHaveBeenCalledTimes(MOST_FOLLOWED);
  expect(screens.shown["a0"]).toEqual(["a0"]);
  leave[0]!();
  await vi.advanceTimersByTimeAsync(2000);
  expect(call).toHaveBeenCalledTimes(2 * MOST_FOLLOWED);
  expect(screens.shown["a12"]).toEqual(["a12"]);
  stop();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(call).toHaveBeenCalledTimes(2 * MOST_FOLLOWED);
});

test("a screen that can't be read leaves what was shown", async () => {
  let fails = false;
  const call = async () => {
    if (fails) throw { code: "not_running", message: "no" };
    return { text: "there" };
  };
  const screens = new Screens({ call } as unknown as Live);
  screens.follow("a");
  const stop = screens.watch();
  await vi.advanceTimersByTimeAsync(100);
  fails = true;
  await vi.advanceTimersByTimeAsync(10_000);
  expect(screens.shown["a"]).toEqual(["there"]);
  stop();
});

test("a tile draws the end of a screen, and no more than fits", () => {
  expect(lastLines("a\nb  \n\n   \n")).toEqual(["a", "b"]);
  const lines = lastLines(`${"x".repeat(9000)}\n`.repeat(10_000));
  expect(lines).toHaveLength(14);
  expect(lines[0]).toHaveLength(160);
});
