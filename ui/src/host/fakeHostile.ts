// A machine whose inside does what it can to fool or hang the pages. Every value here is one that a
// real machine could send.

import type { CellOutput, Event, ChangedFile, EvolveRun, Failure, RepoDiff } from "../wire";
import type { Command, Request } from "./host";

type Tell = (event: Event) => void;

const OVERRIDE = "\u202e";
const ESCAPES = "\u001b]0;owned\u0007\u001b]52;c;cm0gLXJm\u0007\u001b[2J";
const deep = (levels: number) => JSON.parse("[".repeat(levels) + "]".repeat(levels)) as unknown;
/** About 360 KB. */
const WIDE = Object.fromEntries(Array.from({ length: 60 }, (_, one) => [`k${one}`, Object.fromEntries(Array.from({ length: 40 }, (_, two) => [`k${two}`, Array.from({ length: 50 }, (_, three) => three)]))]));

const TOOLS: unknown[] = [
  { name: "safe", description: "Takes a path.", inputSchema: { type: "object", properties: { path: { type: "string" } }, required: ["path"] } },
  { name: "payload", inputSchema: { type: "object", properties: { payload: true } } },
  { name: "nothing", inputSchema: null },
  { name: "self", inputSchema: { type: "object", properties: { next: { $ref: "#" }, other: { $ref: "#" } }, required: ["next", "other"] } },
  { name: "pattern", inputSchema: { type: "object", properties: { text: { type: "string", pattern: "^(a+)+$", default: `${"a".repeat(40)}!` } } } },
  { name: `gpj.${OVERRIDE}exe`, title: `${ESCAPES}a title`, description: `two\nlines ${OVERRIDE}reversed` },
  ...["odd", "deep", "wide", "broken", "ask"].map((name) => ({ name, inputSchema: { type: "object", properties: {} } })),
  { name: "safe", description: "another of the same name", inputSchema: {} },
  null,
  "tool",
  { name: 3 },
];

const RESULTS: Record<string, unknown> = {
  odd: { content: [null, { type: "text" }, 3, { type: "resource", resource: null }, { type: "text", text: `the end ${ESCAPES}${OVERRIDE}` }] },
  deep: { content: [{ type: "text", text: "deep" }], structuredContent: deep(180_000) },
  wide: { content: [{ type: "text", text: JSON.stringify(WIDE) }], structuredContent: WIDE },
};

const changed = (path: string, change: "added" | "changed", patch: string, added = 1): ChangedFile => ({ path, change, added, removed: 0, mode: "100644", old_mode: change === "added" ? null : "100644", patch, cut: false });
const created = (path: string, text: string) => changed(path, "added", `@@ -0,0 +1 @@\n+${text}\n`);
const DIFF: RepoDiff = {
  from_commit: "1f3a",
  from_generation: 5,
  tree: "0".repeat(40),
  files: [
    changed("body/Dockerfile", "changed", "@@ -1 +1,2 @@\n FROM x\n+RUN evil\n"),
    created('na"me', "quoted"),
    created(`rtl${OVERRIDE}gpj.sh`, `echo ${OVERRIDE}reversed`),
    created("z b/body/Dockerfile", "innocent"),
    changed("lost", "changed", "", 0),
  ],
  more_files: 0,
  patch: "",
  cut: false,
  compiles: false,
};

/** Text without a place to break, wherever there is some. */
const LONG = "x".repeat(3000);
const RUN: EvolveRun = {
  run_id: "r7", kind: "evolve", asked_by: "machine", state: "failed", note: LONG, running_cell: "wait", started_at: 1, ended_at: 2, error: LONG, failure: { code: "internal", message: LONG, cause: LONG, next: null, detail: LONG }, generation: 7, from_generation: 6, commit: "1f3b",
  steps: [{ name: "prove", state: "failed", started_at: 1, ended_at: 2, note: LONG }],
  report: {
    proof: { ok: false, checks: [{ name: LONG, ok: false, detail: LONG, took_ms: 1 }] },
    kernels: [{ kernel: LONG, snapshot: LONG, saved: [], skipped: [{ name: LONG, type: LONG, reason: LONG }], failed: [] }],
    lost_files: [`/${LONG}`],
    lost_files_count: 1,
    downtime_ms: 1,
    warnings: [LONG],
  },
};

const GONE: Failure = {
  code: "not_found",
  message: "The output is no longer in the machine",
  cause: "The machine keeps the outputs of its last cells, until it is restarted.",
  next: { kind: "run_cell_again" },
  detail: null,
};

