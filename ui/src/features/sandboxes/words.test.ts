import { expect, test } from "vitest";

import { span } from "../../shared/time";
import type { SandboxUsage, SandboxView } from "../../wire";
import { endWords, limitWords, memoryWords, mib, pageWords, percentWords, reasonWords, stateWords, trafficWords } from "./words";

const NOW = 1_000_000_000;
const one = (given: Partial<SandboxView>) => ({ state: "running", responding: true, on_timeout: "kill", ends_at_ms: NOW + 3_600_000, reason: null, ...given }) as SandboxView;

test("times have one unit", () => {
  expect([span(-5), span(59_999), span(60_000), span(7_200_000), span(86_400_000 * 3)]).toEqual(["0 s", "59 s", "1 min", "2 h", "3 days"]);
});

test("an end says what happens then, and whether it is soon", () => {
  expect(endWords(one({}), NOW)).toEqual({ words: "in 1 h", soon: false });
  expect(endWords(one({ ends_at_ms: NOW + 40_000 }), NOW)).toEqual({ words: "in 40 s", soon: true });
  expect(endWords(one({ on_timeout: "pause", ends_at_ms: NOW - 1 }), NOW)).toEqual({ words: "pauses now", soon: true });
  expect(endWords(one({ state: "lost", ends_at_ms: NOW }), NOW)).toEqual({ words: "—", soon: false });
});

test("limits and usage are in the units of limits", () => {
  expect([memoryWords(512), memoryWords(1536), memoryWords(2048), memoryWords(1100)]).toEqual(["512 MiB", "1.5 GiB", "2 GiB", "1100 MiB"]);
  expect(limitWords({ memory_mb: 512, cpus: 0.5, pids: 1, disk_mb: 1 })).toBe("512 MiB, 0.5 CPUs");
  expect([mib(0), mib(1000), mib(84.4 * (1 << 20)), mib(3000 * (1 << 20))]).toEqual(["0", "< 1", "84", "3,000"]);
  expect([percentWords(null), percentWords(undefined), percentWords(0), percentWords(12.4)]).toEqual(["…", "…", "0 %", "12 %"]);
});

test("traffic is told as it is known", () => {
  const usage = { network_received_bytes: 1500, network_sent_bytes: 0 } as SandboxUsage;
  expect(trafficWords(usage)).toBe("1.5 KB in, 0 B out");
  expect([trafficWords(null), trafficWords({ ...usage, network_sent_bytes: null })]).toEqual(["…", "…"]);
});

test("the header counts what is there", () => {
  expect(pageWords([one({}), one({ state: "paused" }), one({ state: "ended" })]).words).toBe("1 running, 1 paused");
  expect(pageWords([one({ state: "lost" })])).toEqual({ tone: "idle", words: "None running" });
  expect(stateWords(one({ responding: false }))).toEqual({ tone: "bad", words: "Not responding" });
  expect(stateWords(one({ state: "paused", responding: false })).words).toBe("Paused");
  expect(stateWords(one({ state: "lost" }))).toEqual({ tone: "bad", words: "Lost" });
});

test("a reason is a sentence, and hides nothing", () => {
  expect(reasonWords(one({ reason: "it was removed" }))).toBe("It was removed.");
  expect(reasonWords(one({ reason: "a\u202eb." }))).toBe("A⟨U+202E⟩b.");
  expect(reasonWords(one({}))).toBe("");
});
