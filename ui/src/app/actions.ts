// What the palette offers now: nothing that could not be done at this moment.

import type { NotebookDocument } from "../features/notebook/document.svelte";
import { toFailure } from "../host";
import type { Live } from "../shared/live/live.svelte";
import type { Preferences } from "../shared/preferences.svelte";
import type { CredentialKind } from "../wire";

export interface Action {
  group: "Go to" | "Machine" | "Notebook" | "Agents" | "Copy" | "Theme";
  word: string;
  keys?: string;
  /** Other words that people look for. */
  also?: string[];
  act: () => unknown;
}

interface Places {
  pages: { id: string; word: string }[];
  go: (page: string) => void;
  newAgent: () => void;
}

/** Other words for pages. */
const ALSO: Record<string, string[]> = { agents: ["Claude Code", "Codex", "AI coding tools", "tmux"], sandboxes: ["E2B", "untrusted code", "containers"] };

export function actions({ pages, go, newAgent }: Places, live: Live, file: NotebookDocument, preferences: Preferences): Action[] {
  const { notebook } = file;
  const { status } = live;
  const free = live.doing === null && !live.going && status !== null;
  const running = free && ["running", "starting", "paused"].includes(status.state);
  const on = (page: string, act: () => unknown) => () => {
    go(page);
    return act();
  };
  const found: (Action | false)[] = [
    ...pages.map(({ id, word }, at): Action => ({ group: "Go to", word, keys: `Ctrl ${at + 1}`, also: ALSO[id] ?? [], act: () => go(id) })),
    { group: "Go to", word: "Settings", keys: "Ctrl ,", also: ["about", "version", "preferences", "help", "keyboard shortcuts", "keys", "tokens"], act: () => go("settings") },
    free && !running && { group: "Machine", word: "Start machine", also: ["up", "build"], act: on("machine", () => live.up(false)) },
    running && { group: "Machine", word: "Stop machine", also: ["down"], act: on("machine", () => live.down()) },
    running && { group: "Machine", word: "Restart machine", act: on("machine", () => live.restart()) },
    free && { group: "Machine", word: "Rebuild image and start", also: ["build"], act: on("machine", () => live.up(true)) },
    live.going && { group: "Machine", word: "Cancel current operation", act: on("machine", () => live.cancel()) },
    live.running && { group: "Machine", word: "Evolve…", also: ["rebuild", "generation", "rollback"], act: () => go("evolve") },
    live.running && { group: "Notebook", word: "Run all cells", act: on("notebook", () => notebook.runAll()) },
    notebook.busy && { group: "Notebook", word: "Interrupt kernel", also: ["stop cell"], act: on("notebook", () => notebook.interrupt()) },
    live.running && { group: "Notebook", word: "Restart kernel…", act: on("notebook", () => (file.wanted = "restart")) },
    live.running && { group: "Notebook", word: "Restart kernel and run all…", act: on("notebook", () => (file.wanted = "restart and run all")) },
    { group: "Notebook", word: "Save notebook", keys: "Ctrl S", act: on("notebook", () => (file.wanted = "save")) },
    { group: "Notebook", word: "Clear outputs", act: on("notebook", () => notebook.clear()) },
    { group: "Agents", word: "New agent…", also: ["start", "Claude Code", "Codex", "prompt"], act: newAgent },
    ...copies(live),
    ...(["system", "light", "dark"] as const)
      .filter((theme) => theme !== preferences.settings.theme)
      .map((theme): Action => ({ group: "Theme", word: `Theme: ${theme}`, also: ["colours", "mode"], act: () => preferences.choose(theme) })),
  ];
  return found.filter((action) => action !== false);
}

function copies(live: Live): Action[] {
  const addresses = live.status?.addresses;
  if (!addresses) return [];
  const copy = (word: string, text: string): Action => ({ group: "Copy", word, act: () => live.host.clipboard.write(text) });
  return [
    copy("Copy kernel address", addresses.kernel),
    copy("Copy MCP address", addresses.mcp),
    copy("Copy VNC address", addresses.vnc),
    { group: "Copy", word: "Copy machine token", also: ["API key", "access token"], act: () => credential(live, "token") },
    { group: "Copy", word: "Copy VNC password", act: () => credential(live, "vnc_password") },
  ];
}

/** Copies one of the machine's own credentials, which is kept nowhere. */
async function credential(live: Live, credential: CredentialKind): Promise<void> {
  try {
    await live.host.clipboard.write((await live.call("machine_credential", { credential })).text);
  } catch (thrown) {
    live.trouble = toFailure(thrown);
  }
}
