// Steps, runs and generations in people's words.

import type { Tone } from "../../shared/tone";
import type { EvolveRun, Generation, StepName } from "../../wire";

export const STEPS: Record<StepName, { word: string; what: string }> = {
  prepare: { word: "Prepare", what: "checks prerequisites and commits the repo to a run branch" },
  build: { word: "Build", what: "builds the new image" },
  prove: { word: "Prove", what: "starts the new machine beside the old one and tests it" },
  carry: { word: "Carry", what: "saves kernel state" },
  swap: { word: "Swap", what: "replaces the old machine with the new one" },
  settle: { word: "Settle", what: "waits until healthy, then restores kernel state" },
  tidy: { word: "Tidy", what: "removes old images and containers" },
  undo: { word: "Undo", what: "restores the old machine" },
};

export function verdict(run: EvolveRun): { tone: Tone; words: string } {
  const to = run.generation === null ? "" : ` ${run.generation}`;
  const kind = run.kind === "rollback" ? "Rollback" : "Evolve";
  switch (run.state) {
    case "asked":
      return { tone: "busy", words: "Requested from inside the machine" };
    case "awaits_yes":
      return { tone: "busy", words: "Awaiting your approval" };
    case "running":
      return { tone: "busy", words: run.kind === "rollback" ? `Rolling back to generation${to}` : "Evolving" };
    case "good":
      return { tone: "good", words: run.kind === "rollback" ? `Rolled back to generation${to}` : `Generation${to} is current` };
    case "undone":
      return { tone: "bad", words: `${kind} failed. The old machine was kept.` };
    case "failed":
      return { tone: "bad", words: `${kind} failed. Nothing was changed.` };
    case "refused":
      return { tone: "idle", words: "Declined" };
    case "cancelled":
      return { tone: "idle", words: "Cancelled. The old machine was kept." };
  }
}

export function standing({ state, current, kept, image_present }: Generation): { tone: Tone; words: string } {
  const also = [kept && "pinned", !image_present && "image deleted"].filter(Boolean).map((word) => `, ${word}`).join("");
  if (current) return { tone: "good", words: `current${also}` };
  switch (state) {
    case "good":
      return { tone: "idle", words: `successful${also}` };
    case "candidate":
      return { tone: "busy", words: `not verified yet${also}` };
    case "failed":
      return { tone: "bad", words: `failed${also}` };
  }
}
