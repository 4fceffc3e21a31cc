// Long work of all machines as the window knows it: each machine's list, fetched again when the app says
// that it changed.

import { createContext } from "svelte";

import { toFailure } from "../../host";
import type { Event, Failure, Job, JobList, MachineState } from "../../wire";
import type { Machines } from "../live/machines.svelte";
import { JobOutput } from "./output.svelte";
import { isFailed, isOfMachine, isOver } from "./words";

export type Look = { kind: "loading" } | { kind: "known"; list: JobList } | { kind: "failing"; failure: Failure };

export class Jobs {
  readonly #machines: Machines;
  /** By machine. */
  looks = $state<Record<string, Look>>({});
  /** Ids of jobs that were asked to end. */
  cancelling = $state<string[]>([]);
  /** What the last click could not do. */
  trouble = $state<Failure | null>(null);
  /** What ended before is of no interest to somebody who has just come. */
  readonly #since = Date.now();
  /** Ids of failed jobs that somebody looked at. */
  #seen = $state<string[]>([]);
  /** Machines whose list is being fetched; true if it changed meanwhile. */
  #fetching = new Map<string, boolean>();
  #states = new Map<string, MachineState>();

  constructor(machines: Machines) {
    this.#machines = machines;
  }

  /** Follows what the app says; call what is returned to stop. */
  watch(): () => void {
    return this.#machines.listen((event, machine) => this.#take(event, machine));
  }

  /** Fetches the lists of all machines. */
  look(): void {
    const { names } = this.#machines;
    for (const name of Object.keys(this.looks)) if (!names.includes(name)) delete this.looks[name];
    for (const name of names) void this.#fetch(name);
  }

  /** All of them, newest first. */
  get all(): Job[] {
    const lists = Object.values(this.looks).map((look) => (look.kind === "known" ? look.list.jobs : []));
    return lists.flat().sort((one, other) => other.created_at - one.created_at);
  }

  /** Jobs that run or wait. */
  get going(): Job[] {
    return this.all.filter(({ state }) => !isOver(state));
  }

  /** Those that ended. */
  get over(): Job[] {
    return this.all.filter(({ state }) => isOver(state));
  }

  /** Jobs of machines that failed since somebody looked at the list. */
  get unseen(): Job[] {
    return this.over.filter((job) => isOfMachine(job) && isFailed(job.state) && (job.ended_at ?? 0) > this.#since && !this.#seen.includes(job.id));
  }

  /** Somebody looks at the list. */
  see(): void {
    this.#seen = this.over.filter(({ state }) => isFailed(state)).map(({ id }) => id);
  }

  /** What is missing from the lists, by machine: why. */
  get missing(): { machine: string; why: string }[] {
    return Object.entries(this.looks).flatMap(([machine, look]) => {
      if (look.kind === "failing") return [{ machine, why: look.failure.cause ?? look.failure.message }];
      const why = look.kind === "known" ? look.list.missing : undefined;
      return why === undefined ? [] : [{ machine, why }];
    });
  }

  /** Whether nothing is known yet. */
  get loading(): boolean {
    const looks = Object.values(this.looks);
    return looks.length > 0 && looks.every(({ kind }) => kind === "loading");
  }

  async cancel({ id, machine }: Job): Promise<void> {
    if (this.cancelling.includes(id)) return;
    this.cancelling.push(id);
    await this.#do(() => this.#machines.host.call("job_cancel", { id }, machine));
    this.cancelling = this.cancelling.filter((one) => one !== id);
    if (machine !== null) void this.#fetch(machine);
  }

  /** What a job printed, which is read when somebody looks. */
  outputOf({ id, machine }: Job): JobOutput {
    return new JobOutput((after) => this.#machines.host.call("job_log", { id, after }, machine));
  }

  async #do(work: () => Promise<unknown>): Promise<void> {
    this.trouble = null;
    try {
      await work();
    } catch (thrown) {
      this.trouble = toFailure(thrown);
    }
  }

  #take(event: Event, machine: string | null): void {
    if (machine === null) return;
    if (event.kind === "jobs") void this.#fetch(machine);
    // A machine that starts or stops has other jobs inside, also if nobody inside could say so.
    if (event.kind === "machine" && this.#states.get(machine) !== event.status.state) {
      this.#states.set(machine, event.status.state);
      void this.#fetch(machine);
    }
  }

  async #fetch(machine: string): Promise<void> {
    if (this.#fetching.has(machine)) {
      this.#fetching.set(machine, true);
      return;
    }
    this.looks[machine] ??= { kind: "loading" };
    do {
      this.#fetching.set(machine, false);
      try {
        this.looks[machine] = { kind: "known", list: await this.#machines.host.call("job_list", {}, machine) };
      } catch (thrown) {
        this.looks[machine] = { kind: "failing", failure: toFailure(thrown) };
      }
    } while (this.#fetching.get(machine));
    this.#fetching.delete(machine);
    if (!this.#machines.names.includes(machine)) delete this.looks[machine];
  }
}

export const [useJobs, provideJobs] = createContext<Jobs>();
