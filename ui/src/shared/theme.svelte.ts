import { createContext } from "svelte";

export type ThemeChoice = "system" | "light" | "dark";

const KEY = "vivarium.theme";

/** Light or dark: the system's, or the person's own choice. */
export class Theme {
  choice = $state<ThemeChoice>("system");
  /** What is on screen now. */
  shown = $state<"light" | "dark">("light");
  #dark = matchMedia("(prefers-color-scheme: dark)");

  constructor() {
    const kept = localStorage.getItem(KEY);
    if (kept === "light" || kept === "dark") this.choice = kept;
    this.#dark.addEventListener("change", () => this.#apply());
    this.#apply();
  }

  choose(choice: ThemeChoice): void {
    this.choice = choice;
    localStorage.setItem(KEY, choice);
    this.#apply();
  }

  #apply(): void {
    this.shown = this.choice !== "system" ? this.choice : this.#dark.matches ? "dark" : "light";
    document.documentElement.dataset.theme = this.shown;
  }
}

export const [useTheme, provideTheme] = createContext<Theme>();
