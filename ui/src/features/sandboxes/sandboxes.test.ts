import { expect, test, vi } from "vitest";

import type { Live } from "../../shared/live/live.svelte";
import type { Event, SandboxView } from "../../wire";
import { CodeRuns } from "./code.svelte";
import { Sandboxes } from "./sandboxes.svelte";
import { plainRequest } from "./wish";

const one = (sandbox_id: string, state: SandboxView["state"] = "running") => ({ sandbox_id, state, ends_at_ms: 0 }) as SandboxView;
const list = (...sandboxes: SandboxView[]) => ({ sandboxes, defaults: { image: "own", longest_ttl_s: 4000 }, address: "", needs_token: true, images: [{ image: "python:3.13", doing: "[2/9] RUN a\u202eb", since_ms: 0 }] });

function made(answers: Record<string, (request: never) => unknown>) {
  const call = vi.fn(async (command: string, request: unknown) => answers[command]?.(request as never) ?? {});
  let hear: (event: Event) => void = () => {};
  const listen = (listener: (event: Event) => void) => ((hear = listener), () => {});
  const live = { host: { call }, call, listen } as unknown as Live;
  const asked = (command: string) => call.mock.calls.filter(([name]) => name === command).map(([, request]) => request);
  return { sandboxes: new Sandboxes(live), live, asked, hear: (event: Event) => hear(event) };
}

test("what is there comes first, and an event is a reason to look", async () => {
  let all = [one("gone", "ended"), one("a")];
  const { sandboxes, hear, asked } = made({ sandbox_list: () => list(...all) });
  const stop = sandboxes.watch();
  await vi.waitFor(() => expect(sandboxes.all.map(({ sandbox_id }) => sandbox_id)).toEqual(["a", "gone"]));
  all = [one("b")];
  hear({ kind: "jobs" });
  hear({ kind: "sandbox" } as Event);
  await vi.waitFor(() => expect(sandboxes.find("b")).toBeDefined());
  expect(asked("sandbox_list")).toHaveLength(2);
  stop();
});

test("nobody who serves is told from a server that fails, and one failure takes no list away", async () => {
  let answer: () => unknown = () => list(one("a"));
  const { sandboxes } = made({ sandbox_list: () => answer() });
  await sandboxes.refresh();
  answer = () => {
    throw { code: "internal", message: "broken" };
  };
  await sandboxes.refresh();
  expect(sandboxes.find("a")).toBeDefined();
  expect(sandboxes.stale?.message).toBe("broken");
  answer = () => {
    throw { code: "not_running", message: "off" };
  };
  await sandboxes.refresh();
  expect(sandboxes.look.kind).toBe("off");
  expect(sandboxes.stale).toBeNull();
});

test("a missing image can be had, and the same sandbox is created then", async () => {
  let has = false;
  let told: string | null = null;
  const wanted = { ...plainRequest(), image: "python:3.13" };
  const { sandboxes, asked } = made({
    sandbox_list: () => list(),
    sandbox_image: async () => {
      await sandboxes.refresh();
      told = sandboxes.progress;
      return ((has = true), {});
    },
    sandbox_create: () => {
      if (!has) throw { code: "not_found", message: "no image", next: { kind: "get_sandbox_image", image: "python:3.13" } };
      return one("new");
    },
  });
  expect(await sandboxes.create(wanted)).toBeNull();
  expect(sandboxes.lacksImage).toBe(true);
  expect(await sandboxes.provide()).toBe("new");
  expect(asked("sandbox_image")).toEqual([{ image: "python:3.13" }]);
  expect([told, sandboxes.progress]).toEqual(["[2/9] RUN a⟨U+202E⟩b", null]);
  expect(asked("sandbox_create")).toEqual([wanted, wanted]);
  expect([sandboxes.lacksImage, sandboxes.trouble]).toEqual([false, null]);
});

test("two clicks create one, and what fails is told", async () => {
  const { sandboxes, asked } = made({ sandbox_list: () => list(), sandbox_create: () => Promise.reject({ code: "busy", message: "too many" }) });
  const [first, second] = await Promise.all([sandboxes.create(plainRequest()), sandboxes.create(plainRequest())]);
  expect([first, second]).toEqual([null, null]);
  expect(asked("sandbox_create")).toHaveLength(1);
  expect(sandboxes.trouble?.message).toBe("too many");
  expect([sandboxes.doing, sandboxes.lacksImage]).toEqual([null, false]);
});

test("an hour more is no more than the settings allow", async () => {
  const { sandboxes, asked } = made({ sandbox_list: () => list(one("a")) });
  await sandboxes.refresh();
  await sandboxes.extend({ ...one("a"), ends_at_ms: Date.now() + 60_000 });
  await sandboxes.extend({ ...one("a"), ends_at_ms: Date.now() + 3_000_000 });
  expect(asked("sandbox_timeout")).toEqual([{ sandbox_id: "a", ttl_s: 3660 }, { sandbox_id: "a", ttl_s: 4000 }]);
  expect(sandboxes.busy).toEqual({});
});

test("code runs one after the other, and its end is kept whatever it is", async () => {
  const { live } = made({ sandbox_code: ({ request }: { request: { code: string } }) => (request.code === "bad" ? Promise.reject({ code: "not_running", message: "paused" }) : { outputs: [], succeeded: true }) });
  const code = new CodeRuns(live.host, "s1");
  await code.run("  ");
  const first = code.run("1 + 1");
  await code.run("while it runs");
  await first;
  await code.run("bad");
  expect(code.runs.map(({ source, outcome }) => [source, outcome.kind])).toEqual([["1 + 1", "done"], ["bad", "failed"]]);
  for (let at = 0; at < 60; at++) await code.run("x");
  expect(code.runs).toHaveLength(50);
});
