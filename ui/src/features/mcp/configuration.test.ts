import { expect, test } from "vitest";

import type { McpClient } from "../../wire";
import { TARGETS } from "./configuration";

test("every client that the app has a form for is offered once", () => {
  // A client without an entry here does not compile.
  const offered: Record<McpClient, number> = { "claude-code": 0, "claude-desktop": 0, codex: 0, cursor: 0, "gemini-cli": 0, vscode: 0, windsurf: 0, zed: 0, address: 0 };
  for (const { client } of TARGETS) offered[client] += 1;
  expect(Object.entries(offered).filter(([, times]) => times !== 1)).toEqual([]);
});
