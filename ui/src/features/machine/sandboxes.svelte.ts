// Whether the machine's programs may use sandboxes of this computer, and which they use now.

import { toFailure } from "../../host";
import type { Live } from "../../shared/live/live.svelte";
import { name } from "../../shared/untrusted";
import type { Failure, NetworkMode, SandboxAccess, SandboxAccessState, SandboxView } from "../../wire";

export const NETWORKS: { value: NetworkMode; word: string; hint: string }[] = [
  { value: "none", word: "No network", hint: "Sandboxes reach nothing." },
  { value: "isolated", word: "Isolated", hint: "Sandboxes have a network without a way out." },
  { value: "internet", word: "Internet", hint: "Sandboxes reach the internet, and whatever this computer can reach." },
];

/** How many sandboxes are named. */
const NAMED = 8;

export class SandboxUse {
  /** `null` until the first look; what was seen last stays if a later look fails. */
  state = $state.raw<SandboxAccessState | null>(null);
  failure = $state.raw<Failure | null>(null);
  busy = $state(false);
  #live: Pick<Live, "call">;
  /** Counts changes: a look that began before one tells nothing new. */
  #changes = 0;

  constructor(live: Pick<Live, "call">) {
    this.#live = live;
  }

  /** Looks again. A failure is shown only if nothing is known yet. */
  async look(): Promise<void> {
    const changes = this.#changes;
    try {
      const state = await this.#live.call("sandbox_access_get", {});
      if (changes !== this.#changes || this.busy) return;
      if (this.state === null) this.failure = null;
      this.state = state;
    } catch (thrown) {
      if (this.state === null) this.failure = toFailure(thrown);
    }
  }

  /** Allows or denies it. What fails leaves everything as it was. */
  async set(access: SandboxAccess): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    this.failure = null;
    try {
      this.state = await this.#live.call("sandbox_access_set", access);
    } catch (thrown) {
      this.failure = toFailure(thrown);
    } finally {
      this.#changes++;
      this.busy = false;
    }
  }
}

/** The sandboxes that are used, in a sentence. */
export function inUse(sandboxes: SandboxView[]): string {
  if (sandboxes.length === 0) return "No sandbox is in use.";
  const names = sandboxes.slice(0, NAMED).map((sandbox) => name(sandbox.sandbox_id, 60));
  const more = sandboxes.length - names.length;
  return `In use: ${names.join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}
