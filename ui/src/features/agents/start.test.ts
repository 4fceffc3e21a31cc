import { beforeEach, expect, test, vi } from "vitest";

import type { Live } from "../../shared/live/live.svelte";
import type { AgentTool, Event, Failure } from "../../wire";
import { Agents } from "./agents.svelte";
import { Start } from "./start.svelte";
import { presetWish } from "./wish";

const tool = (kind: string, given: Partial<AgentTool> = {}) => ({ id: "claude", title: "Claude", state: { kind }, run_id: null, modes: [], default_mode: null, keys: [], ...given }) as unknown as AgentTool;

beforeEach(() => {
  const kept = new Map<string, string>();
  vi.stubGlobal("localStorage", { getItem: (key: string) => kept.get(key) ?? null, setItem: (key: string, value: string) => kept.set(key, value) });
});

function made(answers: Record<string, (request: never) => unknown>) {
  let hear: (event: Event) => void = () => {};
  const usual: typeof answers = { agent_list: () => ({ agents: [], odd: [] }), agent_tools: () => ({ tools: [], problems: [] }), secret_list: () => ({ secrets: [{ name: "A_KEY" }] }), agent_folders: () => ({ folders: [] }), agent_start: () => ({ agent: { id: "a1" }, notes: ["No submodules."] }) };
  const call = vi.fn(async (command: string, request: unknown) => (answers[command] ?? usual[command])?.(request as never) ?? {});
  const live = { call, listen: (listener: (event: Event) => void) => ((hear = listener), () => {}) } as unknown as Live;
  const agents = new Agents(live);
  const asked = (command: string) => call.mock.calls.filter(([name]) => name === command).map(([, request]) => request);
  return { start: new Start(agents), agents, asked, hear: (event: Event) => hear(event) };
}

const ended = (run_id: string, failure: Failure | null = null): Event => ({ kind: "run_ended", run_id, job_kind: "build", started_at: 0, failure });
const wish = { ...presetWish([tool("present")], { paths: [] }), path: "/home/ada/shop" };

test("an agent whose image is there starts at once, and its folder is remembered", async () => {
  const { start, agents, asked } = made({});
  expect(await start.start(wish, tool("present"))).toBe("a1");
  expect(asked("agent_image_build")).toEqual([]);
  expect(agents.notes).toEqual(["No submodules."]);
  expect(new Start(agents).last).toEqual({ tool: "claude", place: "clone", paths: ["/home/ada/shop"] });
});

test("a missing image is built first, and the agent starts at its end", async () => {
  let built = false;
  const { start, asked, hear } = made({ agent_tools: () => ({ tools: [tool(built ? "present" : "missing", { run_id: built ? null : "r1" })], problems: [] }), agent_image_build: () => ({ run_id: "r1" }), agent_image_log: ({ after }: { after: number }) => ({ text: after === 0 ? "[1/2] FROM\n" : "", next: 1 }) });
  start.open();
  const starting = start.start(wish, tool("missing"));
  await vi.waitFor(() => expect(start.log).toEqual(["[1/2] FROM"]));
  expect(start.doing).toBe("building");
  hear(ended("another"));
  expect(asked("agent_start")).toEqual([]);
  built = true;
  hear(ended("r1"));
  expect(await starting).toBe("a1");
});

test("a build that fails starts nothing, and says why", async () => {
  const { start, asked, hear } = made({ agent_tools: () => ({ tools: [tool("missing", { run_id: "r1" })], problems: [] }), agent_image_log: () => ({ text: "", next: 0 }) });
  start.open();
  // One that goes on already is waited for.
  const starting = start.start(wish, tool("missing", { run_id: "r1" }));
  await vi.waitFor(() => expect(asked("agent_image_log").length).toBeGreaterThan(0));
  hear(ended("r1", { code: "build_failed", message: "Step 3 failed", cause: null, next: null, detail: null }));
  expect(await starting).toBeNull();
  expect(start.trouble?.message).toBe("Step 3 failed");
  expect([asked("agent_image_build"), asked("agent_start")]).toEqual([[], []]);
});

test("whoever closes the form starts nothing later", async () => {
  const { start, asked } = made({ agent_tools: () => ({ tools: [tool("missing", { run_id: "r1" })], problems: [] }), agent_image_build: () => ({ run_id: "r1" }), agent_image_log: () => ({ text: "", next: 0 }) });
  const close = start.open();
  const starting = start.start(wish, tool("missing"));
  await vi.waitFor(() => expect(asked("agent_image_log").length).toBeGreaterThan(0));
  close();
  expect(await starting).toBeNull();
  expect(asked("agent_start")).toEqual([]);
});

test("a folder is allowed by its whole path, and an image approved by the digest that was shown", async () => {
  const { start, asked } = made({ agent_folder_add: ({ path }: { path: string }) => ({ folders: [path] }), agent_image_approve: () => ({ tools: [tool("present")], problems: [] }) });
  await start.read();
  await start.allow("/home/ada/shop");
  expect(start.choices).toMatchObject({ folders: ["/home/ada/shop"], keys: ["A_KEY"] });
  await start.approve(tool("unapproved", { state: { kind: "unapproved", digest: "sha256:1", size_bytes: 1 } }));
  expect(asked("agent_image_approve")).toEqual([{ tool: "claude", digest: "sha256:1" }]);
});

test("what was kept is read with care", () => {
  for (const kept of ["no json", "[]", "null", '{"paths":[1,"/a"]}', '{"paths":{}}']) {
    localStorage.setItem("vivarium.agents", kept);
    const { start } = made({});
    expect(start.last.paths.every((path) => path === "/a"), kept).toBe(true);
  }
});
