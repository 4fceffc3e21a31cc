import { expect, test } from "vitest";

import { split } from "./patch";

test("a patch is split by file", () => {
  const patch = "diff --git a/x b/x\nindex 1..2 100644\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\ndiff --git a/y z b/y z\nnew file mode 100644\n--- /dev/null\n+++ b/y z\n@@ -0,0 +1 @@\n+--- c\n";
  expect(split(patch)).toEqual({ x: ["@@ -1 +1 @@", "-a", "+b"], "y z": ["@@ -0,0 +1 @@", "+--- c"] });
  expect(split("")).toEqual({});
});
