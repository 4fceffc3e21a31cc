// Long work (bringing a machine up) as a person reads it: phases, steps, times, lines.

import type { Failure, JobKind, Progress } from "../../wire";
import { addLine, newLog, type Log } from "../log";
import { clip, name as asName, own } from "../untrusted";

export interface Step {
  index: number;
  /** 0 where it is not known. */
  total: number;
  title: string;
  cached: boolean;
  started_at: number;
  ended_at: number | null;
}

export interface Phase {
  name: string;
  started_at: number;
  ended_at: number | null;
  /** The first and the last ones. */
  steps: Step[];
  /** How many are missing between them. */
  missing_steps: number;
}

export type Outcome = { kind: "going" } | { kind: "done" } | { kind: "failed"; failure: Failure };

export interface Run {
  id: string;
  started_at: number;
  ended_at: number | null;
  phases: Phase[];
  log: Log;
  outcome: Outcome;
  /** What it did, once it ended. */
  kind: JobKind | null;
}

/** Steps of a phase that are kept: a build's output may claim any number of them. */
export const FIRST_STEPS = 100;
export const LAST_STEPS = 400;
/** Characters of a step's title, and phases of a run, that are kept. */
const LONGEST_TITLE = 2000;
const MOST_PHASES = 100;

const WORDS: Record<string, string> = {
  base: "Get the base image",
  build: "Build the image",
  create: "Create the container",
  start: "Start the container",
  ready: "Wait until the machine is ready",
};

/** A phase in words. */
export function phaseWords(name: string): string {
  return own(WORDS, name) ?? asName(name);
}

export function beginRun(id: string, at: number): Run {
  return { id, started_at: at, ended_at: null, phases: [], log: newLog(), outcome: { kind: "going" }, kind: null };
}

/** Takes one report of progress into the run. */
export function advance(run: Run, progress: Progress, at: number): void {
  switch (progress.kind) {
    case "phase":
      close(run, at);
      beginPhase(run, progress.name, at);
      return;
    case "step": {
      // An engine that names no phase first is building.
      if (run.phases.length === 0) beginPhase(run, "build", at);
      const phase = run.phases.at(-1)!;
      const last = phase.steps.at(-1);
      if (last?.index === progress.index) {
        last.cached ||= progress.cached;
        return;
      }
      if (last) last.ended_at ??= at;
      const { index, total, title, cached } = progress;
      phase.steps.push({ index, total, title: clip(title, LONGEST_TITLE), cached, started_at: at, ended_at: null });
      if (phase.steps.length > FIRST_STEPS + LAST_STEPS) {
        phase.steps.splice(FIRST_STEPS, 1);
        phase.missing_steps += 1;
      }
      return;
    }
    case "line":
      addLine(run.log, progress.text);
  }
}

export function endRun(run: Run, failure: Failure | null, at: number): void {
  if (failure === null) close(run, at);
  run.ended_at = at;
  run.outcome = failure === null ? { kind: "done" } : { kind: "failed", failure };
}

function beginPhase(run: Run, name: string, at: number): void {
  run.phases.push({ name, started_at: at, ended_at: null, steps: [], missing_steps: 0 });
  if (run.phases.length > MOST_PHASES) run.phases.shift();
}

function close(run: Run, at: number): void {
  const phase = run.phases.at(-1);
  if (!phase) return;
  phase.ended_at ??= at;
  const step = phase.steps.at(-1);
  if (step) step.ended_at ??= at;
}
