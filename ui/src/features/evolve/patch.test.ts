import { expect, test } from "vitest";

import type { ChangedFile } from "../../wire";
import { review } from "./patch";

const file = (path: string, change: ChangedFile["change"], added: number | null, removed: number | null): ChangedFile => ({ path, change, added, removed });
const shown = (files: ChangedFile[], patch: string, cut = false) => review({ files, patch, cut });
const created = (quoted: string, text: string) => `diff --git ${quoted.replace("b/", "a/")} ${quoted}\nnew file mode 100644\nindex 0000000..bca70f3\n--- /dev/null\n+++ ${quoted}\n@@ -0,0 +1 @@\n+${text}\n`;

const DOCKERFILE = "diff --git a/body/Dockerfile b/body/Dockerfile\nindex 1..2 100644\n--- a/body/Dockerfile\n+++ b/body/Dockerfile\n@@ -1 +1,2 @@\n FROM x\n+RUN evil\n";

test("each file has its own lines", () => {
  const patch = `${DOCKERFILE}${created("b/y z", "++ c").replace("+++ b/y z", "+++ b/y z\t")}`;
  const [first, second] = shown([file("body/Dockerfile", "changed", 1, 0), file("y z", "added", 1, 0)], patch);
  expect(first).toMatchObject({ lines: ["@@ -1,1 +1,2 @@", " FROM x", "+RUN evil"], notes: [] });
  expect(second).toMatchObject({ lines: ["@@ -0,0 +1,1 @@", "+++ c"], notes: [] });
  expect(shown([], "")).toEqual([]);
});

test("no file takes another's place", () => {
  const files = [file("body/Dockerfile", "changed", 1, 0), file("z b/body/Dockerfile", "added", 1, 0)];
  const found = shown(files, DOCKERFILE + created("b/z b/body/Dockerfile", "innocent").replace("Dockerfile\n@@", "Dockerfile\t\n@@"));
  expect(found.map(({ lines }) => lines.at(-1))).toEqual(["+RUN evil", "+innocent"]);
  // Neither by its content.
  const tricky = "diff --git a/tricky b/tricky\nnew file mode 100644\n--- /dev/null\n+++ b/tricky\n@@ -0,0 +1,4 @@\n+++ plus\n+-- minus\n+@@ x\n+diff --git a/body/Dockerfile b/body/Dockerfile\n";
  const [first, second] = shown([files[0]!, file("tricky", "added", 4, 0)], DOCKERFILE + tricky);
  expect(first?.lines).toContain("+RUN evil");
  expect(second?.lines).toHaveLength(5);
});

test("names that git quotes are found", () => {
  const names = ['na"me', "tab\there", "new\nline", "rtl\u202egpj.sh", "back\\slash", "é", "constructor", "__proto__", "trail "];
  const quoted = ['"b/na\\"me"', '"b/tab\\there"', '"b/new\\nline"', '"b/rtl\\342\\200\\256gpj.sh"', '"b/back\\\\slash"', '"b/\\303\\251"', "b/constructor", "b/__proto__", "b/trail "];
  const patch = quoted.map((one, at) => created(one, String(at)).replace(/ \n@@/, " \t\n@@")).join("");
  const found = shown(names.map((name) => file(name, "added", 1, 0)), patch);
  expect(found.map(({ path, lines, notes }) => [path, lines.at(-1), notes])).toEqual(names.map((name, at) => [name, `+${at}`, []]));
});

test("names that look the same keep their own lines", () => {
  const patch = created('"b/\\377"', "first") + created('"b/\\376"', "second");
  const found = shown([file("\ufffd", "added", 1, 0), file("\ufffd", "added", 1, 0)], patch);
  expect(found.map(({ lines }) => lines.at(-1))).toEqual(["+first", "+second"]);
});

test("what can't be shown is never called unchanged", () => {
  const words = (given: ReturnType<typeof shown>) => given[0]?.notes.map(({ words }) => words).join(" ");
  expect(words(shown([file("a", "changed", 1, 1)], ""))).toContain("could not be read");
  expect(words(shown([file("a", "changed", 1, 1)], "", true))).toContain("very long");
  // Cut in the middle of its hunk.
  expect(words(shown([file("body/Dockerfile", "changed", 1, 0)], DOCKERFILE.slice(0, -14), true))).toContain("very long");
  expect(words(shown([file("body/Dockerfile", "changed", 9, 0)], DOCKERFILE))).toContain("not all that changed");
  expect(words(shown([file("b", "added", null, null)], "diff --git a/b b/b\nnew file mode 100644\nindex 0..1\nBinary files /dev/null and b/b differ\n"))).toContain("binary");
  expect(words(shown([file("e", "added", 0, 0)], "diff --git a/e b/e\nnew file mode 100644\nindex 0000000..e69de29\n"))).toBe("An empty file.");
  expect(words(shown([file("x", "changed", 0, 0)], "diff --git a/x b/x\nold mode 100644\nnew mode 100755\n"))).toContain("executable");
  expect(words(shown([file("l", "added", 1, 0)], created("b/l", "/etc/passwd").replace("100644", "120000")))).toContain("symbolic link");
});

test("what is in the patch and not in the list is shown as well", () => {
  const [only] = shown([], DOCKERFILE);
  expect(only?.path).toBe("body/Dockerfile");
  expect(only?.notes[0]?.warning).toBe(true);
});
