// Steps, runs and generations in people's words.

import type { Tone } from "../../shared/tone";
import type { EvolveRun, Generation, StepName } from "../../wire";

export const STEPS: Record<StepName, { word: string; what: string }> = {
  prepare: { word: "Prepare", what: "looks whether all is there, and commits the repo on a branch of the run" },
  build: { word: "Build", what: "builds the new image" },
  prove: { word: "Prove", what: "starts it beside the machine and tries it" },
  carry: { word: "Carry", what: "stores what the kernels hold" },
  swap: { word: "Swap", what: "puts the new machine in the old one's place" },
  settle: { word: "Settle", what: "waits until it is well, and brings back what the kernels held" },
  tidy: { word: "Tidy", what: "removes what is no longer kept" },
  undo: { word: "Undo", what: "brings the old machine back" },
};

export function verdict(run: EvolveRun): { tone: Tone; words: string } {
  const to = run.generation === null ? "" : ` ${run.generation}`;
  switch (run.state) {
    case "asked":
      return { tone: "busy", words: "Asked for from inside" };
    case "awaits_yes":
      return { tone: "busy", words: "Waits for your yes" };
    case "running":
      return { tone: "busy", words: run.kind === "rollback" ? `Going back to generation${to}` : "Evolving" };
    case "good":
      return { tone: "good", words: run.kind === "rollback" ? `Went back to generation${to}` : `Generation${to} is in place` };
    case "undone":
      return { tone: "bad", words: "It failed; the old machine is in place" };
    case "failed":
      return { tone: "bad", words: "It failed before anything was changed" };
    case "refused":
      return { tone: "idle", words: "You said no" };
    case "cancelled":
      return { tone: "idle", words: "Cancelled; the old machine is in place" };
  }
}

export function standing({ state, current, kept, image_present }: Generation): { tone: Tone; words: string } {
  const also = [kept && "kept", !image_present && "its image is gone"].filter(Boolean).map((word) => `, ${word}`).join("");
  if (current) return { tone: "good", words: `in place${also}` };
  switch (state) {
    case "good":
      return { tone: "idle", words: `good${also}` };
    case "candidate":
      return { tone: "busy", words: `not proved yet${also}` };
    case "failed":
      return { tone: "bad", words: `failed${also}` };
  }
}

/** `1 file`, `3 files`. */
export const count = (number: number, one: string) => `${number} ${one}${number === 1 ? "" : "s"}`;
