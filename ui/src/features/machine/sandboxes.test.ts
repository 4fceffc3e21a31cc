import { expect, test, vi } from "vitest";

import type { Failure, SandboxAccess, SandboxAccessState, SandboxView } from "../../wire";
import { inUse, SandboxUse } from "./sandboxes.svelte";

const REFUSED: Failure = { code: "invalid", message: "refused", cause: null, next: null, detail: null };
const OFF: SandboxAccess = { allowed: false, network: "none" };
const ON: SandboxAccess = { allowed: true, network: "none" };
const state = (access: SandboxAccess, sandboxes: SandboxView[] = []): SandboxAccessState => ({ access, sandboxes });

function useOf(call: (command: string, request: unknown) => Promise<unknown>) {
  const spy = vi.fn(call);
  return { use: new SandboxUse({ call: spy } as never), spy };
}

test("the switch says what is to count, and shows what counts then", async () => {
  const { use, spy } = useOf(async (command, request) => state(command === "sandbox_access_get" ? OFF : (request as SandboxAccess)));
  await use.look();
  expect(use.state).toEqual(state(OFF));
  await use.set(ON);
  await use.set({ ...ON, network: "internet" });
  expect(spy.mock.calls.slice(1)).toEqual([
    ["sandbox_access_set", ON],
    ["sandbox_access_set", { allowed: true, network: "internet" }],
  ]);
  expect(use.state).toEqual(state({ allowed: true, network: "internet" }));
});

test("what fails leaves everything as it was, and says why", async () => {
  const { use } = useOf(async (command) => {
    if (command === "sandbox_access_set") throw REFUSED;
    return state(OFF);
  });
  await use.look();
  await use.set(ON);
  expect(use.state).toEqual(state(OFF));
  expect(use.failure).toEqual(REFUSED);
  expect(use.busy).toBe(false);
});

test("a failure of a look is shown only until something is known", async () => {
  let answer: () => Promise<unknown> = () => Promise.reject(REFUSED);
  const { use } = useOf(() => answer());
  await use.look();
  expect(use.failure).toEqual(REFUSED);
  answer = async () => state(ON);
  await use.look();
  expect(use.failure).toBeNull();
  answer = () => Promise.reject(REFUSED);
  await use.look();
  expect([use.state, use.failure]).toEqual([state(ON), null]);
});

test("a look that began before a change doesn't bring back what was", async () => {
  let finish: (answer: SandboxAccessState) => void = () => {};
  const { use } = useOf((command) => (command === "sandbox_access_set" ? Promise.resolve(state(ON)) : new Promise((resolve) => (finish = resolve))));
  const look = use.look();
  await use.set(ON);
  finish(state(OFF));
  await look;
  expect(use.state).toEqual(state(ON));
});

test("sandboxes in use are named, as text and not all of them", () => {
  expect(inUse([])).toBe("No sandbox is in use.");
  const sandbox = (sandbox_id: string) => ({ sandbox_id }) as SandboxView;
  expect(inUse([sandbox("a1"), sandbox("b2")])).toBe("In use: a1, b2");
  const many = Array.from({ length: 20 }, (_, at) => sandbox(`s${at}`));
  expect(inUse(many)).toContain("s7 and 12 more");
  expect(inUse([sandbox("a\u202eb")])).toBe("In use: a⟨U+202E⟩b");
});
