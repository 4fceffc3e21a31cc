import { expect, test } from "vitest";

import type { ChangedFile } from "../../wire";
import { review } from "./review";

const changed = (given: Partial<ChangedFile>): ChangedFile => ({ path: "a", change: "changed", added: 0, removed: 0, mode: "100644", old_mode: "100644", patch: "", cut: false, ...given });
const words = (given: Partial<ChangedFile>) => review(changed(given)).notes.map((note) => note.words).join(" ");

test("a file has its own lines, whatever they look like", () => {
  const patch = "@@ -1 +1,4 @@\n FROM x\n+++ plus\n+-- minus\n+diff --git a/body/Dockerfile b/body/Dockerfile\n";
  expect(review(changed({ added: 3, patch }))).toMatchObject({ lines: patch.trimEnd().split("\n"), notes: [] });
  expect(review(changed({ path: "z b/body/Dockerfile" })).path).toBe("z b/body/Dockerfile");
});

test("what can't be shown is never called unchanged", () => {
  expect(words({ added: 1 })).toContain("not all the changes");
  expect(words({ added: 9, patch: "@@ -1 +1,2 @@\n x\n+y\n" })).toContain("not all the changes");
  expect(words({ added: 9, cut: true })).toContain("very long");
  expect(words({ added: 9, cut: true, patch: "@@ -1 +1,2 @@\n x\n+y\n" })).toContain("More lines changed");
  expect(words({ added: null, removed: null })).toContain("Binary");
  expect(words({})).toContain("could not be read");
  expect(words({ change: "added", old_mode: null })).toBe("Empty file.");
});

test("what a file becomes is said", () => {
  expect(words({ mode: "100755" })).toContain("becomes executable");
  expect(words({ change: "added", old_mode: null, mode: "120000", added: 1, patch: "@@ -0,0 +1 @@\n+/etc/passwd\n" })).toBe("The file is a symbolic link.");
  expect(words({ mode: "120000", added: 1, patch: "@@ -0,0 +1 @@\n+/etc/passwd\n" })).toContain("symbolic link");
});
