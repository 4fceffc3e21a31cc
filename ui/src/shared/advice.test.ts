import { expect, test } from "vitest";

import type { Advice } from "../wire";
import source from "./advice.ts?raw";
import { adviceWords, inWords } from "./advice";

test("the words name pages and buttons of the window, never a command of vivarium", () => {
  expect(adviceWords({ kind: "start_machine" })).toBe("Start the machine on the Machine page.");
  expect(source).not.toMatch(/vivarium [a-z]|--[a-z]+ NAME|--recreate|--rebuild/);
  // The same failure is shown on several pages: a button that stands beside it on one isn't on the others.
  const entries = source.split("const WORDS")[1]!.split("\n};")[0]!;
  expect(entries).toContain("fix_settings");
  expect(entries).not.toMatch(/press Retry|\bhere\b/);
});

test("what is particular is in the words", () => {
  expect(adviceWords({ kind: "fix_spec", path: "/a.toml" })).toContain("/a.toml");
  expect(adviceWords({ kind: "start_engine", found: "podman" })).toContain("podman.socket");
  expect(adviceWords(inWords("As it is."))).toBe("As it is.");
});

test("advice of another version spoils nothing", () => {
  for (const kind of ["of_a_later_version", "constructor", "toString"]) expect(adviceWords({ kind } as unknown as Advice)).toBeNull();
});
