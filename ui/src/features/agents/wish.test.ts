import { expect, test } from "vitest";

import type { AgentTool } from "../../wire";
import { presetWish, requestOf, wrongWith } from "./wish";

const tool = (id: string, kind: string, given: Partial<AgentTool> = {}) => ({ id, title: id, state: { kind }, modes: [], default_mode: null, keys: [], takes_prompt: true, needs_prompt: false, ...given }) as unknown as AgentTool;
const CLAUDE = tool("claude", "present", { default_mode: "default" });

test("the form begins with the tool that was used last, if it can be used, and else with one that is ready", () => {
  const tools = [tool("jules", "not_built"), tool("codex", "missing"), CLAUDE];
  expect(presetWish(tools, { paths: [] }).tool).toBe("claude");
  expect(presetWish(tools, { tool: "codex", paths: [] }).tool).toBe("codex");
  expect(presetWish(tools, { tool: "jules", paths: [] }).tool).toBe("claude");
  expect(presetWish([tool("jules", "not_built")], { paths: [] }).tool).toBe("jules");
  expect(presetWish([], { paths: [] }).tool).toBe("");
  expect(presetWish(tools, { paths: ["/home/ada/shop", "/old"], place: "in_place" })).toMatchObject({ path: "/home/ada/shop", place: "in_place", mode: "default" });
});

test("a request has what was ticked and nothing else", () => {
  const wish = { ...presetWish([CLAUDE], { paths: [] }), path: " /home/ada/shop ", prompt: "do\nit 👩‍💻", keys: { A: true, B: false }, networks: "db, cache" };
  expect(requestOf(wish)).toEqual({
    tool: "claude",
    image: null,
    workspace: { kind: "clone", path: "/home/ada/shop", uncommitted: false, untracked: false },
    prompt: "do\nit 👩‍💻",
    mode: "default",
    keys: ["A"],
    title: null,
    limits: { memory_mb: 4096, cpus: 2, pids: 2048 },
    networks: ["db", "cache"],
    host_access: false,
    mounts: [],
    gpu: false,
  });
  expect(requestOf({ ...wish, place: "none" }).workspace).toEqual({ kind: "volume" });
  expect(requestOf({ ...wish, place: "in_place" }).workspace).toEqual({ kind: "in_place", path: "/home/ada/shop" });
  expect(requestOf({ ...wish, uncommitted: true, untracked: true }).workspace).toMatchObject({ uncommitted: true, untracked: true });
});

test("what can't be asked for is said", () => {
  const wish = { ...presetWish([CLAUDE], { paths: [] }), path: "/home/ada/shop" };
  expect(wrongWith(wish, CLAUDE)).toBeNull();
  expect(wrongWith({ ...wish, path: "C:\\shop" }, CLAUDE)).toBeNull();
  expect(wrongWith({ ...wish, path: "", place: "none" }, CLAUDE)).toBeNull();
  expect(wrongWith(wish, undefined)).toBe("Choose a tool.");
  expect(wrongWith(wish, tool("jules", "not_built"))).toBe("jules can't be used here.");
  expect(wrongWith(wish, tool("buddy", "present", { needs_prompt: true }))).toMatch(/needs a prompt/);
  // An empty field of numbers is null.
  const empty = null as unknown as number;
  for (const change of [{ path: "" }, { path: "shop" }, { path: "../shop" }, { memory_gb: 0 }, { memory_gb: empty }, { cpus: 0 }, { cpus: empty }, { pids: 3 }, { pids: 1.5 }, { pids: empty }]) {
    expect(wrongWith({ ...wish, ...change }, CLAUDE), JSON.stringify(change)).not.toBeNull();
  }
});
