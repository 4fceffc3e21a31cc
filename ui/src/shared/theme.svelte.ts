export type ThemeChoice = "system" | "light" | "dark";

const KEY = "vivarium.theme";

/** Light or dark: the system's, or the person's own choice. */
export class Theme {
  choice = $state<ThemeChoice>("system");
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
    const dark = this.choice === "dark" || (this.choice === "system" && this.#dark.matches);
    document.documentElement.dataset.theme = dark ? "dark" : "light";
  }
}
