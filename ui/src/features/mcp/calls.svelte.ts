// What was asked in this window: kept until it closes, to look at, ask again, and compare.

import { toFailure } from "../../host";
import type { Failure } from "../../wire";
import type { Json } from "./schema";
import { Refusal, type Session } from "./session.svelte";

export type Outcome =
  | { kind: "going"; id: number }
  | { kind: "done"; result: Json; duration_ms: number; failed: boolean }
  | { kind: "refused"; code: number; message: string; data: unknown }
  | { kind: "broken"; failure: Failure };

export interface Call {
  number: number;
  server: string | null;
  method: string;
  /** Tool, resource or prompt. */
  name: string;
  params: Json;
  at: number;
  outcome: Outcome;
}

const KEPT = 200;

export class Calls {
  /** Newest first. */
  list = $state<Call[]>([]);
  #number = 0;

  async make(session: Session, method: string, name: string, params: { [key: string]: Json }): Promise<Call> {
    const id = session.nextId();
    this.list = [{ number: ++this.#number, server: session.server, method, name, params, at: Date.now(), outcome: { kind: "going", id } }, ...this.list.slice(0, KEPT - 1)];
    const call = this.list[0] as Call;
    try {
      // Without a token a server reports no progress.
      const { result, duration_ms } = await session.request(method, { ...params, _meta: { progressToken: id } }, id);
      const failed = typeof result === "object" && result !== null && !Array.isArray(result) && result["isError"] === true;
      call.outcome = { kind: "done", result, duration_ms, failed };
    } catch (thrown) {
      call.outcome =
        thrown instanceof Refusal
          ? { kind: "refused", code: thrown.code, message: thrown.message, data: thrown.data }
          : { kind: "broken", failure: toFailure(thrown) };
    }
    return call;
  }
}

/** A call's outcome as lines, for a comparison. */
export function text(call: Call): string {
  const { outcome } = call;
  switch (outcome.kind) {
    case "done":
      return JSON.stringify(outcome.result, null, 2);
    case "refused":
      return `${outcome.code} ${outcome.message}\n${JSON.stringify(outcome.data ?? null, null, 2)}`;
    case "broken":
      return outcome.failure.message;
    case "going":
      return "";
  }
}
