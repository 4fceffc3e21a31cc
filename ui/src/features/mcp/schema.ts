// A tool's input schema as a form: which field a schema asks for, and what a value begins as.
// Values are plain JSON all the way, so that form and raw text are two views of one thing.

import { approximate } from "../../shared/exact";
import { asJson, asList, asRecord, isRecord, maybeNumber, maybeText, own, put, type Json } from "../../shared/untrusted";

export type { Json };
export interface Schema {
  [word: string]: unknown;
}

export type Field =
  | { kind: "object"; properties: [name: string, schema: Schema][]; required: string[]; open: boolean }
  | { kind: "array"; items: Schema }
  | { kind: "choice"; values: Json[] }
  | { kind: "variants"; variants: Schema[] }
  | { kind: "boolean" }
  | { kind: "number"; whole: boolean; least?: number; most?: number }
  | { kind: "text"; long: boolean }
  | { kind: "any" };

/** So many steps a schema's references are followed, all together. */
const STEPS = 64;
/** The most choices of one field. */
const CHOICES = 500;
/** A form has no more fields, and a value begins with no more. */
const FIELDS = 200;
const DEEPEST = 6;

/** Any value as a schema: `true`, `null` and what is none allow everything, `false` allows nothing. */
export function asSchema(given: unknown): Schema {
  if (given === false) return { not: {} };
  return isRecord(given) ? given : {};
}

/** The same without some of its words. */
export function without<T>(object: Record<string, T>, ...words: string[]): Record<string, T> {
  return Object.fromEntries(Object.entries(object).filter(([word]) => !words.includes(word)));
}

/** Follows `$ref` within the document, takes the one of several `allOf`, and what may be null as
 * what it is else: it is left out instead. */
export function resolve(schema: unknown, root: Schema, left = { steps: STEPS }): Schema {
  let found = asSchema(schema);
  // A schema that refers to itself forever is asked for as raw JSON.
  while (left.steps-- > 0) {
    const ref = found["$ref"];
    if (typeof ref === "string" && ref.startsWith("#")) {
      found = { ...at(root, ref.slice(1)), ...without(found, "$ref") };
    } else if (Array.isArray(found["allOf"])) {
      const { allOf, ...beside } = found;
      found = asList(allOf).slice(0, STEPS).map((part) => resolve(part, root, left)).reduce<Schema>(merge, beside);
    } else {
      const some = alone(found, root);
      if (some === null) return found;
      found = { ...some, ...without(found, "oneOf", "anyOf") };
    }
  }
  return {};
}

/** What a value is that may be null; `null` where there is more to choose from, or nothing. */
function alone(schema: Schema, root: Schema): Schema | null {
  const many = schema["oneOf"] ?? schema["anyOf"];
  if (!Array.isArray(many)) return null;
  const isNull = (variant: Schema) => variant["type"] === "null" || variant["const"] === null;
  const target = (variant: Schema) => (typeof variant["$ref"] === "string" ? at(root, variant["$ref"].slice(1)) : variant);
  const left = many.slice(0, CHOICES).map(asSchema).filter((variant) => !isNull(target(variant)));
  return left.length === 1 ? (left[0] ?? null) : null;
}

