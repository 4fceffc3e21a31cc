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
  /** As the app said them last; null before it did. */
  #known: Settings | null = null;
  /** What was changed here and the app has not confirmed. */
  #changed: Partial<Settings> = {};
  #loading: Promise<void> | null = null;
  #dark = matchMedia("(prefers-color-scheme: dark)");

  constructor(host: Host) {
    this.#host = host;
    const kept = localStorage.getItem(THEME);
    if (kept === "light" || kept === "dark") this.settings.theme = kept;
    this.#dark.addEventListener("change", () => this.#apply());
    this.#apply();
  }

  /** Asks for them. */
  load(): Promise<void> {
    return (this.#loading ??= this.#load().finally(() => (this.#loading = null)));
  }

  async #load(): Promise<void> {
    try {
      this.#take(await this.#host.call("settings_get", {}));
    } catch (thrown) {
      this.trouble = toFailure(thrown);
    }
  }

  /** Changes some of them, for every window. */
  async change(part: Partial<Settings>): Promise<void> {
    this.#changed = { ...this.#changed, ...part };
    this.settings = { ...this.settings, ...part };
    this.#apply();
    // All of them are written: those that are not known yet would be lost.
    while (this.#loading) await this.#loading;
    if (this.#known === null) await this.load();
    if (this.#known === null) return this.#confirm(part);
    try {
      const state = await this.#host.call("settings_set", $state.snapshot(this.settings));
      this.#confirm(part);
      this.#take(state);
    } catch (thrown) {
      this.#confirm(part);
      this.trouble = toFailure(thrown);
    }
  }

  /** A change is stored, or is not going to be. */
  #confirm(part: Partial<Settings>): void {
    const rest = Object.entries(this.#changed).filter(([name, value]) => part[name as keyof Settings] !== value);
    this.#changed = Object.fromEntries(rest);
    if (this.#known) this.settings = { ...this.#known, ...this.#changed };
    this.#apply();
  }

  choose(theme: Theme): Promise<void> {
    return this.change({ theme });
  }

  hear(event: Event): void {
    if (event.kind === "settings") this.#take(event.state);
  }

  #take(state: SettingsState): void {
    this.#known = state.settings;
    this.settings = { ...state.settings, ...this.#changed };
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
