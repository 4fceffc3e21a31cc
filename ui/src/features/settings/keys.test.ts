import { expect, test, vi } from "vitest";

import type { Host } from "../../host";
import type { Failure, SecretEntry, SecretList } from "../../wire";
import { Keys, whereStored } from "./keys.svelte";

const REFUSED: Failure = { code: "invalid", message: "refused", cause: null, next: null, detail: null };

const entry = (machines: string[]): SecretEntry => ({ name: "A_API_KEY", machines, place: "file" });
const listed = (...secrets: SecretEntry[]): SecretList => ({ secrets, place: "file", without_keychain: "no Secret Service", folder: "/keys" });

function keysOf(call: (command: string, request: unknown) => Promise<unknown>) {
  const spy = vi.fn(call);
  return { keys: new Keys({ call: spy } as unknown as Host), spy };
}

test("a list is loading, known, or failing and tried again", async () => {
  let answer: () => Promise<unknown> = () => Promise.reject(REFUSED);
  const { keys } = keysOf(() => answer());
  expect(keys.look.kind).toBe("loading");
  await keys.load();
  expect(keys.look).toEqual({ kind: "failing", failure: REFUSED });
  answer = async () => listed();
  const again = keys.load();
  expect(keys.look.kind).toBe("loading");
  await again;
  expect(keys.list).toEqual(listed());
});

test("a tick hands a key to one machine more or less", async () => {
  const { keys, spy } = keysOf(async () => listed());
  await keys.hand(entry(["a", "b"]), "c", true);
  await keys.hand(entry(["a", "b"]), "b", false);
  await keys.hand(entry(["a"]), "a", true);
  expect(spy.mock.calls.map(([, request]) => request)).toEqual([
    { name: "A_API_KEY", machines: ["a", "b", "c"] },
    { name: "A_API_KEY", machines: ["a"] },
    { name: "A_API_KEY", machines: ["a"] },
  ]);
});

test("one change at a time, and what fails leaves the list as it is", async () => {
  let finish: (answer: SecretList) => void = () => {};
  const { keys, spy } = keysOf(() => new Promise((resolve) => (finish = resolve)));
  const first = keys.set("A_API_KEY", "s3cret", ["a"]);
  expect(keys.busy).toBe(true);
  expect(await keys.remove("A_API_KEY")).toBe(false);
  finish(listed(entry(["a"])));
  expect(await first).toBe(true);
  expect(spy).toHaveBeenCalledOnce();
  spy.mockRejectedValueOnce(REFUSED);
  expect(await keys.remove("A_API_KEY")).toBe(false);
  expect(keys.trouble).toEqual(REFUSED);
  expect(keys.list).toEqual(listed(entry(["a"])));
  expect(keys.busy).toBe(false);
  // The value is nowhere in what the page keeps.
  expect(JSON.stringify(keys.look)).not.toContain("s3cret");
});

test("where keys are stored is said, with the reason", () => {
  expect(whereStored(listed())).toContain("files in /keys");
  expect(whereStored(listed())).toContain("no Secret Service");
  expect(whereStored({ ...listed(), place: "keychain", without_keychain: null })).toContain("keychain");
});
