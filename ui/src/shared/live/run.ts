// Long work (bringing a machine up) as a person reads it: phases, steps, times, lines.

import type { Failure, Progress } from "../../wire";
import { name as asName, own } from "../untrusted";

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
  steps: Step[];
}

export interface Line {
  /** Grows by one. */
  number: number;
  text: string;
}

export type Outcome = { kind: "going" } | { kind: "done" } | { kind: "failed"; failure: Failure };

export interface Run {
  id: string;
  started_at: number;
  ended_at: number | null;
  phases: Phase[];
  /** The last lines of the log. */
  lines: Line[];
  outcome: Outcome;
}

/** Lines of a run that are kept for the eye; the engine's log has them all. */
export const KEPT_LINES = 2000;

const WORDS: Record<string, string> = {
  base: "Base image",
  build: "Build the image",
  create: "Create the container",
  start: "Start it",
  ready: "Wait until it is ready",
};

/** A phase in words. */
export function phaseWords(name: string): string {
  return own(WORDS, name) ?? asName(name);
}

export function beginRun(id: string, at: number): Run {
  return { id, started_at: at, ended_at: null, phases: [], lines: [], outcome: { kind: "going" } };
}

/** Takes one report of progress into the run. */
export function advance(run: Run, progress: Progress, at: number): void {
  switch (progress.kind) {
    case "phase":
      close(run, at);
      run.phases.push({ name: progress.name, started_at: at, ended_at: null, steps: [] });
      return;
    case "step": {
      // An engine that names no phase first is building.
      if (run.phases.length === 0) run.phases.push({ name: "build", started_at: at, ended_at: null, steps: [] });
      const phase = run.phases.at(-1)!;
      const last = phase.steps.at(-1);
      if (last?.index === progress.index) {
        last.cached ||= progress.cached;
        return;
      }
      if (last) last.ended_at ??= at;
      const { index, total, title, cached } = progress;
      phase.steps.push({ index, total, title, cached, started_at: at, ended_at: null });
      return;
    }
    case "line":
      run.lines.push({ number: (run.lines.at(-1)?.number ?? 0) + 1, text: progress.text });
      if (run.lines.length > KEPT_LINES * 1.25) run.lines.splice(0, run.lines.length - KEPT_LINES);
  }
}

export function endRun(run: Run, failure: Failure | null, at: number): void {
  if (failure === null) close(run, at);
  run.ended_at = at;
  run.outcome = failure === null ? { kind: "done" } : { kind: "failed", failure };
}

function close(run: Run, at: number): void {
  const phase = run.phases.at(-1);
  if (!phase) return;
  phase.ended_at ??= at;
  const step = phase.steps.at(-1);
  if (step) step.ended_at ??= at;
}
