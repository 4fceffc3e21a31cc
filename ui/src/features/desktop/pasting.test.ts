import { expect, test } from "vitest";

import { pasting } from "./pasting";

const keys = (key: string, code: string, held: Partial<KeyboardEvent> = { ctrlKey: true }) => {
  const event = { key, code, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...held };
  return pasting(event as KeyboardEvent)?.map(({ keysym }) => keysym) ?? null;
};
const [CONTROL, SHIFT, INSERT] = [0xffe3, 0xffe1, 0xff63];

test("pasting goes by the letter, not by the key's place", () => {
  expect(keys("v", "KeyV")).toEqual([CONTROL, 0x76]);
  // Dvorak has its K where others have V, and its V where they have the full stop.
  expect(keys("k", "KeyV")).toBeNull();
  expect(keys("v", "Period")).toEqual([CONTROL, 0x76]);
  // Layouts without Latin letters: Cyrillic, Greek.
  expect(keys("м", "KeyV")).toEqual([CONTROL, 0x76]);
  expect(keys("ω", "KeyV")).toEqual([CONTROL, 0x76]);
  expect(keys("в", "KeyD")).toBeNull();
});

test("the keys that paste are those that programs know", () => {
  expect(keys("V", "KeyV", { ctrlKey: true, shiftKey: true })).toEqual([CONTROL, SHIFT, 0x56]);
  expect(keys("v", "KeyV", { metaKey: true })).toEqual([CONTROL, 0x76]);
  expect(keys("Insert", "Insert", { shiftKey: true })).toEqual([SHIFT, INSERT]);
  for (const held of [{}, { shiftKey: true }, { ctrlKey: true, altKey: true }]) expect(keys("v", "KeyV", held)).toBeNull();
  expect(keys("Insert", "Insert", { ctrlKey: true })).toBeNull();
  expect(keys(".", "KeyV")).toBeNull();
});
