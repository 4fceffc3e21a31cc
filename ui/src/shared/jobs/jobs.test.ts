import { expect, test, vi } from "vitest";

import type { Event, Failure, Job, JobKind, JobList, JobState } from "../../wire";
import type { Machines } from "../live/machines.svelte";
import { Jobs } from "./jobs.svelte";

const REFUSED: Failure = { code: "internal", message: "refused", cause: null, next: null, detail: null };

const job = (id: string, kind: JobKind, state: JobState, given: Partial<Job> = {}): Job => ({
  id, kind, state, owner: { kind: "person" }, machine: "one", title: "", created_at: 1, started_at: 1, ended_at: null, exit: null, has_log: false, can_cancel: true, ...given,
});
const list = (...jobs: Job[]): JobList => ({ jobs, left_out: 0 });

/** Jobs of these machines, whose lists the test gives. */
function jobsOf(names: string[], call: (command: string, request: unknown, machine: string) => Promise<unknown>) {
  let tell: (event: Event, machine: string | null) => void = () => {};
  const spy = vi.fn(call);
  const machines = { host: { call: spy }, names, listen: (listener: typeof tell) => ((tell = listener), () => (tell = () => {})) };
  const jobs = new Jobs(machines as unknown as Machines);
  const stop = jobs.watch();
  jobs.look();
  return { jobs, spy, stop, machines, tell: (event: unknown, machine: string | null) => tell(event as Event, machine) };
}

const settled = () => new Promise((resolve) => setTimeout(resolve));

test("all machines' jobs are one list, newest first, and what could not be asked for is said", async () => {
  const { jobs } = jobsOf(["one", "two", "three"], async (_, __, machine) => {
    if (machine === "three") throw REFUSED;
    return machine === "one" ? list(job("a", "cell", { kind: "running" }, { created_at: 5 })) : { ...list(job("b", "start", { kind: "succeeded" }, { created_at: 7 })), missing: "not responding" };
  });
  expect(jobs.loading).toBe(true);
  await settled();
  expect(jobs.loading).toBe(false);
  expect(jobs.all.map(({ id }) => id)).toEqual(["b", "a"]);
  expect(jobs.going.map(({ id }) => id)).toEqual(["a"]);
  expect(jobs.missing).toEqual([{ machine: "two", why: "not responding" }, { machine: "three", why: "refused" }]);
});

test("a list is fetched when it changed, once for a flood of changes and once for what came meanwhile", async () => {
  let finish: (answer: JobList) => void = () => {};
  const { tell, spy, jobs } = jobsOf(["one"], () => new Promise((resolve) => (finish = resolve)));
  for (let times = 0; times < 100; times++) tell({ kind: "jobs" }, "one");
  expect(spy).toHaveBeenCalledOnce();
  finish(list());
  await settled();
  expect(spy).toHaveBeenCalledTimes(2);
  finish(list(job("a", "cell", { kind: "running" })));
  await settled();
  expect(spy).toHaveBeenCalledTimes(2);
  expect(jobs.going).toHaveLength(1);
  // A machine that stops says so by its state; the same state again says nothing.
  for (let times = 0; times < 3; times++) tell({ kind: "machine", status: { state: "stopped" } }, "one");
  finish(list());
  await settled();
  expect(spy).toHaveBeenCalledTimes(3);
});

test("what failed is unseen until somebody looks, and only of kinds that nobody else shows", async () => {
  const now = Date.now() + 1000;
  const failed: JobState = { kind: "failed", why: "no space" };
  const { jobs } = jobsOf(["one"], async () =>
    list(job("a", "start", failed, { ended_at: now }), job("b", "cell", failed, { ended_at: now }), job("c", "evolve", failed, { ended_at: 1 }), job("d", "build", { kind: "cancelled" }, { ended_at: now })),
  );
  await settled();
  expect(jobs.unseen.map(({ id }) => id)).toEqual(["a"]);
  jobs.see();
  expect(jobs.unseen).toEqual([]);
});

test("a job is cancelled once, on its own machine, and what fails is shown", async () => {
  let refuse: (failure: Failure) => void = () => {};
  const { jobs, spy } = jobsOf(["one"], (command) => (command === "job_cancel" ? new Promise((_, reject) => (refuse = reject)) : Promise.resolve(list())));
  await settled();
  const one = job("a", "command", { kind: "running" });
  const first = jobs.cancel(one);
  await jobs.cancel(one);
  expect(jobs.cancelling).toEqual(["a"]);
  expect(spy.mock.calls.filter(([command]) => command === "job_cancel")).toEqual([["job_cancel", { id: "a" }, "one"]]);
  refuse(REFUSED);
  await first;
  expect(jobs.trouble).toEqual(REFUSED);
  expect(jobs.cancelling).toEqual([]);
});

test("a machine that is gone takes its jobs along", async () => {
  const { jobs, machines } = jobsOf(["one", "two"], async (_, __, machine) => list(job(machine, "cell", { kind: "running" })));
  await settled();
  expect(jobs.going).toHaveLength(2);
  machines.names = ["one"];
  jobs.look();
  await settled();
  expect(jobs.going.map(({ id }) => id)).toEqual(["one"]);
});
