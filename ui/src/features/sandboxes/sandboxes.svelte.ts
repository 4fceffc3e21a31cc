// The sandboxes of this computer as the page shows them: a copy of what their server says, asked for
// again while the page is in view.

import { toFailure } from "../../host";
import type { Live } from "../../shared/live/live.svelte";
import { name as asName } from "../../shared/untrusted";
import type { CreateRequest, Failure, PoolView, SandboxList, SandboxView } from "../../wire";
import { isThere } from "./words";

export type Look =
  | { kind: "loading" }
  | { kind: "known"; list: SandboxList; pool: PoolView; at_ms: number }
  /** Nothing serves sandboxes. */
  | { kind: "off"; failure: Failure }
  | { kind: "failing"; failure: Failure };

/** What was asked for and isn't done yet. */
export type Doing = "creating" | "building" | "starting" | null;

const EVERY_MS = 2000;
/** An hour more. */
const MORE_S = 3600;

export class Sandboxes {
  look = $state.raw<Look>({ kind: "loading" });
  /** Why the last look failed, if what is shown is from before. */
  stale = $state.raw<Failure | null>(null);
  doing = $state<Doing>(null);
  /** When it was begun. */
  since_ms = $state(0);
  /** Sandboxes that something is being done with, by id. */
  busy = $state<Record<string, true>>({});
  /** What the last click could not do. */
  trouble = $state.raw<Failure | null>(null);
  /** The request that failed because its image isn't there. */
  #lacking = $state.raw<CreateRequest | null>(null);
  /** The image that is waited for; `null` for the sandboxes' own. */
  #building = $state.raw<string | null>(null);
  #live: Live;
  #watchers = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(live: Live) {
    this.#live = live;
  }

  /** All of them, newest first; those that are there before those that are gone. */
  get all(): SandboxView[] {
    if (this.look.kind !== "known") return [];
    const { sandboxes } = this.look.list;
    return [...sandboxes.filter(isThere), ...sandboxes.filter((one) => !isThere(one))];
  }

  /** Whether the last click failed because its image isn't there. */
  get lacksImage(): boolean {
    return this.#lacking !== null;
  }

  /** How it goes with the image that is waited for, in a line. */
  get progress(): string | null {
    if (this.doing !== "building" || this.look.kind !== "known") return null;
    const image = this.#building ?? this.look.list.defaults.image;
    const work = this.look.list.images.find((one) => one.image === image);
    return work === undefined || work.doing === "" ? null : asName(work.doing, 200);
  }

  find(id: string | null): SandboxView | undefined {
    return this.all.find(({ sandbox_id }) => sandbox_id === id);
  }

  /** Asks again and again; call what is returned to stop. */
  watch(): () => void {
    this.#watchers++;
    void this.refresh();
    const stop = this.#live.listen((event) => {
      if (event.kind === "sandbox") void this.refresh();
    });
    return () => {
      stop();
      if (--this.#watchers === 0) clearTimeout(this.#timer);
    };
  }

  async refresh(): Promise<void> {
    clearTimeout(this.#timer);
    try {
      const [list, pool] = await Promise.all([this.#live.call("sandbox_list", {}), this.#live.call("sandbox_pool", {})]);
      this.look = { kind: "known", list, pool, at_ms: Date.now() };
      this.stale = null;
    } catch (thrown) {
      const failure = toFailure(thrown);
      if (failure.code === "not_running") this.look = { kind: "off", failure };
      else if (this.look.kind !== "known") this.look = { kind: "failing", failure };
      this.stale = this.look.kind === "known" ? failure : null;
    }
    clearTimeout(this.#timer);
    if (this.#watchers > 0) this.#timer = setTimeout(() => void this.refresh(), EVERY_MS);
  }

  /** Serves sandboxes from this process. */
  async turnOn(): Promise<void> {
    await this.#alone("starting", async () => {
      await this.#live.call("sandbox_serve", {});
      await this.refresh();
    });
  }

  /** Creates one; its id, or nothing if that failed. */
  async create(request: CreateRequest): Promise<string | null> {
    let made: string | null = null;
    await this.#alone("creating", async () => {
      try {
        made = (await this.#live.call("sandbox_create", request)).sandbox_id;
      } catch (thrown) {
        if (toFailure(thrown).next?.kind === "get_sandbox_image") this.#lacking = request;
        throw thrown;
      }
      await this.refresh();
    });
    return made;
  }

  /** Builds or fetches the image that was missing, and creates the sandbox then. */
  async provide(): Promise<string | null> {
    const request = this.#lacking;
    if (request === null) return null;
    let isThere = false;
    this.#building = request.image;
    await this.#alone("building", async () => {
      try {
        await this.#live.call("sandbox_image", { image: request.image });
      } catch (thrown) {
        this.#lacking = request;
        throw thrown;
      }
      isThere = true;
    });
    return isThere ? this.create(request) : null;
  }

  pause(id: string): Promise<boolean> {
    return this.#with(id, () => this.#live.call("sandbox_pause", { sandbox_id: id }));
  }

  resume(id: string): Promise<boolean> {
    return this.#with(id, () => this.#live.call("sandbox_resume", { sandbox_id: id }));
  }

  destroy(id: string): Promise<boolean> {
    return this.#with(id, () => this.#live.call("sandbox_destroy", { sandbox_id: id }));
  }

  /** Lets it live an hour longer, as far as the settings allow. */
  extend({ sandbox_id, ends_at_ms }: SandboxView): Promise<boolean> {
    const longest_s = this.look.kind === "known" ? this.look.list.defaults.longest_ttl_s : MORE_S;
    const left_s = Math.max(0, Math.round((ends_at_ms - Date.now()) / 1000));
    return this.#with(sandbox_id, () => this.#live.call("sandbox_timeout", { sandbox_id, ttl_s: Math.min(left_s + MORE_S, longest_s) }));
  }

  /** Forgets what the last click could not do. */
  dismiss(): void {
    this.trouble = null;
    this.#lacking = null;
  }

  async #alone(doing: Doing, work: () => Promise<void>): Promise<void> {
    if (this.doing !== null) return;
    this.dismiss();
    this.doing = doing;
    this.since_ms = Date.now();
    try {
      await work();
    } catch (thrown) {
      this.trouble = toFailure(thrown);
    } finally {
      this.doing = null;
    }
  }

  async #with(id: string, work: () => Promise<unknown>): Promise<boolean> {
    if (this.busy[id]) return false;
    this.dismiss();
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
