import { expect, test } from "vitest";

import { count, CUT, members, openLevels } from "./tree";

const wide = (length: number, inside: unknown) => Array.from({ length }, () => inside);

test("a small value is open, a large one as far as it can be drawn", () => {
  expect(openLevels({ a: { b: { c: { d: 1 } } } })).toBe(3);
  expect(openLevels(wide(100, wide(100, wide(100, 1))))).toBe(1);
  expect(openLevels(wide(10, wide(10, wide(100, 1))))).toBe(2);
  expect([openLevels(3), openLevels(null), openLevels("x"), openLevels([])]).toEqual([3, 3, 3, 3]);
});

test("360 KB of nested JSON are looked at as far as they are drawn", () => {
  const deep = JSON.parse("[".repeat(180_000) + "]".repeat(180_000)) as unknown;
  expect(openLevels(deep)).toBe(3);
  const huge = Object.fromEntries(Array.from({ length: 30_000 }, (_, at) => [`k${at}`, { a: [at] }]));
  expect(openLevels(huge)).toBe(3);
  expect(members(huge, CUT)).toHaveLength(CUT);
  expect(count(huge)).toBe(30_000);
});
