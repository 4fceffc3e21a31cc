// What any answer of the fake host becomes in scenes that concern every page: nothing yet, too much, none in time, none at all.

import type { Failure, Generation, McpServerStatus } from "../wire";

type Answers = Record<string, (answer: never) => unknown>;

const OUT_OF_REACH: Failure = {
  code: "unhealthy",
  message: "The machine is not responding",
  cause: "The connection to 127.0.0.1:8080 was refused.",
  next: { kind: "check_services" },
  detail: null,
};

/** Commands that go on when the rest fails or waits: without them there is no page to look at. */
const ALWAYS = ["engine_info", "app_info", "settings_get", "machine_status"];

const BUSY = ["sandbox_create", "sandbox_pause", "sandbox_destroy", "sandbox_code", "agent_start", "agent_answer", "agent_stop", "agent_diff"];

const NEW: Answers = {
  job_list: () => ({ jobs: [], left_out: 0 }),
  service_list: () => ({ services: [] }),
  kernel_variables: () => ({ count: 0, variables: [] }),
  snapshot_list: () => ({ snapshots: [] }),
  machine_logs: () => ({ lines: [] }),
  secret_list: (list: object) => ({ ...list, secrets: [] }),
  token_list: () => ({ tokens: [] }),
  mcp_status: (status: object) => ({ ...status, servers: [] }),
  mcp_servers: (servers: object) => ({ ...servers, servers: [] }),
  mcp_traces: () => ({ events: [], last: 0 }),
  mcp_request: (answer: object) => ({ ...answer, result: { tools: [], resources: [], resourceTemplates: [], prompts: [] } }),
  evolve_preview: (diff: object) => ({ ...diff, files: [], patch: "" }),
  evolve_status: (status: object) => ({ ...status, latest_run: null }),
  evolve_runs: () => ({ runs: [] }),
  generation_list: (list: object) => ({ ...list, generations: [] }),
};

const LONG = "a-name-that-somebody-gave-without-thinking-of-those-who-have-to-read-it-in-a-narrow-column";

const FULL: Answers = {
  kernel_variables: ({ variables }: { variables: { name: string }[] }) => ({
    count: 600,
    variables: Array.from({ length: 600 }, (_, at) => ({ ...variables[at % 3], name: at === 1 ? LONG.replaceAll("-", "_") : `value_${at}` })),
  }),
  mcp_status: (status: { servers: McpServerStatus[] }) => ({
    ...status,
    servers: [...status.servers, ...Array.from({ length: 40 }, (_, at) => ({ ...status.servers[1], name: at === 0 ? LONG : `server-${at}`, calls: 10 ** (at % 7) }))],
  }),
  evolve_preview: (diff: { files: { path: string }[]; patch: string }) => ({
    ...diff,
    cut: true,
    files: Array.from({ length: 80 }, (_, at) => ({ ...diff.files[0], path: `body/rootfs/usr/share/${at === 0 ? LONG : `part-${at}`}/configuration.conf` })),
    patch: Array.from({ length: 80 }, () => diff.patch).join(""),
  }),
  generation_list: (list: { generations: Generation[] }) => ({
    ...list,
    generations: [...list.generations.map((one, at) => ({ ...one, number: 70 - at, note: `${LONG} ${one.note ?? ""}` })), ...Array.from({ length: 60 }, (_, at) => ({ ...list.generations[3], number: 60 - at, note: `change ${at}` }))],
  }),
};

/** The answer as the scene has it. */
export function asScene(scene: string, command: string, answer: unknown): unknown {
  if (scene === "failing" && !ALWAYS.includes(command)) throw OUT_OF_REACH;
  if (scene === "loading" && !ALWAYS.includes(command)) return new Promise(() => {});
  // Changes of keys, tokens, sandboxes and agents that take their time.
  if (scene === "busy" && (/^(secret|token)_(?!list)/.test(command) || BUSY.includes(command))) return new Promise(() => {});
  const change = { new: NEW, full: FULL }[scene]?.[command];
  return change ? Promise.resolve(answer).then((given) => change(given as never)) : answer;
}
