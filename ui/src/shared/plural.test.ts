import { expect, test } from "vitest";

import { count } from "./plural";

test("a number agrees with what it counts", () => {
  expect([0, 1, 2, 1200].map((number) => count(number, "call"))).toEqual(["0 calls", "1 call", "2 calls", "1,200 calls"]);
});
