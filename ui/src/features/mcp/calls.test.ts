import { afterEach, expect, test, vi } from "vitest";

import { bytesOf } from "../../shared/untrusted";
import { Calls, KEPT_BYTES } from "./calls.svelte";
import type { Session } from "./session.svelte";

afterEach(() => vi.useRealTimers());

/** A server that answers with what it is told to, if it answers. */
function server(answer: () => Promise<unknown>, cancel = async () => {}) {
  let id = 0;
  const request = async () => ({ result: await answer(), duration_ms: 1 });
  return { server: null, nextId: () => ++id, request, cancel } as unknown as Session;
}

const kinds = (calls: Calls) => calls.list.map(({ outcome }) => outcome.kind);

test("answers take no more room than there is, and the newest stays", async () => {
  const calls = new Calls();
  const session = server(async () => ({ text: "x".repeat(KEPT_BYTES / 4) }));
  for (let at = 0; at < 8; at++) await calls.make(session, "tools/call", "large", {});
  expect(bytesOf(calls.list.map(({ outcome }) => outcome))).toBeLessThan(KEPT_BYTES * 1.01);
  expect(kinds(calls)).toEqual(["done", "done", "done", "gone", "gone", "gone", "gone", "gone"]);
  await calls.make(server(async () => "y".repeat(KEPT_BYTES * 2)), "tools/call", "huge", {});
  expect(new Set(kinds(calls).slice(1))).toEqual(new Set(["gone"]));
  expect(kinds(calls)[0]).toBe("done");
});

test("a cancelled call is over after 5 s, whatever the server does", async () => {
  vi.useFakeTimers();
  const calls = new Calls();
  const told = vi.fn(async () => {});
  const session = server(() => new Promise(() => {}), told);
  void calls.make(session, "tools/call", "silent", {});
  const call = calls.list[0]!;
  await calls.cancel(session, call);
  expect(told).toHaveBeenCalledOnce();
  await vi.advanceTimersByTimeAsync(4999);
  expect(call.outcome.kind).toBe("going");
  await vi.advanceTimersByTimeAsync(1);
  expect(call.outcome).toMatchObject({ kind: "broken", failure: { code: "cancelled", cause: "The server did not confirm the cancellation. The call may still be running." } });
});

test("a cancelled call that is answered has its answer, and one that can't be cancelled says why", async () => {
  vi.useFakeTimers();
  const calls = new Calls();
  let answer = (_: unknown) => {};
  const session = server(() => new Promise((resolve) => (answer = resolve)));
  const made = calls.make(session, "tools/call", "late", {});
  await calls.cancel(session, calls.list[0]!);
  await vi.advanceTimersByTimeAsync(1000);
  answer("done all the same");
  await made;
  await vi.advanceTimersByTimeAsync(10_000);
  expect(calls.list[0]!.outcome).toMatchObject({ kind: "done", result: "done all the same" });

  const gone = server(() => new Promise(() => {}), async () => Promise.reject({ code: "not_running", message: "The session is gone" }));
  void calls.make(gone, "tools/call", "gone", {});
  await calls.cancel(gone, calls.list[0]!);
  expect(calls.list[0]!.outcome).toMatchObject({ kind: "broken", failure: { cause: "The session is gone" } });
});
