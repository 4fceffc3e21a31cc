// What agents' terminals show, as text, for tiles: asked for again and again, of those in view and of a few
// at once. Looking in this way counts as nobody's look: what is unread stays so.

import type { Live } from "../../shared/live/live.svelte";

/** So many are followed at once, however many tiles there are. */
export const MOST_FOLLOWED = 12;
const EVERY_MS = 2000;
/** Lines and columns that a tile draws. */
const LINES = 14;
const COLUMNS = 160;

export class Screens {
  /** The last lines, by the agent's id. */
  shown = $state<Record<string, string[]>>({});
  #live: Live;
  #followed = new Set<string>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #on = false;

  constructor(live: Live) {
    this.#live = live;
  }

  /** A tile is in view. Call what is returned once it isn't. */
  follow(id: string): () => void {
    this.#followed.add(id);
    if (this.#on && !(id in this.shown)) void this.#read(id);
    return () => this.#followed.delete(id);
  }

  /** Asks while the page is in view; call what is returned to stop. */
  watch(): () => void {
    this.#on = true;
    void this.#turn();
    return () => {
      this.#on = false;
      clearTimeout(this.#timer);
    };
  }

  async #turn(): Promise<void> {
    clearTimeout(this.#timer);
    await Promise.all([...this.#followed].slice(0, MOST_FOLLOWED).map((id) => this.#read(id)));
    clearTimeout(this.#timer);
    if (this.#on) this.#timer = setTimeout(() => void this.#turn(), EVERY_MS);
  }

  async #read(id: string): Promise<void> {
    try {
      const { text } = await this.#live.call("agent_screen", { id });
      this.shown[id] = lastLines(text);
    } catch {
      // Where it stands is told by the list; what it showed last stays.
    }
  }
}

/** The end of a screen, without the empty lines below it. */
export function lastLines(text: string): string[] {
  const lines = text.trimEnd().split("\n");
  return lines.slice(-LINES).map((line) => line.slice(0, COLUMNS).trimEnd());
}
