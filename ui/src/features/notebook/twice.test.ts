import { expect, test } from "vitest";

import { Twice } from "./twice";

const press = (key: string, timeStamp: number, repeat = false) => ({ key, timeStamp, repeat });

test("a key that is held counts once", () => {
  const twice = new Twice();
  const held = [0, 500, 530, 560, 590, 620].map((at) => twice.pressed(press("d", at, at > 0)));
  expect(held).not.toContain(true);
});

test("each second press of the same key counts, soon after the first", () => {
  const twice = new Twice();
  expect([0, 100, 200, 300].map((at) => twice.pressed(press("d", at)))).toEqual([false, true, false, true]);
  expect([1000, 1100].map((at, n) => twice.pressed(press("di"[n]!, at)))).toEqual([false, false]);
  expect([2000, 3000].map((at) => twice.pressed(press("d", at)))).toEqual([false, false]);
});
