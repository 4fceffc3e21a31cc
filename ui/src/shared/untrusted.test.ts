import { expect, test } from "vitest";

import unseen from "./unseen.json";
import { asJson, asText, bytesOf, clip, isDeeper, name, own, paragraph, put, visible } from "./untrusted";

test("what can't be seen is made visible", () => {
  expect(visible("a\u202egpj.sh")).toBe("a⟨U+202E⟩gpj.sh");
  expect(visible("\u001b[2J\u0007\u009b")).toBe("⟨U+001B⟩[2J⟨U+0007⟩⟨U+009B⟩");
  expect(visible("zero\u200bwidth \u{e0041}tag \ud800")).toBe("zero⟨U+200B⟩width ⟨U+E0041⟩tag ⟨U+D800⟩");
  expect(visible("two\r\nlines\tand a tab, 日本語, é, 👩‍💻")).toBe("two\nlines\tand a tab, 日本語, é, 👩‍💻");
  expect(visible("10%\r20%")).toBe("10%⟨U+000D⟩20%");
});

test("the app takes the same characters for unseen", () => {
  // The list that `crates/app/src/untrusted.rs` is compared with, too.
  const found: [number, number][] = [];
  const BLOCK = 4096;
  for (let first = 0; first <= 0x10ffff; first += BLOCK) {
    const codes = Array.from({ length: BLOCK }, (_, at) => first + at).filter((code) => code < 0xd800 || code > 0xdfff);
    const block = String.fromCodePoint(...codes);
    if (visible(block) === block) continue;
    for (const code of codes) {
      const sign = String.fromCodePoint(code);
      if (visible(sign) === sign) continue;
      const last = found.at(-1);
      if (last?.[1] === code - 1) last[1] = code;
      else found.push([code, code]);
    }
  }
  expect(found).toEqual(unseen);
});

test("a name is one line and has nothing unseen in it", () => {
  expect(name("Dockerfile\u00a0")).toBe("Dockerfile⟨U+00A0⟩");
  expect(name("a\nb\tc")).toBe("a⟨U+000A⟩b⟨U+0009⟩c");
  expect(name("\u2066x\u2069\u3164")).toBe("⟨U+2066⟩x⟨U+2069⟩⟨U+3164⟩");
  expect(name("ordinary-name.py")).toBe("ordinary-name.py");
  expect(name({ toString: null })).toBe("");
});

test("what is long is cut, and says so", () => {
  expect(clip("abcdef", 3)).toBe("abc… (3 more characters)");
  expect(clip("ab😀", 3)).toBe("ab… (2 more characters)");
  expect(paragraph("x".repeat(1e6)).length).toBeLessThan(21_000);
  expect(name("x".repeat(1e6)).length).toBeLessThan(400);
});

test("types are looked at, and names of an object's prototype are ordinary names", () => {
  expect([asText(3), asText(null), asText(["a"]), asText({})]).toEqual(["3", "", "", ""]);
  expect(own({}, "constructor")).toBeUndefined();
  const made: Record<string, number> = {};
  put(made, "__proto__", 3);
  expect(Object.entries(made)).toEqual([["__proto__", 3]]);
  const deep = JSON.parse("[".repeat(100_000) + "]".repeat(100_000)) as unknown;
  expect(asJson(deep)).toMatch(/nested too deeply|^\[/);
  expect([isDeeper(deep, 100), isDeeper({ a: [[1], 2] }, 2), isDeeper({ a: [[1], 2] }, 1), isDeeper("x", 0)]).toEqual([true, false, true, false]);
  expect(asJson(undefined)).toBe("undefined");
  expect([bytesOf("abc"), bytesOf({ a: ["bc", null] }), bytesOf(deep)]).toEqual([3, 1 + 1 + 2 + 1 + 8, 99_999]);
});
