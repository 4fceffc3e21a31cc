// Whether the person has the desktop's mouse and keyboard for themselves. The machine keeps it, and
// anybody may change it there.

import { toFailure } from "../../host";
import type { Live } from "../../shared/live/live.svelte";
import type { Failure, Takeover } from "../../wire";

export class Taking {
  now = $state<Takeover>();
  /** While a change is on its way. */
  changing = $state(false);
  trouble = $state<Failure | null>(null);
  readonly #live: Live;

  constructor(live: Live) {
    this.#live = live;
  }

  /** Looks, and hears of changes; call what is returned to stop. */
  watch(): () => void {
    void this.#look();
    return this.#live.listen((event) => {
      if (event.kind === "takeover" && !this.changing) this.now = event.takeover;
    });
  }

  async set(on: boolean): Promise<void> {
    this.changing = true;
    this.trouble = null;
    try {
      this.now = await this.#live.call("takeover_set", { on });
    } catch (thrown) {
      this.trouble = toFailure(thrown);
    } finally {
      this.changing = false;
    }
  }

  async #look(): Promise<void> {
    try {
      const now = await this.#live.call("takeover_get", {});
      if (!this.changing) this.now = now;
    } catch {
      // The page shows by itself that the machine does not answer; a machine older than this app
      // knows no takeover, and shows no switch.
    }
  }
}
