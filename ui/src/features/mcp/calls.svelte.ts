// What was asked in this window: kept until it closes, to look at, ask again, and compare.

import { toFailure } from "../../host";
import type { Failure } from "../../wire";
import { asJson, bytesOf, isRecord, type Json } from "../../shared/untrusted";
import { Refusal, type Session } from "./session.svelte";

export type Outcome =
  | { kind: "going"; id: number }
  | { kind: "done"; result: Json; duration_ms: number; failed: boolean }
  | { kind: "refused"; code: number; message: string; data: unknown }
  | { kind: "broken"; failure: Failure }
  /** Its answer is kept no longer: newer ones took its room. */
  | { kind: "gone" };

export class Call {
  /** Large answers stay as they came. */
  outcome = $state.raw<Outcome>({ kind: "going", id: 0 });
  readonly number: number;
  readonly server: string | null;
  readonly method: string;
  /** Tool, resource or prompt. */
  readonly name: string;
  readonly params: { [key: string]: Json };
  readonly at = Date.now();

  constructor(number: number, server: string | null, method: string, name: string, params: { [key: string]: Json }, id: number) {
    this.number = number;
    this.server = server;
    this.method = method;
    this.name = name;
    this.params = params;
    this.outcome = { kind: "going", id };
  }
}

const KEPT = 200;
/** What the kept answers take together, about; the newest one is kept, however large it is. */
export const KEPT_BYTES = 64 << 20;
/** So long a server has to say that it cancelled a call. */
const CANCEL_MS = 5000;

export class Calls {
  /** Newest first. */
  list = $state.raw<Call[]>([]);
  #number = 0;
  /** What each answer takes. */
  #bytes = new WeakMap<Call, number>();

  async make(session: Session, method: string, name: string, params: { [key: string]: Json }): Promise<Call> {
    const id = session.nextId();
    const call = new Call(++this.#number, session.server, method, name, params, id);
    this.list = [call, ...this.list.slice(0, KEPT - 1)];
    try {
      // Without a token a server reports no progress.
      const { result, duration_ms } = await session.request(method, { ...params, _meta: { progressToken: id } }, id);
      if (call.outcome.kind === "going") call.outcome = { kind: "done", result, duration_ms, failed: isRecord(result) && result["isError"] === true };
    } catch (thrown) {
      if (call.outcome.kind !== "going") return call;
      call.outcome =
        thrown instanceof Refusal
          ? { kind: "refused", code: thrown.code, message: thrown.message, data: thrown.data }
          : { kind: "broken", failure: toFailure(thrown) };
    }
    this.#bytes.set(call, bytesOf(call.outcome));
    this.#forget(call);
    return call;
  }

  /** Lets go of old answers until there is room for the newest one. */
  #forget(newest: Call): void {
    let left = KEPT_BYTES - (this.#bytes.get(newest) ?? 0);
    for (const call of this.list) {
      if (call === newest || call.outcome.kind === "going") continue;
      left -= this.#bytes.get(call) ?? 0;
      if (left >= 0) continue;
      call.outcome = { kind: "gone" };
      this.#bytes.delete(call);
    }
  }

  /** Asks the server to give a call up; one that doesn't answer is waited for no longer. */
  async cancel(session: Session, call: Call): Promise<void> {
    if (call.outcome.kind !== "going") return;
    const over = (cause: string | null) => {
      if (call.outcome.kind === "going") call.outcome = { kind: "broken", failure: { code: "cancelled", message: "The call was cancelled", cause, next: null, detail: null } };
    };
    setTimeout(() => over("The server did not confirm the cancellation. The call may still be running."), CANCEL_MS);
    try {
      await session.cancel(call.outcome.id);
    } catch (thrown) {
      over(toFailure(thrown).message);
    }
  }
}

/** A call's outcome as lines, for a comparison. */
export function text(call: Call): string {
  const { outcome } = call;
  switch (outcome.kind) {
    case "done":
      return asJson(outcome.result, 2);
    case "refused":
      return `${outcome.code} ${outcome.message}\n${asJson(outcome.data ?? null, 2)}`;
    case "broken":
      return outcome.failure.message;
    case "going":
    case "gone":
      return "";
  }
}
