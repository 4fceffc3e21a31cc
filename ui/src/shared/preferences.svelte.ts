// The app's settings as this window knows them, and the colours that follow from them.

import { createContext } from "svelte";

import { toFailure, type Host } from "../host";
import type { Event, Failure, Settings, SettingsState, Theme } from "../wire";

/** The first paint comes before the settings do. */
const THEME = "vivarium.theme";

export class Preferences {
  settings = $state<Settings>({ theme: "system", close_to_tray: false, notify: true, serve_sandboxes: false, engine: null });
  /** What was wrong with the settings' file, or could not be written to it. */
  trouble = $state<Failure | null>(null);
  /** The colours on screen now. */
  shown = $state<"light" | "dark">("light");
  #host: Host;
  #dark = matchMedia("(prefers-color-scheme: dark)");

  constructor(host: Host) {
    this.#host = host;
    const kept = localStorage.getItem(THEME);
    if (kept === "light" || kept === "dark") this.settings.theme = kept;
    this.#dark.addEventListener("change", () => this.#apply());
    this.#apply();
  }

  /** Asks for them. */
  async load(): Promise<void> {
    try {
      this.#take(await this.#host.call("settings_get", {}));
    } catch (thrown) {
      this.trouble = toFailure(thrown);
    }
  }

  /** Changes some of them, for every window. */
  async change(part: Partial<Settings>): Promise<void> {
    const before = this.settings;
    this.settings = { ...before, ...part };
    this.#apply();
    try {
      this.#take(await this.#host.call("settings_set", $state.snapshot(this.settings)));
    } catch (thrown) {
      this.settings = before;
      this.trouble = toFailure(thrown);
      this.#apply();
    }
  }

  choose(theme: Theme): Promise<void> {
    return this.change({ theme });
  }

  hear(event: Event): void {
    if (event.kind === "settings") this.#take(event.state);
  }

  #take(state: SettingsState): void {
    this.settings = state.settings;
    this.trouble = state.trouble;
    localStorage.setItem(THEME, state.settings.theme);
    this.#apply();
  }

  #apply(): void {
    const { theme } = this.settings;
    this.shown = theme !== "system" ? theme : this.#dark.matches ? "dark" : "light";
    document.documentElement.dataset.theme = this.shown;
  }
}

export const [usePreferences, providePreferences] = createContext<Preferences>();
