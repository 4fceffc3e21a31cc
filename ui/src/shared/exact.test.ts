import { expect, test } from "vitest";

import { approximate, numberFrom, parseExact, stringifyExact } from "./exact";
import { asJson, asText, bytesOf } from "./untrusted";

const LARGE = "9007199254740993";
const HUGE = "-123456789012345678901234567890";

test("integers that a number doesn't hold come back with all of their digits", () => {
  for (const text of [LARGE, HUGE, `{"a":[${LARGE},1],"b":{"c":${HUGE}}}`, `[9007199254740991,-9007199254740991,0.1,1e+300]`, `{"${LARGE}":"${LARGE}"}`, `["\\"${LARGE}",${LARGE}]`, `["a\\\\",${LARGE}]`]) {
    expect(stringifyExact(parseExact(text))).toBe(text);
    expect(asJson(parseExact(text))).toBe(text);
  }
  expect(parseExact(LARGE)).toBe(9007199254740993n);
  expect(parseExact(" [ 1234567890123456 ] ")).toEqual([1234567890123456]);
  expect(stringifyExact({ a: 9007199254740993n }, 2)).toBe(`{\n  "a": ${LARGE}\n}`);
  expect(stringifyExact(undefined)).toBeUndefined();
});

test("texts, fractions and names stay what they are", () => {
  expect(parseExact(`{"a": "x ${LARGE}", "b": 1234567890.1234567890123456, "__proto__": ${LARGE}}`)).toEqual(JSON.parse(`{"a": "x ${LARGE}", "b": 1234567890.1234567, "__proto__": 0}`, (key, value: unknown) => (key === "__proto__" ? 9007199254740993n : value)));
  expect(parseExact(`"${"\\u0031".repeat(17)} ${LARGE}"`)).toBe(`${"1".repeat(17)} ${LARGE}`);
});

test("long texts and endless digits hold nothing up", () => {
  const long = "a\\\\\\\"".repeat(2 << 20);
  expect(stringifyExact(parseExact(`["${long}",${LARGE}]`))).toBe(`["${long}",${LARGE}]`);
  expect(parseExact(`["${"\\\\".repeat(1 << 20)}",${LARGE}]`)).toHaveLength(2);
  expect(parseExact("1".repeat(2_000_000))).toBe(Infinity);
  expect(numberFrom("1".repeat(2_000_000))).toBe(Infinity);
});

test("what is no JSON is refused as ever", () => {
  for (const text of [`[0${LARGE}]`, `[${LARGE}x]`, `{${LARGE}: 1}`, `[${LARGE} ${LARGE}]`, `"${LARGE}`, `-`, ""]) expect(() => parseExact(text)).toThrow(SyntaxError);
});

test("what a person types keeps its digits, and what knows no bigints gets numbers", () => {
  expect([numberFrom(` ${LARGE} `), numberFrom("1.5"), numberFrom("12"), numberFrom(""), numberFrom("1e400"), numberFrom("x")]).toEqual([9007199254740993n, 1.5, 12, undefined, Infinity, undefined]);
  expect(approximate({ a: [9007199254740993n, "1", null] })).toEqual({ a: [9007199254740992, "1", null] });
  expect([asText(9007199254740993n), bytesOf(9007199254740993n)]).toEqual([LARGE, 8]);
});
