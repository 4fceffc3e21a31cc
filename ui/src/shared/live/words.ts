import type { Tone } from "../tone";
import { isEngines, type Live } from "./live.svelte";

/** The machine's state in words, the same on every page. */
export function machineState(live: Live): { tone: Tone; words: string } {
  if (live.engine.kind === "away") return { tone: "bad", words: isEngines(live.engine.failure) ? "No engine" : "Unreachable" };
  if (live.doing !== null && live.doing !== "starting") return { tone: "busy", words: `${capital(live.doing)}…` };
  if (live.going) {
    const phase = live.run?.phases.at(-1)?.name;
    return { tone: "busy", words: phase === "build" || phase === "base" ? "Building" : "Starting" };
  }
  if (live.machine.kind === "looking") return { tone: "idle", words: "Looking…" };
  if (live.machine.kind === "unknown") return { tone: "bad", words: "Unknown" };
  switch (live.machine.status.state) {
    case "absent":
      return { tone: "idle", words: "Not created" };
    case "stopped":
      return { tone: "idle", words: "Stopped" };
    case "starting":
      return { tone: "busy", words: "Starting" };
    case "paused":
      return { tone: "bad", words: "Paused" };
    case "running":
      return { tone: "good", words: "Running" };
  }
}

function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}
