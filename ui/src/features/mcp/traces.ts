// The messages that the trace keeps in this window: the newest ones, as many as the machine keeps.

import { bytesOf } from "../../shared/untrusted";
import type { McpTrace } from "../../wire";

const KEPT = 5000;
/** What they take together, about; as in the machine (`body/src/mcp/traces.rs`). */
export const KEPT_BYTES = 16 << 20;

const weights = new WeakMap<McpTrace, number>();

function weight(trace: McpTrace): number {
  const known = weights.get(trace) ?? bytesOf(trace);
  weights.set(trace, known);
  return known;
}

/** The newest of these messages, oldest first. */
export function newest(traces: McpTrace[]): McpTrace[] {
  let left = KEPT_BYTES;
  let from = traces.length;
  while (from > 0 && traces.length - from < KEPT && (left -= weight(traces[from - 1]!)) >= 0) from -= 1;
  return traces.slice(from);
}
