// What the pages say of an agent, in a few words.

import { count } from "../../shared/plural";
import { size } from "../../shared/size";
import type { Tone } from "../../shared/tone";
import { name as asName } from "../../shared/untrusted";
import type { AgentImageState, AgentPolicy, AgentState, AgentTool, AgentView, AgentWorkspace } from "../../wire";

/** The longest name, title or path that a row shows; all of it is in the hint. */
const ROW_LIMIT = 120;

/** Its state. */
export function stateWords(state: AgentState): { tone: Tone; words: string } {
  switch (state.name) {
    case "starting":
      return { tone: "busy", words: "Starting" };
    case "working":
      return { tone: "good", words: "Working" };
    case "waiting":
      return { tone: "busy", words: { permission: "Asks permission", answer: "Asks a question", log_in: "Needs a log-in" }[state.on] ?? "Waiting" };
    case "your_turn":
      return { tone: "busy", words: "Your turn" };
    case "idle":
      return { tone: "idle", words: "Idle" };
    case "failed":
      return { tone: "bad", words: "Failed" };
    case "exited":
      return { tone: "idle", words: "Exited" };
    case "paused":
      return { tone: "idle", words: "Paused" };
    case "missing":
      return { tone: "bad", words: "Missing" };
    default:
      // One that nothing is known of runs.
      return { tone: "idle", words: "Running" };
  }
}

/** What there is to say of a state beyond its name; empty if there is nothing. */
export function stateReason(state: AgentState): string {
  switch (state.name) {
    case "failed":
      return asName(state.reason, 400);
    case "exited":
      return state.code === null ? "Its tool ended." : `Its tool exited with code ${state.code}.`;
    case "missing":
      return "Its container was removed outside of Vivarium. Its files are kept.";
    case "paused":
      return "Its processes are frozen, and their memory is kept until the container engine stops.";
    default:
      return "";
  }
}

/** Whether its container runs, frozen or not. */
export const isLive = ({ state }: AgentView): boolean => !["failed", "exited", "missing"].includes(state.name);

/** Whether something can be typed into it. */
export const takesInput = (one: AgentView): boolean => isLive(one) && one.state.name !== "paused";

/** Whether it waits for the person. */
export const needsYou = ({ state, asks }: AgentView): boolean => asks.length > 0 || ["waiting", "your_turn", "failed"].includes(state.name);

/** Which agents a list shows. */
export type Kind = "all" | "yours" | "live" | "over";

export function isOfKind(one: AgentView, kind: Kind): boolean {
  switch (kind) {
    case "all":
      return true;
    case "yours":
      return needsYou(one);
    case "live":
      return isLive(one);
    case "over":
      return !isLive(one);
  }
}

/** Whether each word of a filter is somewhere in what a row says. */
export function matches(one: AgentView, filter: string): boolean {
  const text = [one.title, one.id, one.tool, pathOf(one.workspace), one.mode?.title, stateWords(one.state).words].join("\n").toLowerCase();
  return filter.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

/** What it is called: its title, or its tool and id. */
export const titleOf = ({ title, tool, id }: AgentView): string => (title === null || title.trim() === "" ? `${asName(tool, 40)} ${id}` : asName(title, ROW_LIMIT));

/** The folder of this computer that it works on, if there is one. */
export const pathOf = (workspace: AgentWorkspace): string | null => ("path" in workspace ? workspace.path : null);

/** What it works on, in a row: the end of a long path says most. */
export function workspaceWords(workspace: AgentWorkspace): { name: string; how: string } {
  if (workspace.kind === "volume") return { name: "No folder", how: "a volume of its own" };
  const path = asName(workspace.path, 4096);
  const parts = path.split("/").filter((part) => part !== "");
  const name = parts.at(-1) ?? path;
  return { name: name.length > ROW_LIMIT ? asName(name, ROW_LIMIT) : name, how: workspace.kind === "clone" ? "clone" : "in place" };
}

const POLICIES: Record<AgentPolicy, { words: string; hint: string; careless: boolean }> = {
  plan: { words: "Plans only", hint: "Nothing is changed.", careless: false },
  ask: { words: "Asks first", hint: "You are asked before anything is changed or run.", careless: false },
  edits: { words: "Edits freely", hint: "Files are changed without asking. You are asked about the rest.", careless: false },
  auto: { words: "Decides itself", hint: "The tool decides when it asks.", careless: true },
  all: { words: "Never asks", hint: "Nothing is asked: it changes and runs whatever it wants in its container.", careless: true },
};

/** What a permission mode means. */
export const policyWords = (policy: AgentPolicy) => POLICIES[policy] ?? { words: "Unknown", hint: "Vivarium doesn't know what this mode means.", careless: true };

/** How many there are, for the page's header. */
export function pageWords(agents: AgentView[]): { tone: Tone; words: string } {
  const yours = agents.filter(needsYou).length;
  const live = agents.filter(isLive).length;
  if (yours > 0) return { tone: "busy", words: `${count(yours, "agent")} ${yours === 1 ? "needs" : "need"} you` };
  if (live > 0) return { tone: "good", words: `${live.toLocaleString("en")} running` };
  return { tone: "idle", words: "None running" };
}

/** An image of a tool, in a sentence. */
export function imageWords(state: AgentImageState): string {
  switch (state.kind) {
    case "not_built":
      return `Not built here, because ${asName(state.reason, 400).replace(/[.\s]+$/, "")}.`;
    case "missing":
      return "Its image isn't there yet. It is built or fetched first, which takes minutes.";
    case "unapproved":
      return "Its image came from a registry and isn't approved yet.";
    case "present": {
      const version = state.version === null ? "" : `Version ${asName(state.version, 60)}, `;
      const update = state.update === null ? "" : ` Version ${asName(state.update, 60)} is available.`;
      return `${version}${size(state.size_bytes)}.${update}`;
    }
  }
}

/** Whether agents of a tool can be started now, after a build, or not at all. */
export function readiness({ state }: AgentTool): "ready" | "approve" | "build" | "never" {
  switch (state.kind) {
    case "present":
      return "ready";
    case "unapproved":
      return "approve";
    case "missing":
      return "build";
    default:
      return "never";
  }
}
