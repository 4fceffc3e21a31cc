import { expect, test } from "vitest";

import { bytesOf } from "../../shared/untrusted";
import type { McpTrace } from "../../wire";
import { KEPT_BYTES, newest } from "./traces";

const trace = (seq: number, text: string) => ({ seq, server: "s", message: { text } }) as unknown as McpTrace;

test("the newest messages are kept, as many as there is room for", () => {
  const long = "x".repeat(64 << 10);
  let traces: McpTrace[] = [];
  for (let seq = 1; seq <= 1000; seq++) traces = newest([...traces, trace(seq, long)]);
  expect(bytesOf(traces)).toBeLessThan(KEPT_BYTES * 1.01);
  expect(traces.length).toBeGreaterThan(200);
  expect(traces.map(({ seq }) => seq)).toEqual(Array.from({ length: traces.length }, (_, at) => 1001 - traces.length + at));
  expect(newest(Array.from({ length: 20_000 }, (_, seq) => trace(seq, "")))).toHaveLength(5000);
});
