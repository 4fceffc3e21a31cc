import { expect, test } from "vitest";

import type { McpFile } from "../../wire";
import { leftOut, remarks } from "./servers.svelte";

const file = (path: string, problems: McpFile["problems"]): McpFile => ({ path, source: "data", found: true, error: null, problems });

test("an entry that isn't used is listed with its reason, and what is ignored is told where it belongs", () => {
  const files = [
    file("/repo/mcp.json", [{ server: null, left_out: false, problem: 'not used: "theme"' }]),
    file("/data/mcp.json", [
      { server: "a b", left_out: true, problem: "invalid server name" },
      { server: "b", left_out: false, problem: 'not supported and ignored: "timeout"' },
    ]),
  ];
  expect(leftOut(files)).toEqual([{ server: "a b", left_out: true, problem: "invalid server name", path: "/data/mcp.json" }]);
  expect(remarks(files, "b").map(({ problem }) => problem)).toEqual(['not supported and ignored: "timeout"']);
  expect(remarks(files, null).map(({ path }) => path)).toEqual(["/repo/mcp.json"]);
  expect(remarks(files, "a b")).toEqual([]);
});
