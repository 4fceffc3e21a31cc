import { expect, test, vi } from "vitest";

import type { Host } from "../host";
import type { Settings } from "../wire";
import { Preferences } from "./preferences.svelte";

const STORED: Settings = { theme: "dark", close_to_tray: true, notify: false, serve_sandboxes: true, engine: "tcp://10.0.0.1:2376" };

test("what is changed before the settings are known costs none of the others, and stays", async () => {
  vi.stubGlobal("matchMedia", () => ({ matches: false, addEventListener: () => {} }));
  vi.stubGlobal("localStorage", { getItem: () => null, setItem: () => {} });
  vi.stubGlobal("document", { documentElement: { dataset: {} } });
  let answer!: (state: unknown) => void;
  const written: Settings[] = [];
  const call = (command: string, request: Settings) => {
    if (command === "settings_get") return new Promise((resolve) => (answer = resolve));
    written.push(request);
    return Promise.resolve({ settings: request, trouble: null });
  };
  const preferences = new Preferences({ call } as unknown as Host);
  const loading = preferences.load();
  const changing = preferences.choose("light");
  expect(preferences.settings.theme).toBe("light");
  answer({ settings: STORED, trouble: null });
  await loading;
  expect(preferences.settings).toEqual({ ...STORED, theme: "light" });
  await changing;
  expect(written).toEqual([{ ...STORED, theme: "light" }]);
  expect(preferences.settings).toEqual({ ...STORED, theme: "light" });
});
