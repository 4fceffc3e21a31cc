import { expect, test } from "vitest";

import type { SandboxDefaults } from "../../wire";
import { clientLines } from "./clients";
import { plainRequest, presetWish, requestOf, wrongWith } from "./wish";

const DEFAULTS: SandboxDefaults = { image: "aios-sandbox", limits: { memory_mb: 512, cpus: 1, pids: 256, disk_mb: 256 }, network: "none", ttl_s: 3600, longest_ttl_s: 86_400 };

test("one click leaves everything to the settings, and the form begins with them", () => {
  expect(Object.values(plainRequest()).filter((value) => typeof value !== "object")).toEqual([false, false]);
  const wish = presetWish(DEFAULTS);
  expect(wrongWith(wish, DEFAULTS)).toBeNull();
  expect(requestOf(wish)).toMatchObject({ image: "aios-sandbox", network: "none", memory_mb: 512, cpus: 1, ttl_s: 3600, on_timeout: "kill" });
  expect(requestOf(wish)).toMatchObject({ disk: null, disk_mb: null });
  expect(requestOf({ ...wish, disk: "volume", disk_mb: 4096 })).toMatchObject({ disk: "volume", disk_mb: 4096 });
  expect(requestOf({ ...wish, image: " python:3.13 ", pauses: true })).toMatchObject({ image: "python:3.13", on_timeout: "pause" });
});

test("what can't be asked for is said", () => {
  const wish = presetWish(DEFAULTS);
  // An empty field of numbers is null.
  const empty = null as unknown as number;
  for (const change of [{ image: " " }, { image: "a b" }, { memory_mb: 8 }, { memory_mb: 1.5 }, { memory_mb: empty }, { disk: "volume" as const, disk_mb: 0 }, { disk: "volume" as const, disk_mb: empty }, { cpus: 0 }, { cpus: empty }, { minutes: 0 }, { minutes: empty }, { minutes: 1441 }]) {
    expect(wrongWith({ ...wish, ...change }, DEFAULTS), JSON.stringify(change)).not.toBeNull();
  }
});

test("E2B's clients need three variables", () => {
  expect(clientLines("http://127.0.0.1:8000", true)).toEqual([
    "export E2B_API_KEY=$(vivarium token create agents --scope exec)",
    "export E2B_API_URL=http://127.0.0.1:8000",
    "export E2B_SANDBOX_URL=http://127.0.0.1:8000",
  ]);
  expect(clientLines("http://127.0.0.1:9", false)[0]).toMatch(/^export E2B_API_KEY=e2b_0{40}$/);
});