function at(root: Schema, pointer: string): Schema {
  let found: unknown = root;
  for (const part of pointer.split("/").slice(1, STEPS)) {
    const place = decoded(part).replaceAll("~1", "/").replaceAll("~0", "~");
    found = typeof found === "object" && found !== null ? own(found as Record<string, unknown>, place) : undefined;
  }
  return asSchema(found);
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function merge(left: Schema, right: Schema): Schema {
  return {
    ...left,
    ...right,
    properties: { ...asRecord(left["properties"]), ...asRecord(right["properties"]) },
    required: [...names(left["required"]), ...names(right["required"])],
  };
}

const names = (given: unknown): string[] => asList(given).filter((one) => typeof one === "string");

/** Each value once. */
function choices(values: unknown[]): Json[] {
  return [...new Map((values.slice(0, CHOICES) as Json[]).map((value) => [asJson(value), value])).values()];
}

/** Which field a resolved schema asks for. */
export function field(schema: Schema): Field {
  if ("const" in schema) return { kind: "choice", values: [schema["const"] as Json] };
  if (Array.isArray(schema["enum"]) && schema["enum"].length > 0) return { kind: "choice", values: choices(schema["enum"]) };
  const many = schema["oneOf"] ?? schema["anyOf"];
  if (Array.isArray(many) && many.length > 0) {
    const variants = many.slice(0, CHOICES).map(asSchema).filter((variant) => variant["type"] !== "null");
    const constants = variants.map((variant) => variant["const"]);
    if (variants.length > 0 && constants.every((constant) => constant !== undefined)) return { kind: "choice", values: choices(constants) };
    return variants.length > 0 ? { kind: "variants", variants } : { kind: "any" };
  }
  const types = Array.isArray(schema["type"]) ? [...new Set(names(schema["type"]))].filter((type) => type !== "null") : [maybeText(schema["type"])];
  if (types.length > 1) return { kind: "variants", variants: types.map((type) => ({ ...schema, type })) };
  switch (types[0] ?? (isRecord(schema["properties"]) ? "object" : undefined)) {
    case "object": {
      const required = names(schema["required"]);
      const needed = new Set(required);
      const all = Object.entries(asRecord(schema["properties"])).map(([name, property]): [string, Schema] => [name, asSchema(property)]);
      // What must be there comes first; else as the schema has it.
      const properties = [...all.filter(([name]) => needed.has(name)), ...all.filter(([name]) => !needed.has(name))];
      return { kind: "object", properties, required, open: schema["additionalProperties"] !== false && properties.length === 0 };
    }
    case "array":
      return { kind: "array", items: asSchema(schema["items"]) };
    case "boolean":
      return { kind: "boolean" };
    case "integer":
    case "number": {
      const [least, most] = [maybeNumber(approximate(schema["minimum"])), maybeNumber(approximate(schema["maximum"]))];
      return { kind: "number", whole: types[0] === "integer", ...(least !== undefined && { least }), ...(most !== undefined && { most }) };
    }
    case "string":
      return { kind: "text", long: schema["format"] === undefined };
    default:
      return { kind: "any" };
  }
}

/** How many levels of a form are drawn as fields, so that there are not too many; what lies deeper is asked for as JSON. */
export function levels(root: Schema): number {
  let level = [root];
  let count = 0;
  for (let depth = 0; depth < DEEPEST; depth++) {
    level = level.flatMap((one) => {
      const asked = field(resolve(one, root));
      const inside = asked.kind === "object" ? asked.properties.map(([, property]) => property) : asked.kind === "array" ? [asked.items] : asked.kind === "variants" ? asked.variants : [];
      return inside.slice(0, FIELDS + 1);
    });
    count += level.length;
    // The first level is always drawn, and cut by itself.
    if (count > FIELDS || level.length === 0) return depth + (level.length === 0 || depth === 0 ? 1 : 0);
  }
  return DEEPEST;
}

/** The most fields of one level. */
export const MOST_FIELDS = FIELDS;

/** What a value begins as: its default, or what must be there; `undefined` where nothing must. */
export function initial(given: Schema, root: Schema, required: boolean, depth = 0, left = { fields: FIELDS }): Json | undefined {
  if (depth > DEEPEST || left.fields-- <= 0) return undefined;
  const schema = resolve(given, root);
  // A default of null says that it may be left out.
  if ("default" in schema && (schema["default"] !== null || required)) return structuredClone(schema["default"]) as Json;
  const asked = field(schema);
  if (asked.kind === "object" && (required || given === root)) {
    const made: Record<string, Json> = {};
    for (const [name, property] of asked.properties) {
      const value = initial(property, root, asked.required.includes(name), depth + 1, left);
      if (value !== undefined) put(made, name, value);
    }
    return made;
  }
  if (!required) return undefined;
  switch (asked.kind) {
    case "array":
      return [];
    case "choice":
      return asked.values[0];
    case "variants":
      return initial(asked.variants[0] ?? {}, root, true, depth + 1, left);
    case "boolean":
      return false;
    case "text":
      return "";
    default:
      return undefined;
  }
}
