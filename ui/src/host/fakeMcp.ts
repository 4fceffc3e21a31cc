// MCP servers of the fake host: scenes to look at.

import type { McpFile, McpServerStatus, McpTrace } from "../wire";
import type { Answer, Command, Request } from "./host";

type State = { state: "ready"; pid: number | null; since_ms: number } | { state: "idle" } | { state: "disabled" } | { state: "backoff"; retry_in_ms: number };

const begun = Date.now();

function server(name: string, state: State, calls: number, errors = 0): McpServerStatus {
  return {
    name,
    source: name === "weather" || name === "tickets" ? "data" : "builtin",
    isolate: false,
    restarts: errors > 2 ? 3 : 0,
    last_exit: null,
    problem: errors > 2 ? "It ended with exit code 1: ModuleNotFoundError: No module named 'weather'" : null,
    server_info: { name, version: "1.7.0" },
    protocol: "2025-11-25",
    sessions: 1,
    own_processes: 0,
    calls,
    errors,
    in_flight: 0,
    p50_ms: calls > 0 ? 41.2 : null,
    p95_ms: calls > 0 ? 390.5 : null,
    stderr: ["INFO listening on stdio", "WARN a slow answer"],
    remarks: name === "weather" ? ["tools/list repeats its cursor: only the pages up to there are used"] : [],
    ...state,
  };
}

function servers(): McpServerStatus[] {
  const ready: State = { state: "ready", pid: 231, since_ms: begun - 900_000 };
  const beat = Math.floor((Date.now() - begun) / 700);
  return [
    server("browser-use", ready, 80 + beat * (beat % 3), 1),
    server("computer", ready, 214 + beat),
    server("filesystem", { state: "idle" }, 0),
    server("linux", { state: "disabled" }, 0),
    server("tickets", { ...ready, pid: null }, 12),
    server("weather", { state: "backoff", retry_in_ms: 4000 }, 3, 3),
  ];
}

const TOOLS = [
  { name: "screenshot", title: "Picture of the screen", description: "A picture of the whole screen, a region or a window, scaled to a longest edge.\nCoordinates of later calls are those of this picture.", annotations: { readOnlyHint: true }, inputSchema: { type: "object", $defs: { Region: { type: "object", description: "Part of the screen", properties: { x: { type: "integer" }, y: { type: "integer" }, width: { type: "integer", minimum: 1 }, height: { type: "integer", minimum: 1 } }, required: ["x", "y", "width", "height"] } }, properties: { region: { anyOf: [{ $ref: "#/$defs/Region" }, { type: "null" }] }, longest_edge: { type: "integer", default: 1280, minimum: 64, description: "Pixels" } } } },
  { name: "click", title: "Click", description: "Clicks at a place of the last picture.", inputSchema: { type: "object", properties: { x: { type: "integer" }, y: { type: "integer" }, button: { enum: ["left", "middle", "right"], default: "left" }, modifiers: { type: "array", items: { enum: ["ctrl", "shift", "alt"] } } }, required: ["x", "y"] } },
  { name: "run_shell", title: "Run a command", description: "Runs a command in the machine's shell.", annotations: { destructiveHint: true }, inputSchema: { type: "object", properties: { command: { type: "string", description: "As for bash" }, timeout_s: { type: "number", description: "Seconds" } }, required: ["command"] } },
  { name: "exec_python", description: "Runs a cell in the kernel.", inputSchema: { type: "object", properties: { code: { type: "string" } }, required: ["code"] } },
];

function traces(after: number): { events: McpTrace[]; last: number } {
  const last = Math.floor((Date.now() - begun) / 400);
  const events = Array.from({ length: Math.min(60, last - after) }, (_, at): McpTrace => {
    const seq = Math.max(after, last - 60) + at + 1;
    const kind = seq % 13 === 0 ? "error" : seq % 2 === 0 ? "response" : "request";
    const message = kind === "request" ? { jsonrpc: "2.0", id: seq, method: "tools/call", params: { name: "click", arguments: { x: 3, y: 4 } } } : { jsonrpc: "2.0", id: seq - 1, result: { content: [{ type: "text", text: "done" }] } };
    return { seq, at_ms: begun + seq * 400, server: seq % 5 === 0 ? "filesystem" : "computer", session: "01JD…", direction: kind === "request" ? "client_to_server" : "server_to_client", kind, method: "tools/call", id: seq, bytes: 140 + seq, duration_ms: kind === "request" ? null : 12.5, truncated: false, message };
  });
  return { events, last };
}

const FILES: McpFile[] = [
  { path: "/repo/mcp.json", source: "repo", found: true, error: null, problems: [] },
  {
    path: "/data/mcp.json",
    source: "data",
    found: true,
    error: null,
    problems: [
      { server: "my notes", left_out: true, problem: "invalid server name \"my notes\": use 1 to 48 letters, digits, '-', '_' and '.'" },
      { server: "weather", left_out: false, problem: 'not supported and ignored: "timeout"' },
    ],
  },
];

export const fakeMcp: { [K in Command]?: (request: Request<K>) => unknown } = {
  mcp_status: () => ({ servers: servers(), files: FILES, aggregate_sessions: 1, last_trace: 0, version: "0.1.0" }),
  mcp_servers: () => ({
    servers: servers().map(({ name, source, state }) => ({ name, source, enabled: state !== "disabled", entry: { ...(name === "tickets" ? { url: "https://tickets.example/mcp", args: [], env: {}, headers: { Authorization: "•••" } } : { command: "python3", args: ["-m", name], env: { API_KEY: "•••" }, headers: {} }), isolate: false, disabled: false, redact: false, rename: {} } })),
    files: FILES,
  }),
  mcp_traces: ({ after }) => traces(after),
  mcp_access: () => ({ url: "http://127.0.0.1:8765" }),
  mcp_configuration: ({ client, server }) => ({ text: `http://127.0.0.1:8765${server === null ? "" : `/servers/${server}`}/mcp?token=e2b_0`, place: "a file", token: client }),
  mcp_open: ({ server }) => ({ session: "fake", initialized: { protocolVersion: "2025-11-25", capabilities: { tools: {}, resources: { subscribe: true }, prompts: {}, logging: {} }, serverInfo: { name: server ?? "vivarium", version: "0.1.0" } } }),
  mcp_request: async ({ method, params }): Promise<Answer<"mcp_request">> => {
    const results: Record<string, unknown> = {
      "tools/list": { tools: TOOLS },
      "resources/list": { resources: [{ uri: "file:///root/notes.md", name: "notes.md", mimeType: "text/markdown" }] },
      "resources/templates/list": { resourceTemplates: [{ uriTemplate: "file:///{+path}", name: "Any file" }] },
      "prompts/list": { prompts: [{ name: "review", description: "Reviews a change", arguments: [{ name: "branch", required: true }] }] },
    };
    const called = (params as { name?: string } | null)?.name;
    if (method === "tools/call") await new Promise((resolve) => setTimeout(resolve, 900));
    if (called === "click") return { result: null, error: { code: -32602, message: "x lies outside of the picture", data: { x: 4000 } }, duration_ms: 3 };
    const answer = { content: [{ type: "text", text: '{"windows": [{"title": "xterm", "at": [150, 70]}, {"title": "Chromium", "at": [520, 160]}]}' }], structuredContent: { count: 2 } };
    return { result: results[method] ?? (method === "tools/call" ? answer : {}), error: null, duration_ms: 41.3 };
  },
};
