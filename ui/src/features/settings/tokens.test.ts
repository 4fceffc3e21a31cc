import { expect, test, vi } from "vitest";

import type { Host } from "../../host";
import type { TokenEntry } from "../../wire";
import { reach, scopesOf, scopeWords, Tokens } from "./tokens.svelte";

const entry = (name: string, machines: string[] | null = null): TokenEntry => ({ name, scopes: ["read"], machines, created_at_ms: 1 });

test("a new token is shown until it is dismissed or removed", async () => {
  const call = vi.fn(async (command: string): Promise<unknown> => {
    if (command === "token_create") return { token: "e2b_1", entry: entry("ci") };
    return { tokens: command === "token_remove" ? [] : [entry("ci")] };
  });
  const tokens = new Tokens({ call } as unknown as Host);
  await tokens.load();
  expect(tokens.made).toBeNull();
  expect(await tokens.create({ name: "ci", scopes: ["read"], machines: null })).toBe(true);
  expect(tokens.made).toEqual({ name: "ci", token: "e2b_1" });
  // The list has no token in it.
  expect(JSON.stringify(tokens.list)).not.toContain("e2b_1");
  await tokens.remove("ci");
  expect(tokens.made).toBeNull();
  expect(tokens.list).toEqual({ tokens: [] });
});

test("scopes are those that are ticked, and servers by name", () => {
  expect(scopesOf(["read"], "")).toEqual(["read"]);
  expect(scopesOf([], "computer, files\tx")).toEqual(["mcp:computer", "mcp:files", "mcp:x"]);
});

test("a token that is for nothing says so", () => {
  expect(reach(entry("a"))).toBe("all machines and the API");
  expect(reach(entry("a", ["x", "y"]))).toBe("x, y");
  expect(reach(entry("a", []))).toBe("no machine");
});

test("all scopes of a token are shown", () => {
  expect(scopeWords({ ...entry("a"), scopes: ["exec", "mcp:computer"] })).toBe("exec mcp:computer");
});
