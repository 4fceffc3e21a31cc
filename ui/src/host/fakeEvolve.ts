// Evolves of the fake host: scenes to look at.

import type { EvolveRun, Failure, Generation, RepoDiff, StepName } from "../wire";
import type { Command, Request } from "./host";

const now = Date.now();
const HOUR = 3_600_000;

function generation(number: number, given: Partial<Generation>): Generation {
  return { number, image: `os:gen-${number}`, image_id: "sha256:8f2c", created_at: now - (6 - number) * 5 * HOUR, size_bytes: 1.42e9, state: "good", current: false, kept: false, name: null, note: null, asked_by: "person", run_id: `r${number}`, commit: "1f3a", has_state: true, image_present: true, ...given };
}

const GENERATIONS: Generation[] = [
  generation(5, { current: true, note: "ripgrep and fd for the shell", asked_by: "machine" }),
  generation(4, { state: "failed", note: "newer pandas" }),
  generation(3, { name: "before the exam", kept: true }),
  generation(2, { note: "a larger screen" }),
  generation(1, { image_present: false }),
];

const DIFF: RepoDiff = {
  from_commit: "1f3a",
  from_generation: 5,
  files: [
    { path: "body/Dockerfile", change: "changed", added: 1, removed: 1, mode: "100644", old_mode: "100644", patch: "@@ -31,3 +31,3 @@\n     apt-get update -qq; \\\n-      bash ca-certificates curl git jq less \\\n+      bash ca-certificates curl git jq less ripgrep \\\n       python3 python3-pip\n", cut: false },
    { path: "body/rootfs/usr/share/vivarium/wallpaper.svg", change: "added", added: 12, removed: 0, mode: "100644", old_mode: null, patch: "", cut: true },
  ],
  tree: "9c1e",
  more_files: 0,
  patch: "diff --git a/body/Dockerfile b/body/Dockerfile\n--- a/body/Dockerfile\n+++ b/body/Dockerfile\n@@ -31,3 +31,3 @@\n     apt-get update -qq; \\\n-      bash ca-certificates curl git jq less \\\n+      bash ca-certificates curl git jq less ripgrep \\\n       python3 python3-pip\n",
  cut: false,
  compiles: false,
};

function run(scene: string): EvolveRun {
  const done = (name: StepName, at: number, took: number, note: string | null = null) => ({ name, state: "done" as const, started_at: now - at, ended_at: now - at + took, note });
  const base = { run_id: "r6", kind: "evolve" as const, asked_by: "person" as const, note: "ripgrep for everybody", running_cell: "wait" as const, started_at: now - 20_000, ended_at: null, error: null, failure: null, generation: 6, from_generation: 5, commit: "77aa" };
  const report = { proof: null, kernels: [], lost_files: [], lost_files_count: 0, downtime_ms: null, warnings: [] };
  if (scene === "evolving") return { ...base, state: "running", steps: [done("prepare", 20_000, 400), done("build", 19_600, 11_000, "os:gen-6, 43 steps of which 40 were there"), { name: "prove", state: "running", started_at: now - 8000, ended_at: null, note: null }], report };
  if (scene.startsWith("asked")) return { ...base, state: "awaits_yes", asked_by: "machine", steps: [], report };
  const proof = { ok: false, checks: [{ name: "display", ok: true, detail: "1280 × 800", took_ms: 210 }, { name: "kernel", ok: true, detail: "1+1 is 2", took_ms: 340 }, { name: "mcp filesystem", ok: false, detail: "it ended with exit code 1 before it answered initialize", took_ms: 2210 }] };
  return { ...base, state: "failed", ended_at: now - 60_000, error: "The candidate is not well: mcp filesystem", steps: [done("prepare", 90_000, 300), done("build", 89_000, 9000), { name: "prove", state: "failed", started_at: now - 70_000, ended_at: now - 62_000, note: "mcp filesystem: it ended with exit code 1" }], report: { ...report, proof, warnings: [] } };
}

const PAST: EvolveRun[] = [
  { ...run("running"), run_id: "r5", state: "good", error: null, note: "ripgrep and fd for the shell", generation: 5, started_at: now - 5 * HOUR - 20_000, ended_at: now - 5 * HOUR },
  { ...run("running"), run_id: "r4", note: "newer pandas", generation: 4, ended_at: now - 10 * HOUR },
  { ...run("running"), run_id: "r3", state: "cancelled", steps: [], error: null, note: null, generation: null, ended_at: now - 26 * HOUR },
];

export const fakeEvolve = (scene: string): { [K in Command]?: (request: Request<K>) => unknown } => ({
  evolve_preview: () => {
    if (scene === "asked-reading") return new Promise(() => {});
    if (scene === "asked-failing") throw { code: "internal", message: "The repo can't be read", cause: "too many files", next: null, detail: null } satisfies Failure;
    return DIFF;
  },
  evolve_status: () => ({ latest_run: run(scene), interrupted: false, executor: "host", needs_yes: true, repo: "/home/ada/.local/share/vivarium/machines/os-host/repo" }),
  evolve_runs: () => ({ runs: [run(scene), ...PAST] }),
  evolve_log: () => ({ lines: ["prepare: the repo is committed on vivarium/run-r6", "build: step 41 of 43", "prove: the candidate is up"], next: 3 }),
  generation_list: () => ({ generations: GENERATIONS, saved: [], generations_to_keep: 3 }),
  generation_diff: () => DIFF,
});
