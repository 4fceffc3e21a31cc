// What a person wishes of a new agent, and the request that comes of it.

import type { AgentTool, AgentWorkspace, StartAgent } from "../../wire";
import { readiness } from "./words";

/** What it works on. */
export type Place = "none" | "clone" | "in_place";

/** Fields of the form, as they are typed. */
export interface Wish {
  tool: string;
  place: Place;
  path: string;
  uncommitted: boolean;
  untracked: boolean;
  prompt: string;
  /** The tool's usual one if it is empty. */
  mode: string;
  /** Names of stored keys. */
  keys: Record<string, boolean>;
  title: string;
  memory_gb: number;
  cpus: number;
  pids: number;
  /** Names, with spaces or commas between them. */
  networks: string;
  host_access: boolean;
  gpu: boolean;
}

/** What was used last, on this computer. */
export interface Last {
  tool?: string | undefined;
  place?: Place | undefined;
  /** Newest first. */
  paths: string[];
}

/** As an agent has it if nothing is chosen. */
const LIMITS = { memory_gb: 4, cpus: 2, pids: 2048 };
/** The smallest that an agent starts with. */
const LEAST = { memory_gb: 0.0625, cpus: 0.01, pids: 16 };

/** The form before anything is changed: the tool that was used last, if it can be. */
export function presetWish(tools: AgentTool[], last: Last): Wish {
  const usable = tools.filter((tool) => readiness(tool) !== "never");
  const ready = usable.filter((tool) => readiness(tool) === "ready");
  const tool = usable.find(({ id }) => id === last.tool) ?? ready[0] ?? usable[0] ?? tools[0];
  return {
    tool: tool?.id ?? "",
    place: last.place ?? "clone",
    path: last.paths[0] ?? "",
    uncommitted: false,
    untracked: false,
    prompt: "",
    mode: tool?.default_mode ?? "",
    keys: {},
    title: "",
    ...LIMITS,
    networks: "",
    host_access: false,
    gpu: false,
  };
}

/** Whether a path of this computer can be meant: of Unix or of Windows, or in the person's home. */
const isAbsolute = (path: string) => /^(\/|~\/|[A-Za-z]:[\\/])/.test(path);

const networksOf = ({ networks }: Wish): string[] => networks.split(/[\s,]+/).filter((name) => name !== "");

/** What can't be asked for; `null` if all is well. */
export function wrongWith(wish: Wish, tool: AgentTool | undefined): string | null {
  if (tool === undefined) return "Choose a tool.";
  if (readiness(tool) === "never") return `${tool.title} can't be used here.`;
  if (wish.place !== "none" && !isAbsolute(wish.path.trim())) return "Enter the folder's whole path, such as /home/you/project.";
  if (tool.needs_prompt && wish.prompt.trim() === "") return `${tool.title} needs a prompt: it has no terminal of its own.`;
  if (!(wish.memory_gb >= LEAST.memory_gb)) return "Enter at least 0.0625 GiB of memory.";
  if (!(wish.cpus >= LEAST.cpus)) return "Enter a number of CPUs, such as 2 or 0.5.";
  if (!Number.isInteger(wish.pids) || wish.pids < LEAST.pids) return `Enter at least ${LEAST.pids} processes.`;
  return null;
}

function workspaceOf({ place, path, uncommitted, untracked }: Wish): AgentWorkspace {
  switch (place) {
    case "none":
      return { kind: "volume" };
    case "clone":
      return { kind: "clone", path: path.trim(), uncommitted, untracked };
    case "in_place":
      return { kind: "in_place", path: path.trim() };
  }
}

export function requestOf(wish: Wish): StartAgent {
  const text = (words: string) => (words.trim() === "" ? null : words);
  return {
    tool: wish.tool,
    image: null,
    workspace: workspaceOf(wish),
    prompt: text(wish.prompt),
    mode: text(wish.mode),
    keys: Object.entries(wish.keys)
      .filter(([, is]) => is)
      .map(([name]) => name),
    title: text(wish.title),
    limits: { memory_mb: Math.round(wish.memory_gb * 1024), cpus: wish.cpus, pids: wish.pids },
    networks: networksOf(wish),
    host_access: wish.host_access,
    mounts: [],
    gpu: wish.gpu,
  };
}
