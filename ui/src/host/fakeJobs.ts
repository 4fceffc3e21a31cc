// Jobs of the fake host: scenes to look at.

import type { Failure, Job, JobKind, JobList, JobState } from "../wire";
import type { Command, Request } from "./host";

const now = Date.now();

function job(kind: JobKind, state: JobState["kind"], title: string, given: Partial<Job> = {}): Job {
  const over = !["queued", "awaits_approval", "running"].includes(state);
  const at = given.created_at ?? now - 90_000;
  return {
    id: `${kind}-${state}-${title}`,
    kind,
    owner: { kind: "person" },
    machine: "os-host",
    title,
    state: state === "failed" ? { kind: "failed", why: "ValueError: no such column" } : { kind: state },
    created_at: at,
    started_at: state === "queued" || state === "awaits_approval" ? null : at,
    ended_at: over ? at + 42_000 : null,
    exit: kind === "command" && over ? 0 : null,
    has_log: kind !== "command" && kind !== "terminal",
    can_cancel: !over,
    ...given,
  };
}

const PAST = [
  job("command", "succeeded", "pip install polars", { created_at: now - 400_000, owner: { kind: "token", name: "ci" } }),
  job("cell", "failed", "frame.groupby('colour').mean()", { created_at: now - 700_000 }),
  job("start", "succeeded", "", { created_at: now - 2_900_000 }),
];

/** What goes on in each scene. */
const GOING: Record<string, Job[]> = {
  building: [job("start", "running", "")],
  "build-failed": [job("start", "failed", "", { state: { kind: "failed", why: "Step 7 of 21 of the build failed: RUN apt-get install ended with exit code 100" }, ended_at: now + 60_000 })],
  evolving: [job("evolve", "running", "ripgrep for everybody", { id: "r6" })],
  asked: [job("evolve", "awaits_approval", "ripgrep for everybody", { id: "r6", owner: { kind: "machine" } })],
  jobs: [
    job("cell", "running", "model.fit(frame)", { created_at: now - 754_000 }),
    job("cell", "queued", "model.score(frame)", { created_at: now - 20_000 }),
    job("command", "running", "pytest -q tests", { owner: { kind: "machine" } }),
    job("terminal", "running", "work", { created_at: now - 5_000_000 }),
    job("evolve", "failed", "newer pandas", { state: { kind: "failed", why: "the candidate's tests failed" }, ended_at: now + 60_000 }),
    job("build", "failed", "", { state: { kind: "failed", why: "no space left on device" }, ended_at: now + 50_000 }),
  ],
};
const LONG = "a-command-that-somebody-wrote-without-thinking-of-those-who-have-to-read-it ".repeat(2);

export class FakeJobs {
  #scene: string;
  /** Ids of those that were cancelled. */
  #cancelled: string[] = [];

  constructor(scene: string) {
    this.#scene = scene;
  }

  #list(): JobList {
    if (this.#scene === "absent") return { jobs: [], left_out: 0 };
    const many = this.#scene === "full" ? Array.from({ length: 60 }, (_, at) => job("command", at < 30 ? "running" : "succeeded", `${at} ${LONG}`)) : [];
    const jobs = [...many, ...(GOING[this.#scene] ?? []), ...PAST];
    return { jobs: jobs.map((one) => (this.#cancelled.includes(one.id) ? { ...one, state: { kind: "cancelled" }, ended_at: Date.now(), can_cancel: false } : one)), left_out: 0 };
  }

  readonly answers: { [K in Command]?: (request: Request<K>) => unknown } = {
    job_list: () => {
      if (this.#scene === "jobs-reading") return new Promise(() => {});
      if (this.#scene === "jobs-failing") throw { code: "unhealthy", message: "The machine is not responding", cause: null, next: null, detail: null } satisfies Failure;
      return this.#list();
    },
    job_log: ({ after }) => ({ text: after === 0 ? "collected 12 items\n" : "", next: 1 }),
    job_cancel: ({ id }) => {
      this.#cancelled.push(id);
      return {};
    },
    machine_build: () => ({ run_id: "fake-build" }),
  };
}
