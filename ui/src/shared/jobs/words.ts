// Jobs in people's words: kinds, states, and what can be done about one.

import type { Tone } from "../tone";
import { name as asName } from "../untrusted";
import type { Job, JobKind, JobState } from "../../wire";

/** What a job of each kind is called when it is about nothing else. */
export const KINDS: Record<JobKind, string> = {
  build: "Build image",
  start: "Start machine",
  evolve: "Evolve",
  rollback: "Roll back",
  cell: "Cell",
  command: "Command",
  terminal: "Terminal",
};

const CODE: readonly JobKind[] = ["cell", "command"];
/** Jobs of the machine itself: a person is told if one of these fails. */
const OF_MACHINE: readonly JobKind[] = ["build", "start", "evolve", "rollback"];

/** What a job is about, in one line. */
export function title({ kind, title }: Job): string {
  if (title === "") return KINDS[kind];
  return CODE.includes(kind) ? asName(title) : `${KINDS[kind]}: ${asName(title)}`;
}

export function isOver({ kind }: JobState): boolean {
  return kind === "succeeded" || kind === "failed" || kind === "cancelled" || kind === "interrupted";
}

/** Whether it ended in a way that a person should look at. */
export const isFailed = ({ kind }: JobState): boolean => kind === "failed" || kind === "interrupted";

/** Whether a person is told if it fails; of the others, their own page or client says it. */
export const isOfMachine = ({ kind }: Job): boolean => OF_MACHINE.includes(kind);

export function stateWords(state: JobState): { tone: Tone; words: string } {
  switch (state.kind) {
    case "queued":
      return { tone: "idle", words: "Queued" };
    case "awaits_approval":
      return { tone: "busy", words: "Awaits approval" };
    case "running":
      return { tone: "busy", words: "Running" };
    case "succeeded":
      return { tone: "good", words: "Done" };
    case "failed":
      return { tone: "bad", words: "Failed" };
    case "cancelled":
      return { tone: "idle", words: "Cancelled" };
    case "interrupted":
      return { tone: "bad", words: "Interrupted" };
  }
}

/** What a person can do about a job: work that is begun again, or a page where it is seen to. */
export type Remedy = { kind: "start" | "build"; word: "Retry" } | { kind: "page"; word: string; page: "evolve" | "notebook" };

/** A failed start is started, a failed build built; an evolve is looked at first, on its page. */
export function remedy({ kind, state }: Job): Remedy | null {
  if (state.kind === "awaits_approval") return { kind: "page", word: "Review", page: "evolve" };
  if (!isFailed(state)) return null;
  switch (kind) {
    case "start":
    case "build":
      return { kind, word: "Retry" };
    case "evolve":
    case "rollback":
      return { kind: "page", word: "Open Evolve", page: "evolve" };
    case "cell":
      return { kind: "page", word: "Open notebook", page: "notebook" };
    case "command":
    case "terminal":
      return null;
  }
}

/** All jobs in a few words; `unseen` are failed ones that nobody has looked at. */
export function summary(jobs: readonly Job[], unseen: number): { tone: Tone; words: string } {
  const number = (kind: JobState["kind"]) => jobs.filter(({ state }) => state.kind === kind).length;
  const [waiting, running, queued] = [number("awaits_approval"), number("running"), number("queued")];
  const parts = [waiting > 0 && `${waiting} awaiting approval`, running > 0 && `${running} running`, queued > 0 && `${queued} queued`, unseen > 0 && `${unseen} failed`].filter((part) => part !== false);
  if (parts.length === 0) return { tone: "idle", words: "No jobs running" };
  return { tone: unseen > 0 ? "bad" : waiting + running > 0 ? "busy" : "idle", words: parts.join(", ") };
}
