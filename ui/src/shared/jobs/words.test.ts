import { expect, test } from "vitest";

import type { Job, JobKind, JobState } from "../../wire";
import { KINDS, remedy, stateWords, summary, title } from "./words";

const job = (kind: JobKind, state: JobState["kind"], text = ""): Job => ({
  id: `${kind}-${state}`,
  kind,
  owner: { kind: "person" },
  machine: "os-host",
  title: text,
  state: state === "failed" ? { kind: "failed", why: "no space" } : { kind: state },
  created_at: 1,
  started_at: 1,
  ended_at: null,
  exit: null,
  has_log: false,
  can_cancel: false,
});

test("each failed kind is retried as what it is", () => {
  const kinds = Object.keys(KINDS) as JobKind[];
  expect(Object.fromEntries(kinds.map((kind) => [kind, remedy(job(kind, "failed"))]))).toEqual({
    build: { kind: "build", word: "Retry" },
    start: { kind: "start", word: "Retry" },
    evolve: { kind: "page", word: "Open Evolve", page: "evolve" },
    rollback: { kind: "page", word: "Open Evolve", page: "evolve" },
    cell: { kind: "page", word: "Open notebook", page: "notebook" },
    command: null,
    terminal: null,
  });
  expect(remedy(job("start", "succeeded"))).toBeNull();
  expect(remedy(job("start", "cancelled"))).toBeNull();
  expect(remedy(job("evolve", "awaits_approval"))).toEqual({ kind: "page", word: "Review", page: "evolve" });
});

test("a title says what a job is about, and shows what can't be seen", () => {
  expect(title(job("start", "running"))).toBe("Start machine");
  expect(title(job("evolve", "running", "ripgrep"))).toBe("Evolve: ripgrep");
  expect(title(job("cell", "running", "import os"))).toBe("import os");
  expect(title(job("command", "running", "rm \u202e-rf"))).toBe("rm ⟨U+202E⟩-rf");
});

test("the status line counts what goes on, and what failed unseen comes with its colour", () => {
  expect(summary([], 0)).toEqual({ tone: "idle", words: "No jobs running" });
  expect(summary([job("cell", "succeeded")], 0).words).toBe("No jobs running");
  expect(summary([job("cell", "queued")], 0)).toEqual({ tone: "idle", words: "1 queued" });
  const some = [job("cell", "running"), job("terminal", "running"), job("cell", "queued"), job("evolve", "awaits_approval")];
  expect(summary(some, 0)).toEqual({ tone: "busy", words: "1 awaiting approval, 2 running, 1 queued" });
  expect(summary([job("start", "failed")], 1)).toEqual({ tone: "bad", words: "1 failed" });
});

test("what failed, and what was interrupted, look alike", () => {
  expect(stateWords({ kind: "failed", why: "" }).tone).toBe("bad");
  expect(stateWords({ kind: "interrupted" }).tone).toBe("bad");
  expect(stateWords({ kind: "cancelled" }).tone).toBe("idle");
});
