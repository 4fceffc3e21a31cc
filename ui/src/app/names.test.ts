import { expect, test } from "vitest";

import { nameProblem } from "./names";

test("a name is plain, and nobody else's", () => {
  expect(nameProblem("", ["a"])).toBeNull();
  expect(nameProblem(" work-2 ", ["a"])).toBeNull();
  expect(nameProblem("a", ["a"])).toContain("already exists");
  for (const wrong of ["-a", "a b", "a/b", "ä", "x".repeat(61), "..\u202e"]) expect(nameProblem(wrong, [])).toContain("Use letters");
});
