import { expect, test } from "vitest";

import { commandLine, headerLines, pairs, splitCommand, unheader, unpair } from "./entry";

test("a command line is taken apart and put together", () => {
  const words = ["npx", "-y", "@a/b", "it's a folder", 'say "x"', "", "$HOME"];
  expect(splitCommand(commandLine("npx", words.slice(1)))).toEqual(words);
  expect(splitCommand(`a "b c" d\\ e 'f"g'`)).toEqual(["a", "b c", "d e", 'f"g']);
  expect(splitCommand("   ")).toEqual([]);
});

test("an environment is read from lines", () => {
  expect(pairs("A=1\nexport B = two words\nnonsense\nC=a=b")).toEqual({ A: "1", B: "two words", C: "a=b" });
  expect(pairs(unpair({ A: "1", B: "x y" }))).toEqual({ A: "1", B: "x y" });
});

test("headers are read from lines", () => {
  expect(headerLines("Authorization: Bearer a:b\n  X-Team :  blue \nnonsense\n: none")).toEqual({ Authorization: "Bearer a:b", "X-Team": "blue" });
  expect(headerLines(unheader({ A: "1", B: "•••" }))).toEqual({ A: "1", B: "•••" });
});
