import { expect, test } from "vitest";

import { ansiChunks, settle } from "./ansi";

test("colours become classes, and the text stays", () => {
  expect(ansiChunks("plain")).toEqual([{ text: "plain", classes: "" }]);
  expect(ansiChunks("\u001b[1;31mred\u001b[0m on")).toEqual([
    { text: "red", classes: "ansi-bold ansi-red-fg" },
    { text: " on", classes: "" },
  ]);
  expect(ansiChunks("\u001b[38;5;196mx\u001b[0m")[0]!.classes).toBe("ansi-red-fg");
});

test("colours of 24 bits are drawn as they are", () => {
  expect(ansiChunks("\u001b[38;2;255;100;0mx\u001b[48;2;0;0;9my\u001b[0mz")).toEqual([
    { text: "x", classes: "", color: "rgb(255, 100, 0)" },
    { text: "y", classes: "", color: "rgb(255, 100, 0)", background: "rgb(0, 0, 9)" },
    { text: "z", classes: "" },
  ]);
  for (const odd of ["38;2;999;0;0", "38;2;1;2", "38;2"]) expect(ansiChunks(`\u001b[${odd}mx`).map(({ color }) => color)).toEqual([undefined]);
});

test("markup stays text", () => {
  expect(ansiChunks("\u001b[32m<img src=x>\u001b[0m")[0]!.text).toBe("<img src=x>");
});

test.each([
  ["10%\r20%\r100%", "100%"],
  ["100%\r9%", "9%0%"],
  ["a\r\nb", "a\nb"],
  ["abc\b\bX", "aXc"],
  ["long line\r\u001b[Kshort", "short"],
])("%j is shown as a terminal would", (written, shown) => {
  expect(settle(written)).toBe(shown);
});

test("colours of overwritten characters go with them", () => {
  const shown = ansiChunks(settle("\u001b[32mok\u001b[0m\r\u001b[31mno"));
  expect(shown.map((chunk) => chunk.text).join("")).toBe("no");
  expect(shown[0]!.classes).toBe("ansi-red-fg");
});

test.each([
  ["\u001b]0;title\u0007ok", "ok"],
  ["\u001b]52;c;cm0gLXJm\u001b\\ok", "ok"],
  ["\u001b]8;;https://evil.example\u0007good\u001b]8;;\u0007", "good"],
  ["\u001b]52;c;never ended\nnext line", "\nnext line"],
  ["\u009d0;title\u009cok", "ok"],
  ["\u001bPq#0\u001b\\ok", "ok"],
  ["\u001b_apc\u001b\\ok", "ok"],
  ["\u001b[2J\u001b[H\u001b[?25lok", "ok"],
  ["\u001bcok\u001b(B\u001b7", "ok"],
  ["a\u202eb\u0007", "a⟨U+202E⟩b⟨U+0007⟩"],
  ["lone \u001b", "lone ⟨U+001B⟩"],
])("%j says nothing to a terminal", (written, shown) => {
  const chunks = ansiChunks(settle(written));
  expect(chunks.map(({ text }) => text).join("")).toBe(shown);
});

test("a flood of colours is drawn without them", () => {
  expect(ansiChunks("\u001b[31mx\u001b[0m".repeat(50_000))).toEqual([{ text: "x".repeat(50_000), classes: "" }]);
});
