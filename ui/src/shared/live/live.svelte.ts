// What all pages know of one machine: the container engine, its status, the run that goes on. A copy of
// what the app says, made again from its stream whenever the window opens.

import { createContext } from "svelte";

import { toFailure, type Command, type Answer, type Host, type Request } from "../../host";
import type { EngineInfo, Event, EvolveRun, Failure, MachineStatus } from "../../wire";
import { advance, beginRun, endRun, type Run } from "./run";

export type EngineLook = { kind: "looking" } | { kind: "here"; info: EngineInfo } | { kind: "away"; failure: Failure };
export type MachineLook =
  | { kind: "looking" }
  | { kind: "known"; status: MachineStatus }
  | { kind: "unknown"; failure: Failure };

/** What was asked of the machine and is not done yet. */
export type Doing = "starting" | "stopping" | "restarting" | "removing" | null;

/** Between two looks where engine or machine could not be seen, and where both were. */
const LOOK_AWAY_MS = 2000;
const LOOK_HERE_MS = 10_000;

export class Live {
  readonly host: Host;
  /** The machine; `null` for the first one, as long as the list of machines can't be had. */
  readonly name: string | null;
  /** What the page keeps about this machine ends in this; empty for the first one. */
  readonly key: string;
  engine = $state<EngineLook>({ kind: "looking" });
  machine = $state<MachineLook>({ kind: "looking" });
  run = $state<Run | null>(null);
  doing = $state<Doing>(null);
  /** The newest run of evolve that was heard of. */
  evolve = $state.raw<EvolveRun | null>(null);
  /** The run that this window asked for last. */
  #wanted = $state.raw<{ run_id: string; rebuild: boolean } | null>(null);
  /** What the last click could not do. */
  trouble = $state<Failure | null>(null);
  #listeners = new Set<(event: Event, at_ms: number) => void>();
  /** Whether another machine is shown. */
  #resting = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(host: Host, name: string | null, key: string) {
    this.host = host;
    this.name = name;
    this.key = key;
  }

  /** The status, where it is known. */
  get status(): MachineStatus | null {
    return this.machine.kind === "known" ? this.machine.status : null;
  }

  /** Whether the machine takes cells and shows its desktop. */
  get running(): boolean {
    return this.status?.state === "running";
  }

  /** Whether a run goes on. */
  get going(): boolean {
    return this.run?.outcome.kind === "going";
  }

  /** Hears every event; call what is returned to stop. */
  listen(listener: (event: Event, at_ms: number) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Looks no more until it is told to. Events are still heard. */
  rest(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#resting = true;
  }

  /** Asks for engine and machine again, now and after a while. */
  async look(): Promise<void> {
    clearTimeout(this.#timer);
    this.#resting = false;
    try {
      const info = await this.host.call("engine_info", {});
      if (this.engine.kind !== "here" || this.engine.info.version !== info.version) this.engine = { kind: "here", info };
      this.machine = { kind: "known", status: await this.call("machine_status", {}) };
    } catch (thrown) {
      const failure = thrown as Failure;
      if (this.engine.kind !== "here" || isEngines(failure)) this.engine = { kind: "away", failure };
      this.machine = { kind: "unknown", failure };
    }
    clearTimeout(this.#timer);
    if (this.#resting) return;
    const well = this.engine.kind === "here" && this.machine.kind === "known";
    this.#timer = setTimeout(() => void this.look(), well ? LOOK_HERE_MS : LOOK_AWAY_MS);
  }

  /** The run fails with `would_recreate` if a machine that runs would be replaced and `recreate` is false. */
  async up(rebuild: boolean, recreate = false): Promise<void> {
    await this.#do("starting", async () => {
      const { run_id } = await this.call("machine_up", { rebuild, recreate });
      this.#wanted = { run_id, rebuild };
    });
  }

  /**
   * The failure of the last run if it waits for a word on replacing the machine. Only the window that
   * asked for the run has it: one that is opened later, or another one, asks nobody.
   */
  get wouldRecreate(): Failure | null {
    const { run } = this;
    if (run?.outcome.kind !== "failed" || run.outcome.failure.code !== "would_recreate") return null;
    return run.id === this.#wanted?.run_id ? run.outcome.failure : null;
  }

  /** Does what the last run was to do, and replaces the machine that runs. */
  async recreate(): Promise<void> {
    await this.up(this.#wanted?.rebuild ?? false, true);
  }

  /** Builds the image, and leaves the container as it is. */
  async build(): Promise<void> {
    await this.#do("starting", () => this.call("machine_build", { rebuild: false }));
  }

  /** Does again what failed: a build is built, a start started. */
  async retry(): Promise<void> {
    await (this.run?.kind === "build" ? this.build() : this.up(false));
  }

  async down(): Promise<void> {
    await this.#change("stopping", "machine_down", {});
  }

  async restart(): Promise<void> {
    await this.#change("restarting", "machine_restart", {});
  }

  async remove(home: boolean): Promise<void> {
    await this.#change("removing", "machine_remove", { home });
  }

  async cancel(): Promise<void> {
    const run_id = this.run?.id;
    if (run_id !== undefined) await this.#do(this.doing, () => this.call("run_cancel", { run_id }));
  }

  async #change<C extends "machine_down" | "machine_restart" | "machine_remove">(doing: Doing, command: C, request: Request<C>) {
    await this.#do(doing, async () => {
      this.machine = { kind: "known", status: await this.call(command, request) };
    });
  }

  async #do(doing: Doing, work: () => Promise<unknown>): Promise<void> {
    this.trouble = null;
    this.doing = doing;
    try {
      await work();
    } catch (thrown) {
      this.trouble = toFailure(thrown);
    } finally {
      this.doing = null;
    }
  }

  /** Takes in an event about this machine, or about the app. */
  take(event: Event, at_ms: number): void {
    switch (event.kind) {
      case "machine":
        this.machine = { kind: "known", status: event.status };
        if (this.engine.kind === "away" && !this.#resting) void this.look();
        break;
      case "evolve":
        this.evolve = event.run;
        break;
      case "engine":
        if (!this.#resting) void this.look();
        break;
      case "run_progress":
        if (this.run?.id !== event.run_id) this.run = beginRun(event.run_id, at_ms);
        advance(this.run, event.progress, at_ms);
        break;
      case "run_ended":
        // How an evolve ended its own event says, on its own page.
        if (event.job_kind === "evolve" || event.job_kind === "rollback") break;
        if (this.run?.id !== event.run_id) this.run = beginRun(event.run_id, at_ms);
        endRun(this.run, event.failure, at_ms);
        this.run.kind = event.job_kind;
        if (!this.#resting) void this.look();
        break;
    }
    for (const listener of this.#listeners) {
      try {
        listener(event, at_ms);
      } catch (thrown) {
        // What one view can't take is kept from no other, and the stream goes on.
        console.error(thrown);
      }
    }
  }

  /** One command, about this machine. */
  call<C extends Command>(command: C, request: Request<C>): Promise<Answer<C>> {
    return this.host.call(command, request, this.name);
  }
}

/** Whether it is the container engine that is away. */
export function isEngines(failure: Failure): boolean {
  return failure.code === "engine_missing" || failure.code === "engine_denied";
}

export const [useLive, provideLive] = createContext<Live>();
