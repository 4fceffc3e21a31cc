import { expect, test } from "vitest";

import type { AgentState, AgentTool, AgentView } from "../../wire";
import { imageWords, isLive, isOfKind, matches, needsYou, pageWords, policyWords, readiness, stateReason, stateWords, takesInput, titleOf, workspaceWords } from "./words";

const one = (state: AgentState, given: Partial<AgentView> = {}) => ({ id: "a1", tool: "claude", title: null, state, asks: [], mode: null, workspace: { kind: "volume" }, ...given }) as AgentView;
const STATES: AgentState[] = [{ name: "starting" }, { name: "working" }, { name: "waiting", on: "permission" }, { name: "your_turn" }, { name: "idle" }, { name: "failed", reason: "x" }, { name: "exited", code: 3 }, { name: "paused" }, { name: "missing" }, { name: "unknown" }];

test("each state has words of its own, and one of a later version is shown as running", () => {
  expect(STATES.map((state) => stateWords(state).words)).toEqual(["Starting", "Working", "Asks permission", "Your turn", "Idle", "Failed", "Exited", "Paused", "Missing", "Running"]);
  expect(stateWords({ name: "dreaming" } as unknown as AgentState).words).toBe("Running");
  expect(stateWords({ name: "waiting", on: "tea" } as unknown as AgentState).words).toBe("Waiting");
  expect(stateReason({ name: "exited", code: 3 })).toBe("Its tool exited with code 3.");
  expect(stateReason({ name: "failed", reason: "a\u202eb\nc" })).toBe("a⟨U+202E⟩b⟨U+000A⟩c");
});

test("an agent needs a person if it asks, is done or failed", () => {
  expect(STATES.filter((state) => needsYou(one(state))).map(({ name }) => name)).toEqual(["waiting", "your_turn", "failed"]);
  expect(needsYou(one({ name: "working" }, { asks: [{ id: 1, tool: "Bash", detail: "" }] }))).toBe(true);
  expect(STATES.filter((state) => !isLive(one(state))).map(({ name }) => name)).toEqual(["failed", "exited", "missing"]);
  expect(takesInput(one({ name: "paused" }))).toBe(false);
  const of = (kind: "yours" | "live" | "over") => STATES.filter((state) => isOfKind(one(state), kind)).length;
  expect([of("yours"), of("live"), of("over")]).toEqual([3, 7, 3]);
  expect(pageWords([one({ name: "your_turn" })])).toEqual({ tone: "busy", words: "1 agent needs you" });
  expect(pageWords([one({ name: "idle" })]).words).toBe("1 running");
  expect(pageWords([one({ name: "exited", code: null })]).words).toBe("None running");
});

test("a filter finds words of the title, the tool, the folder and the state, in any order", () => {
  const agent = one({ name: "your_turn" }, { title: "Fix the Pool", workspace: { kind: "clone", path: "/home/ada/shop", uncommitted: false, untracked: false } });
  for (const filter of ["", "pool", "SHOP pool", "claude fix", "turn", "a1"]) expect(matches(agent, filter), filter).toBe(true);
  expect(matches(agent, "pool table")).toBe(false);
});

test("names from inside are one line, bounded, and hide nothing", () => {
  expect(titleOf(one({ name: "idle" }))).toBe("claude a1");
  expect(titleOf(one({ name: "idle" }, { title: "  " }))).toBe("claude a1");
  expect(titleOf(one({ name: "idle" }, { title: "a\u202eb\n\u0000" }))).toBe("a⟨U+202E⟩b⟨U+000A⟩⟨U+0000⟩");
  expect(titleOf(one({ name: "idle" }, { title: "x".repeat(10_000) })).length).toBeLessThan(200);
  const words = workspaceWords({ kind: "in_place", path: `/home/${"x".repeat(9000)}` });
  expect(words.how).toBe("in place");
  expect(words.name.length).toBeLessThan(200);
  expect(workspaceWords({ kind: "clone", path: "/home/ada/shop/", uncommitted: false, untracked: false })).toEqual({ name: "shop", how: "clone" });
});

test("an image says what it is, or why there is none", () => {
  expect(imageWords({ kind: "not_built", reason: "it fetches itself." })).toBe("Not built here, because it fetches itself.");
  expect(imageWords({ kind: "present", size_bytes: 9.07e8, version: "2.1", update: "2.2", origin: "built_here" })).toBe("Version 2.1, 907 MB. Version 2.2 is available.");
  expect(imageWords({ kind: "present", size_bytes: 5e8, version: null, update: null, origin: "unknown" })).toBe("500 MB.");
  const kinds = ["present", "unapproved", "missing", "not_built"].map((kind) => readiness({ state: { kind } } as AgentTool));
  expect(kinds).toEqual(["ready", "approve", "build", "never"]);
});

test("a mode in which nobody is asked is marked, and so is one that nobody knows", () => {
  expect((["plan", "ask", "edits", "auto", "all"] as const).map((policy) => policyWords(policy).careless)).toEqual([false, false, false, true, true]);
  expect(policyWords("new" as never).careless).toBe(true);
});
