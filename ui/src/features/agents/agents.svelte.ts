// The agents of this computer as the page shows them: a copy of what the app says, asked for again when an
// event says that it is stale.

import { toFailure } from "../../host";
import type { Live } from "../../shared/live/live.svelte";
import type { AgentTool, AgentView, Failure } from "../../wire";
import { takesInput } from "./words";

export type Look = { kind: "loading" } | { kind: "known"; agents: AgentView[]; odd: string[]; at_ms: number } | { kind: "failing"; failure: Failure };

/** What became of a prompt that was sent to several. */
export interface Sent {
  sent: number;
  failed: { id: string; failure: Failure }[];
}

/** Events say what changed; this is for ages, and for what an event may have missed. */
const EVERY_MS = 10_000;

export class Agents {
  look = $state.raw<Look>({ kind: "loading" });
  /** Why the last look failed, if what is shown is from before. */
  stale = $state.raw<Failure | null>(null);
  /** Agents that something is being done with, by id. */
  busy = $state<Record<string, true>>({});
  /** Asks that are being answered, as `agent ask`. */
  answering = $state<Record<string, true>>({});
  /** What the last click could not do. */
  trouble = $state.raw<Failure | null>(null);
  /** What a new agent did not get of its folder, in sentences. */
  notes = $state.raw<string[]>([]);
  /** The tools, once they were asked for. */
  tools = $state.raw<AgentTool[]>([]);
  /** Ids of those that are chosen for a prompt to several. */
  chosen = $state<Record<string, true>>({});
  readonly live: Live;
  #watchers = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #asking: Promise<void> | null = null;
  #again = false;

  constructor(live: Live) {
    this.live = live;
  }

  /** All of them, newest first. */
  get all(): AgentView[] {
    return this.look.kind === "known" ? this.look.agents : [];
  }

  find(id: string | null): AgentView | undefined {
    return this.all.find((one) => one.id === id);
  }

  /** Those that are chosen, are there and take input. */
  get takers(): AgentView[] {
    return this.all.filter((one) => this.chosen[one.id] && takesInput(one));
  }

  choose(id: string, is: boolean): void {
    if (is) this.chosen[id] = true;
    else delete this.chosen[id];
  }

  /** Follows what becomes of them; call what is returned to stop. */
  watch(): () => void {
    this.#watchers++;
    void this.refresh();
    const stop = this.live.listen((event) => {
      if (event.kind === "agents") void this.refresh();
    });
    return () => {
      stop();
      if (--this.#watchers === 0) clearTimeout(this.#timer);
    };
  }

  /** Asks now; once more if something changed while it was asked. */
  refresh(): Promise<void> {
    if (this.#asking !== null) {
      this.#again = true;
      return this.#asking;
    }
    this.#asking = this.#ask().finally(() => (this.#asking = null));
    return this.#asking;
  }

  async #ask(): Promise<void> {
    clearTimeout(this.#timer);
    do {
      this.#again = false;
      try {
        const { agents, odd } = await this.live.call("agent_list", {});
        this.look = { kind: "known", agents, odd, at_ms: Date.now() };
        this.stale = null;
      } catch (thrown) {
        const failure = toFailure(thrown);
        if (this.look.kind !== "known") this.look = { kind: "failing", failure };
        this.stale = this.look.kind === "known" ? failure : null;
      }
    } while (this.#again);
    if (this.#watchers > 0) this.#timer = setTimeout(() => void this.refresh(), EVERY_MS);
  }

  /** Answers what it asks for. It may have been answered in its terminal meanwhile. */
  async answer(id: string, ask: number, allow: boolean): Promise<void> {
    const key = `${id} ${ask}`;
    if (this.answering[key]) return;
    this.answering[key] = true;
    this.trouble = null;
    try {
      await this.live.call("agent_answer", { id, ask, allow, message: null });
      await this.refresh();
    } catch (thrown) {
      this.trouble = toFailure(thrown);
    } finally {
      delete this.answering[key];
    }
  }

  stop(id: string): Promise<boolean> {
    return this.#with(id, () => this.live.call("agent_stop", { id, keep: "all" }));
  }

  pause(id: string): Promise<boolean> {
    return this.#with(id, () => this.live.call("agent_pause", { id }));
  }

  resume(id: string): Promise<boolean> {
    return this.#with(id, () => this.live.call("agent_resume", { id }));
  }

  remove(id: string): Promise<boolean> {
    return this.#with(id, () => this.live.call("agent_remove", { id }));
  }

  /** Removes it with its work, also what was fetched of it into the person's repository. */
  discard(id: string): Promise<boolean> {
    return this.#with(id, () => this.live.call("agent_discard", { id }));
  }

  /** Sends a prompt to all that are chosen; each of them gets it or says why not. */
  async broadcast(text: string): Promise<Sent> {
    const ids = this.takers.map(({ id }) => id);
    const sent: Sent = { sent: 0, failed: [] };
    await Promise.all(
      ids.map(async (id) => {
        try {
          await this.live.call("agent_send", { id, text });
          sent.sent += 1;
        } catch (thrown) {
          sent.failed.push({ id, failure: toFailure(thrown) });
        }
      }),
    );
    return sent;
  }

  dismiss(): void {
    this.trouble = null;
  }

  async #with(id: string, work: () => Promise<unknown>): Promise<boolean> {
    if (this.busy[id]) return false;
    this.trouble = null;
    this.busy[id] = true;
    try {
      await work();
      await this.refresh();
      return true;
    } catch (thrown) {
      this.trouble = toFailure(thrown);
      return false;
    } finally {
      delete this.busy[id];
    }
  }
}
