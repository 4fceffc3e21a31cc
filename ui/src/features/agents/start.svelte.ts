// Starting an agent: what can be chosen, the image that has to be there first, and the start itself.

import { toFailure } from "../../host";
import type { Live } from "../../shared/live/live.svelte";
import type { AgentTool, Failure } from "../../wire";
import type { Agents } from "./agents.svelte";
import { requestOf, type Last, type Wish } from "./wish";
import { readiness } from "./words";

export type Choices = { kind: "loading" } | { kind: "known"; tools: AgentTool[]; problems: string[]; keys: string[]; folders: string[] } | { kind: "failing"; failure: Failure };

/** Where what was used last is kept. */
const KEPT = "vivarium.agents";
const MOST_RECENT = 8;
/** So often the log of a build is read. */
const LOG_MS = 1000;
/** Lines of a build that are shown. */
const LOG_LINES = 200;

function kept(): Last {
  try {
    const { tool, place, paths } = JSON.parse(localStorage.getItem(KEPT) ?? "{}") as Partial<Last>;
    return { tool, place, paths: Array.isArray(paths) ? paths.filter((path) => typeof path === "string").slice(0, MOST_RECENT) : [] };
  } catch {
    return { paths: [] };
  }
}

export class Start {
  choices = $state.raw<Choices>({ kind: "loading" });
  doing = $state<"building" | "approving" | "allowing" | "starting" | null>(null);
  since_ms = $state(0);
  trouble = $state.raw<Failure | null>(null);
  /** Last lines of the build that is waited for. */
  log = $state.raw<string[]>([]);
  readonly last = kept();
  #live: Live;
  #agents: Agents;
  /** The build that is waited for, and what to do at its end. */
  #build: { run_id: string; ended: (failure: Failure | null) => void } | null = null;
  #closed = false;

  constructor(agents: Agents) {
    this.#agents = agents;
    this.#live = agents.live;
  }

  /** Reads what can be chosen, and hears of builds; call what is returned at the end. */
  open(): () => void {
    void this.read();
    const stop = this.#live.listen((event) => {
      if (event.kind === "run_ended" && event.run_id === this.#build?.run_id) this.#build.ended(event.failure);
    });
    return () => {
      stop();
      this.#closed = true;
      this.#build?.ended(null);
    };
  }

  async read(): Promise<void> {
    try {
      const [{ tools, problems }, { secrets }, { folders }] = await Promise.all([this.#live.call("agent_tools", {}), this.#live.call("secret_list", {}), this.#live.call("agent_folders", {})]);
      this.choices = { kind: "known", tools, problems, keys: secrets.map(({ name }) => name), folders };
    } catch (thrown) {
      this.choices = { kind: "failing", failure: toFailure(thrown) };
    }
  }

  /** Folders that were used last, then those that others work on. */
  get recent(): string[] {
    const others = this.#agents.all.flatMap(({ workspace }) => ("path" in workspace ? [workspace.path] : []));
    return [...new Set([...this.last.paths, ...others])].slice(0, MOST_RECENT);
  }

  /** Builds or fetches the image if it isn't there, and starts the agent; its id, or nothing if that failed. */
  async start(wish: Wish, tool: AgentTool): Promise<string | null> {
    let id: string | null = null;
    await this.#do("starting", async () => {
      if (readiness(tool) === "build" && !(await this.#built(tool))) return;
      this.doing = "starting";
      const { agent, notes } = await this.#live.call("agent_start", requestOf(wish));
      this.#keep(wish);
      this.#agents.notes = notes;
      await this.#agents.refresh();
      id = agent.id;
    });
    return id;
  }

  /** Approves the image that was shown. */
  async approve(tool: AgentTool): Promise<void> {
    await this.#do("approving", async () => {
      if (tool.state.kind !== "unapproved") return;
      const { tools, problems } = await this.#live.call("agent_image_approve", { tool: tool.id, digest: tool.state.digest });
      if (this.choices.kind === "known") this.choices = { ...this.choices, tools, problems };
    });
  }

  /** Allows agents to be given a folder and what is in it. */
  async allow(path: string): Promise<boolean> {
    return this.#do("allowing", async () => {
      const { folders } = await this.#live.call("agent_folder_add", { path });
      if (this.choices.kind === "known") this.choices = { ...this.choices, folders };
    });
  }

  dismiss(): void {
    this.trouble = null;
  }

  /** Whether the image is there now; a failure of the build is thrown. */
  async #built(tool: AgentTool): Promise<boolean> {
    this.doing = "building";
    this.log = [];
    // A run may go on already.
    const run_id = tool.run_id ?? (await this.#live.call("agent_image_build", { tool: tool.id, rebuild: false })).run_id;
    const ended = new Promise<Failure | null>((resolve) => (this.#build = { run_id, ended: resolve }));
    const reading = this.#readLog(run_id);
    const failure = await ended;
    this.#build = null;
    await reading;
    if (this.#closed) return false;
    await this.read();
    if (failure !== null) throw failure;
    const now = this.choices.kind === "known" ? this.choices.tools.find(({ id }) => id === tool.id) : undefined;
    return now !== undefined && readiness(now) === "ready";
  }

  /** Reads what a build prints, until it ended. The build may have ended before its end could be heard. */
  async #readLog(run_id: string): Promise<void> {
    let after = 0;
    while (this.#build?.run_id === run_id) {
      try {
        const { text, next } = await this.#live.call("agent_image_log", { run_id, after });
        after = next;
        const lines = text.split("\n").filter((line) => line !== "");
        if (lines.length > 0) this.log = [...this.log, ...lines].slice(-LOG_LINES);
        const { tools } = await this.#live.call("agent_tools", {});
        if (!tools.some((tool) => tool.run_id === run_id)) this.#build?.ended(null);
      } catch {
        // Its end is told in any case.
      }
      await new Promise((resolve) => setTimeout(resolve, LOG_MS));
    }
  }

  #keep({ tool, place, path }: Wish): void {
    const trimmed = path.trim();
    const paths = place === "none" ? this.last.paths : [trimmed, ...this.last.paths.filter((one) => one !== trimmed)].slice(0, MOST_RECENT);
    localStorage.setItem(KEPT, JSON.stringify({ tool, place, paths }));
  }

  async #do(doing: NonNullable<typeof this.doing>, work: () => Promise<void>): Promise<boolean> {
    if (this.doing !== null) return false;
    this.trouble = null;
    this.doing = doing;
    this.since_ms = Date.now();
    try {
      await work();
      return true;
    } catch (thrown) {
      this.trouble = toFailure(thrown);
      return false;
    } finally {
      this.doing = null;
    }
  }
}
