import { expect, test } from "vitest";

import { Checker, type Thread } from "./checker";
import { complaints } from "./complaints";

/** A thread that answers at once, or never. */
class FakeThread implements Thread {
  onmessage: Thread["onmessage"] = null;
  onerror: Thread["onerror"] = null;
  ended = false;
  readonly #answers: boolean;
  constructor(answers: boolean) {
    this.#answers = answers;
  }
  postMessage({ value, schema }: { value: never; schema: unknown }): void {
    if (this.#answers) queueMicrotask(() => this.onmessage?.call(this as unknown as Worker, { data: complaints(value, schema) } as MessageEvent));
  }
  terminate(): void {
    this.ended = true;
  }
}

test("what a schema has against a value is told", async () => {
  const checker = new Checker(() => new FakeThread(true));
  const schema = { type: "object", properties: { a: { type: "string" } } };
  expect(await checker.check({ a: "x" }, schema)).toEqual({ kind: "fine" });
  expect(await checker.check({ a: 3 }, schema)).toMatchObject({ kind: "wrong", complaints: [{ place: "/a" }] });
});

test("a schema that takes too long is given up, and the next one is checked", async () => {
  const threads = [new FakeThread(false), new FakeThread(true)];
  const [stuck] = threads;
  const checker = new Checker(() => threads.shift()!, 20);
  const both = [checker.check("aaaa!", { pattern: "^(a+)+$" }), checker.check("x", { type: "string" })];
  expect(await Promise.all(both)).toMatchObject([{ kind: "unknown" }, { kind: "fine" }]);
  expect(stuck!.ended).toBe(true);
});

test("without threads nothing is checked, and nothing is held up", async () => {
  const checker = new Checker(() => {
    throw new Error("no workers here");
  });
  expect(await checker.check({}, {})).toMatchObject({ kind: "unknown" });
});