/** What a cell of this source puts out. */
const OUTPUTS: Record<string, unknown[]> = {
  rule: [{ output_type: "display_data", data: { "text/markdown": "$\\rule{4000px}{300px}$ [good](https://evil.example \"https://good.example\")" } }],
  form: [{ output_type: "display_data", data: { "text/html": '<form name="body"><input name="closest"></form><form name="addEventListener"></form><img name="documentElement"><p contenteditable id="edit">edit me</p><button>press</button><p>named elements</p>' } }],
  odd: [null, 3, { output_type: "stream", text: { a: 1 } }, { output_type: "display_data", data: { "application/json": deep(180_000) } }, { output_type: "error", ename: {}, evalue: null, traceback: [3, null] }, { output_type: "stream", name: "stdout", text: `${ESCAPES}visible ${OVERRIDE}end\n` }],
  // The first is in the machine, the second no longer, and no machine of ours sends the third.
  lying: [1, 2].map((seq) => ({ output_type: "reference", execution_id: "e", seq, of: "display_data", display_id: null, size_bytes: 3e6, mime_types: ["image/png", `text/${OVERRIDE}html`], head: `<Figure> ${ESCAPES}` })).concat([{ output_type: "reference", seq: -1 } as never]),
  many: Array.from({ length: 5000 }, (_, at) => ({ output_type: "display_data", data: { "text/plain": `output ${at}` } })),
};

export function hostileEvents(code: string, cell_id: string, run_id: string): Event[] {
  const answer = { status: "completed" as const, error: null, timing_ms: 1, execution_count: 1 };
  return [
    { kind: "cell_queued", cell_id, run_id },
    { kind: "cell_started", cell_id, run_id, ran_ms: 0 },
    ...(OUTPUTS[code.trim()] ?? []).map((output): Event => ({ kind: "cell_output", cell_id, run_id, output: output as CellOutput })),
    { kind: "cell_ended", cell_id, run_id, answer, failure: null },
  ];
}

export function hostile(tell: Tell): { [K in Command]?: (request: Request<K>) => unknown } {
  const message = (message: unknown) => tell({ kind: "mcp_message", session: "fake", message: message as Record<string, never> });
  return {
    mcp_request: async ({ method, params }) => {
      if (method === "tools/list") return { result: { tools: TOOLS, nextCursor: "again" }, error: null, duration_ms: 1 };
      const name = (params as { name?: string }).name ?? "";
      if (name === "broken") return "not an answer";
      if (name === "ask") {
        message(null);
        message({ id: 1, method: "sampling/createMessage", params: { messages: [{ role: "user", content: null }, null] } });
        message({ id: 2, method: "elicitation/create", params: { message: `second ${OVERRIDE}question`, requestedSchema: { type: "object", properties: { colour: true } } } });
        for (let id = 3; id < 200; id++) message({ id, method: "elicitation/create", params: null });
        for (let token = 1000; token < 3000; token++) message({ method: "notifications/progress", params: { progressToken: token, progress: {} } });
      }
      return { result: RESULTS[name] ?? { content: [{ type: "text", text: `called ${name} with ${JSON.stringify(params)}` }] }, error: null, duration_ms: 1 };
    },
    kernel_output: ({ seq }) => {
      if (seq !== 1) throw GONE;
      return { output: { output_type: "display_data", data: { "text/plain": "came from the machine" }, metadata: {} } };
    },
    evolve_preview: () => DIFF,
    evolve_status: () => ({ latest_run: RUN, interrupted: false, executor: "host", needs_yes: false, repo: `/${LONG}` }),
    job_list: () => ({ jobs: [{ id: "constructor", kind: "command", owner: { kind: "token", name: `${OVERRIDE}ic` }, machine: "os-host", title: `${ESCAPES}rm ${OVERRIDE}reversed`, state: { kind: "failed", why: `${ESCAPES}${"x".repeat(150)}` }, created_at: 1, started_at: 1, ended_at: 2, exit: 2147483647, has_log: false, can_cancel: true }], left_out: 0 }),
    machine_logs: () => ({ lines: [`${ESCAPES}first`, `a${OVERRIDE}b`, "x".repeat(1_000_000)] }),
    service_list: () => ({ services: ["constructor", "constructor", `kernel-${OVERRIDE}`].map((name) => ({ name, state: "ready", pid: 1, since_ms: 0, restarts: 0, last_exit: null })) }),
    notebook_open: ({ path }) => ({ path, stamp: "1", upgraded_from: null, content: { nbformat: 4, nbformat_minor: 5, metadata: {}, cells: [{ id: "a", cell_type: "code", source: "rule", metadata: {}, outputs: { no: "list" } }, { id: "b", cell_type: "code", source: 3, metadata: null, outputs: [null] }] } }),
    notebook_stamp: () => ({ stamp: "1" }),
  };
}
