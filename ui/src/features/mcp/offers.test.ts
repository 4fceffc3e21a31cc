import { expect, test } from "vitest";

import { expand, holes } from "./offers";

test("templates are filled", () => {
  expect(expand("file:///{path}", { path: "a b" })).toBe("file:///a%20b");
  expect(expand("file:///{+path}", { path: "a/b" })).toBe("file:///a/b");
  expect(expand("x://y{?from,to}", { from: 1, to: "" })).toBe("x://y?from=1");
  expect(expand("x://y{/part*}", { part: "z" })).toBe("x://y/z");
  expect(holes("x://{a}/{+b}{?c,d*}")).toEqual(["a", "b", "c", "d"]);
});
