import { expect, test } from "vitest";

import { complaints } from "./complaints";
import { asSchema, field, initial, levels, resolve, type Schema } from "./schema";

const ROOT: Schema = {
  type: "object",
  properties: {
    path: { type: "string" },
    depth: { type: "integer", minimum: 0, default: 3 },
    mode: { enum: ["fast", "whole"] },
    filters: { type: "array", items: { $ref: "#/$defs/Filter" } },
    at: { anyOf: [{ type: "integer" }, { type: "null" }] },
    size: { oneOf: [{ type: "string" }, { type: "object", properties: { width: { type: "number" } }, required: ["width"] }] },
  },
  required: ["path", "mode"],
  $defs: { Filter: { type: "object", properties: { name: { type: "string" }, on: { type: "boolean", default: true } }, required: ["name"] } },
};

test("a form begins with defaults and with what must be there", () => {
  expect(initial(ROOT, ROOT, true)).toEqual({ path: "", depth: 3, mode: "fast" });
  expect(initial({ $ref: "#/$defs/Filter" }, ROOT, true)).toEqual({ name: "", on: true });
});

test("what may be null is asked for as what it is else", () => {
  const root: Schema = { $defs: { Point: { type: "object", description: "A place", properties: { x: { type: "integer" } }, required: ["x"] }, None: { type: "null" } } };
  const point = { $ref: "#/$defs/Point" };
  for (const schema of [{ anyOf: [point, { type: "null" }] }, { oneOf: [{ type: "null" }, point] }, { anyOf: [point, { $ref: "#/$defs/None" }] }, { anyOf: [point, { const: null }] }, { anyOf: [{ allOf: [point] }, { type: "null" }] }]) {
    const own = resolve(schema, root);
    expect(field(own)).toEqual({ kind: "object", properties: [["x", { type: "integer" }]], required: ["x"], open: false });
    expect(own["description"]).toBe("A place");
  }
  const late = { type: "object", properties: { a: {}, b: {}, c: {} }, required: ["c", "b"] };
  expect(field(late)).toMatchObject({ properties: [["b", {}], ["c", {}], ["a", {}]] });
  expect(field(resolve({ type: ["object", "null"], properties: { x: { type: "integer" } } }, root)).kind).toBe("object");
  expect(field(resolve({ anyOf: [point, { type: "string" }, { type: "null" }] }, root)).kind).toBe("variants");
  // What is said beside counts, as the default that a server has for it; null says that it may be left out.
  expect(initial({ anyOf: [point, { type: "null" }], default: { x: 3 } }, root, false)).toEqual({ x: 3 });
  expect(initial({ anyOf: [point, { type: "null" }], default: null }, root, false)).toBeUndefined();
  expect(initial({ anyOf: [point, { type: "null" }] }, root, false)).toBeUndefined();
  expect(initial({ anyOf: [{ $ref: "#/$defs/Node" }, { type: "null" }], $defs: { Node: { anyOf: [{ $ref: "#/$defs/Node" }, { type: "null" }] } } }, root, true)).toBeUndefined();
});

test("each schema asks for its field", () => {
  const properties = ROOT["properties"] as Record<string, Schema>;
  const kind = (name: string) => field(resolve(properties[name] ?? {}, ROOT)).kind;
  expect(["path", "depth", "mode", "filters", "at", "size"].map(kind)).toEqual(["text", "number", "choice", "array", "number", "variants"]);
  expect(field({ type: ["string", "null"] }).kind).toBe("text");
  expect(field({ oneOf: [{ const: "a", title: "A" }, { const: "b" }] })).toEqual({ kind: "choice", values: ["a", "b"] });
  expect(field({}).kind).toBe("any");
});

test("a schema that refers to itself does not hang", () => {
  const loop: Schema = { $defs: { A: { $ref: "#/$defs/A" } }, $ref: "#/$defs/A" };
  expect(field(resolve(loop, loop)).kind).toBe("any");
  const absent: Schema = { type: "object", properties: { edge: { type: ["integer", "null"], default: null }, kept: { default: null } }, required: ["kept"] };
  expect(initial(absent, absent, true)).toEqual({ kept: null });
  const nested: Schema = { $defs: { Node: { type: "object", properties: { next: { $ref: "#/$defs/Node" } } } }, $ref: "#/$defs/Node" };
  expect(initial(nested, nested, true)).toEqual({});
});

test("complaints name the place, and not its containers", () => {
  const found = complaints({ path: 3, mode: "fast", filters: [{}] }, ROOT);
  expect(found.map(({ place }) => place).sort()).toEqual(["/filters/0", "/path"]);
  expect(complaints({ path: "x", mode: "whole" }, ROOT)).toEqual([]);
});

test("whatever stands in a schema's place is one", () => {
  for (const given of [true, false, null, 3, "x", [], undefined, {}]) {
    const root = asSchema({ type: "object", properties: { payload: given, other: { type: "string" } }, required: ["payload", "other"] });
    expect(field(resolve(root, root))).toMatchObject({ kind: "object", required: ["payload", "other"] });
    expect(initial(root, root, true)).toMatchObject({ other: "" });
    expect(() => field(resolve(given, root))).not.toThrow();
  }
  const odd = ["x", 3, null, true, [null], { constructor: null }];
  for (const word of ["type", "properties", "required", "enum", "oneOf", "anyOf", "allOf", "items", "$ref", "default", "minimum", "format", "title"]) {
    for (const value of odd) {
      const root = asSchema({ [word]: value });
      expect(() => [field(resolve(root, root)), initial(root, root, true), levels(root)], `${word}: ${JSON.stringify(value)}`).not.toThrow();
    }
  }
  expect(() => resolve({ $ref: "#/%E0%A4%A" }, {})).not.toThrow();
  expect(field(asSchema({ enum: ["a", "a", "b"] }))).toEqual({ kind: "choice", values: ["a", "b"] });
});

test("a schema that needs itself ends", () => {
  const loop: Schema = { type: "object", properties: { next: { $ref: "#" } }, required: ["next"] };
  expect(JSON.stringify(initial(loop, loop, true)).length).toBeLessThan(200);
  const all: Schema = { allOf: [{ $ref: "#" }, { $ref: "#" }] };
  expect(field(resolve(all, all)).kind).toBe("any");
  const names = Array.from({ length: 12 }, (_, at) => `p${at}`);
  const wide: Schema = { type: "object", properties: Object.fromEntries(names.map((name) => [name, { $ref: "#" }])), required: names };
  expect(JSON.stringify(initial(wide, wide, true)).length).toBeLessThan(20_000);
  expect(levels(wide)).toBe(2);
});

test("a form has no more levels than can be drawn", () => {
  const wide = (length: number): Schema => ({ type: "object", properties: Object.fromEntries(Array.from({ length }, (_, at) => [`p${at}`, { type: "string" }])) });
  expect(levels(ROOT)).toBeGreaterThanOrEqual(3);
  expect(levels(wide(10_000))).toBe(1);
  expect(levels({ type: "object", properties: { a: wide(500) } })).toBe(1);
});

test("names of an object's prototype are names", () => {
  const root = asSchema(JSON.parse('{"type": "object", "properties": {"__proto__": {"type": "string"}, "constructor": {"type": "string"}}, "required": ["__proto__", "constructor"]}'));
  expect(Object.keys(initial(root, root, true) as object)).toEqual(["__proto__", "constructor"]);
  expect(resolve({ $ref: "#/constructor" }, root)).toEqual({});
});
