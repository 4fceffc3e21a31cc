// The machine's MCP servers as the page shows them: state, and how much they were asked of late.

import { toFailure } from "../../host";
import type { Live } from "../../shared/live/live.svelte";
import type { Tone } from "../../shared/tone";
import { own, put } from "../../shared/untrusted";
import type { Failure, McpFile, McpFileProblem, McpServerShown, McpServerStatus } from "../../wire";

const EVERY_MS = 1500;
/** Looks that the small plots hold: 90 seconds. */
export const KEPT = 60;

/** A problem, and the file that it is in. */
export interface Problem extends McpFileProblem {
  path: string;
}

/** Entries that aren't used. A server below one of them may run under the same name. */
export function leftOut(files: McpFile[]): Problem[] {
  return problems(files).filter((problem) => problem.server !== null && problem.left_out);
}

/** What else the files say for nothing: of one server, or of no server's entry. */
export function remarks(files: McpFile[], server: string | null): Problem[] {
  return problems(files).filter((problem) => problem.server === server && !problem.left_out);
}

const problems = (files: McpFile[]): Problem[] => files.flatMap(({ path, problems }) => problems.map((problem) => ({ ...problem, path })));

interface Rate {
  calls: number;
  errors: number;
  /** Calls and errors between two looks, newest last. */
  called: number[];
  failed: number[];
}

export class Servers {
  list = $state.raw<McpServerStatus[]>([]);
  shown = $state.raw<McpServerShown[]>([]);
  files = $state.raw<McpFile[]>([]);
  failure = $state.raw<Failure | null>(null);
  known = $state(false);
  rates = $state.raw<Record<string, Rate>>({});
  #live: Live;

  constructor(live: Live) {
    this.#live = live;
  }

  /** Looks until it is stopped. */
  watch(): () => void {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let stopped = false;
    const again = async () => {
      await this.look();
      if (!stopped) timer = setTimeout(() => void again(), EVERY_MS);
    };
    void again();
    return () => {
      stopped = true;
      clearTimeout(timer);
    };
  }

  async look(): Promise<void> {
    try {
      const [status, configured] = await Promise.all([this.#live.call("mcp_status", {}), this.#live.call("mcp_servers", {})]);
      // Each name once: a machine may say anything.
      this.list = [...new Map(status.servers.map((server) => [server.name, server])).values()];
      this.shown = configured.servers;
      this.files = configured.files;
      this.failure = null;
      this.known = true;
      this.#count();
    } catch (thrown) {
      this.failure = toFailure(thrown);
    }
  }

  /** All of them in a few words. */
  get words(): { tone: Tone; words: string } {
    if (this.failure) return { tone: "bad", words: "Unreachable" };
    if (!this.known) return { tone: "busy", words: "Loading" };
    if (this.list.length === 0) return { tone: "idle", words: "No servers" };
    const ready = this.list.filter(({ state }) => state === "ready").length;
    return { tone: ready > 0 ? "good" : "idle", words: `${ready} of ${this.list.length} servers running` };
  }

  entry(name: string): McpServerShown | undefined {
    return this.shown.find((one) => one.name === name);
  }

  #count(): void {
    const rates: Record<string, Rate> = {};
    for (const { name, calls, errors } of this.list) {
      const before = own(this.rates, name);
      put(rates, name, {
        calls,
        errors,
        called: [...(before?.called ?? []), Math.max(0, calls - (before?.calls ?? calls))].slice(-KEPT),
        failed: [...(before?.failed ?? []), Math.max(0, errors - (before?.errors ?? errors))].slice(-KEPT),
      });
    }
    this.rates = rates;
  }
}

export function stateWords(server: McpServerStatus): { tone: Tone; words: string } {
  switch (server.state) {
    case "ready":
      return { tone: "good", words: server.pid === null ? "connected" : "running" };
    case "starting":
      return { tone: "busy", words: server.pid === null ? "connecting" : "starting" };
    case "idle":
      return { tone: "idle", words: "starts on first use" };
    case "disabled":
      return { tone: "idle", words: "off" };
    case "missing":
      return { tone: "bad", words: "program not found" };
    case "backoff":
      return { tone: "bad", words: `exited, restarting in ${Math.ceil(server.retry_in_ms / 1000)} s` };
  }
}
