import { expect, test, vi } from "vitest";

import type { Live } from "../../shared/live/live.svelte";
import type { AgentView, Event } from "../../wire";
import { Agents } from "./agents.svelte";

const one = (id: string, name = "working") => ({ id, state: { name }, asks: [], workspace: { kind: "volume" } }) as unknown as AgentView;

function made(answers: Record<string, (request: never) => unknown>) {
  const call = vi.fn(async (command: string, request: unknown) => answers[command]?.(request as never) ?? {});
  let hear: (event: Event) => void = () => {};
  const listen = (listener: (event: Event) => void) => ((hear = listener), () => {});
  const live = { host: { call }, call, listen } as unknown as Live;
  const asked = (command: string) => call.mock.calls.filter(([name]) => name === command).map(([, request]) => request);
  return { agents: new Agents(live), asked, hear: (event: Event) => hear(event) };
}

test("an event is a reason to look, and many at once are one more", async () => {
  let all = [one("a")];
  const { agents, asked, hear } = made({ agent_list: async () => ({ agents: all, odd: [] }) });
  const stop = agents.watch();
  all = [one("b")];
  for (let at = 0; at < 100; at++) hear({ kind: "agents" });
  hear({ kind: "jobs" });
  await vi.waitFor(() => expect(agents.find("b")).toBeDefined());
  expect(asked("agent_list")).toHaveLength(2);
  stop();
});

test("one failure takes no list away", async () => {
  let answer: () => unknown = () => {
    throw { code: "internal", message: "broken" };
  };
  const { agents } = made({ agent_list: () => answer() });
  await agents.refresh();
  expect(agents.look).toMatchObject({ kind: "failing", failure: { message: "broken" } });
  answer = () => ({ agents: [one("a")], odd: [] });
  await agents.refresh();
  answer = () => {
    throw { code: "internal", message: "broken" };
  };
  await agents.refresh();
  expect(agents.find("a")).toBeDefined();
  expect(agents.stale?.message).toBe("broken");
});

test("an ask is answered once, and a second click meanwhile is none", async () => {
  let done: () => void = () => {};
  const { agents, asked } = made({ agent_list: () => ({ agents: [], odd: [] }), agent_answer: () => new Promise<void>((resolve) => (done = resolve)) });
  const first = agents.answer("a", 3, true);
  await agents.answer("a", 3, false);
  expect(agents.answering).toEqual({ "a 3": true });
  done();
  await first;
  expect(asked("agent_answer")).toEqual([{ id: "a", ask: 3, allow: true, message: null }]);
  expect(agents.answering).toEqual({});
});

test("a prompt for several reaches those that take it, and each that doesn't says why", async () => {
  const { agents, asked } = made({
    agent_list: () => ({ agents: [one("a"), one("b"), one("frozen", "paused"), one("other")], odd: [] }),
    agent_send: ({ id }: { id: string }) => {
      if (id === "b") throw { code: "not_running", message: "no" };
    },
  });
  await agents.refresh();
  for (const id of ["a", "b", "frozen", "gone"]) agents.choose(id, true);
  const sent = await agents.broadcast("two\nlines 👩‍💻");
  expect(sent.sent).toBe(1);
  expect(sent.failed).toMatchObject([{ id: "b", failure: { message: "no" } }]);
  expect(asked("agent_send")).toEqual(["a", "b"].map((id) => ({ id, text: "two\nlines 👩‍💻" })));
});

test("what can't be done is said, and is over", async () => {
  const { agents } = made({
    agent_list: () => ({ agents: [one("a")], odd: [] }),
    agent_stop: () => {
      throw { code: "internal", message: "stuck" };
    },
  });
  expect(await agents.stop("a")).toBe(false);
  expect(agents.trouble?.message).toBe("stuck");
  expect(agents.busy).toEqual({});
  expect(await agents.pause("a")).toBe(true);
  expect(agents.trouble).toBeNull();
});
