// A tool's input schema as a form: which field a schema asks for, and what a value begins as.
// Values are plain JSON all the way, so that form and raw text are two views of one thing.

import { Validator } from "@cfworker/json-schema";

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
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

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);

/** The same without some of its words. */
export function without<T>(object: Record<string, T>, ...words: string[]): Record<string, T> {
  return Object.fromEntries(Object.entries(object).filter(([word]) => !words.includes(word)));
}

/** Follows `$ref` within the document, takes the one of several `allOf`, and what may be null as
 * what it is else: it is left out instead. */
export function resolve(schema: Schema, root: Schema): Schema {
  let found = schema;
  // A schema that refers to itself forever is asked for as raw JSON.
  for (let depth = 0; depth < 8; depth++) {
    const ref = found["$ref"];
    if (typeof ref === "string" && ref.startsWith("#")) {
      found = { ...at(root, ref.slice(1)), ...without(found, "$ref") };
    } else if (Array.isArray(found["allOf"])) {
      const { allOf, ...beside } = found;
      found = (allOf as Schema[]).map((part) => resolve(part, root)).reduce(merge, beside);
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
  const left = (many as Schema[]).filter((variant) => !isNull(typeof variant["$ref"] === "string" ? at(root, variant["$ref"].slice(1)) : variant));
  return left.length === 1 ? (left[0] ?? null) : null;
}

function at(root: Schema, pointer: string): Schema {
  let found: unknown = root;
  for (const part of pointer.split("/").slice(1)) {
    const name = decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~");
    found = isObject(found) || Array.isArray(found) ? (found as Record<string, unknown>)[name] : undefined;
  }
  return isObject(found) ? found : {};
}

function merge(left: Schema, right: Schema): Schema {
  const both = (word: string) => ({ ...(left[word] as object | undefined), ...(right[word] as object | undefined) });
  const required = [...((left["required"] as string[] | undefined) ?? []), ...((right["required"] as string[] | undefined) ?? [])];
  return { ...left, ...right, properties: both("properties"), required };
}

/** Which field a resolved schema asks for. */
export function field(schema: Schema): Field {
  if ("const" in schema) return { kind: "choice", values: [schema["const"] as Json] };
  if (Array.isArray(schema["enum"])) return { kind: "choice", values: schema["enum"] as Json[] };
  const many = schema["oneOf"] ?? schema["anyOf"];
  if (Array.isArray(many) && many.length > 0) {
    const variants = (many as Schema[]).filter((variant) => variant["type"] !== "null");
    const constants = variants.map((variant) => variant["const"]);
    if (constants.every((constant) => constant !== undefined)) return { kind: "choice", values: constants as Json[] };
    return { kind: "variants", variants };
  }
  const types = Array.isArray(schema["type"]) ? (schema["type"] as string[]).filter((type) => type !== "null") : [schema["type"] as string | undefined];
  if (types.length > 1) return { kind: "variants", variants: types.map((type) => ({ ...schema, type })) };
  switch (types[0] ?? (isObject(schema["properties"]) ? "object" : undefined)) {
    case "object": {
      const required = (schema["required"] as string[] | undefined) ?? [];
      const all = Object.entries((schema["properties"] as Record<string, Schema> | undefined) ?? {});
      // What must be there comes first; else as the schema has it.
      const properties = [...all.filter(([name]) => required.includes(name)), ...all.filter(([name]) => !required.includes(name))];
      return { kind: "object", properties, required, open: schema["additionalProperties"] !== false && properties.length === 0 };
    }
    case "array":
      return { kind: "array", items: isObject(schema["items"]) ? schema["items"] : {} };
    case "boolean":
      return { kind: "boolean" };
    case "integer":
    case "number":
      return {
        kind: "number",
        whole: types[0] === "integer",
        ...(typeof schema["minimum"] === "number" && { least: schema["minimum"] }),
        ...(typeof schema["maximum"] === "number" && { most: schema["maximum"] }),
      };
    case "string":
      return { kind: "text", long: schema["format"] === undefined };
    default:
      return { kind: "any" };
  }
}

/** What a value begins as: its default, or what must be there; `undefined` where nothing must. */
export function initial(given: Schema, root: Schema, required: boolean): Json | undefined {
  const schema = resolve(given, root);
  // A default of null says that it may be left out.
  if ("default" in schema && (schema["default"] !== null || required)) return structuredClone(schema["default"]) as Json;
  const asked = field(schema);
  if (asked.kind === "object" && (required || given === root)) {
    const made: Record<string, Json> = {};
    for (const [name, property] of asked.properties) {
      const value = initial(property, root, asked.required.includes(name));
      if (value !== undefined) made[name] = value;
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
      return initial(asked.variants[0] ?? {}, root, true);
    case "boolean":
      return false;
    case "text":
      return "";
    default:
      return undefined;
  }
}

export interface Complaint {
  /** Such as `/filters/0/name`; empty for the whole. */
  place: string;
  words: string;
}

/** What a schema has against a value, the nearest causes first. */
export function complaints(value: Json, schema: Schema): Complaint[] {
  let found;
  try {
    found = new Validator(schema, "2020-12", false).validate(value);
  } catch (thrown) {
    return [{ place: "", words: `The schema can't be used: ${thrown instanceof Error ? thrown.message : String(thrown)}` }];
  }
  if (found.valid) return [];
  // Those of the containers only say that something inside is wrong.
  const vague = new Set(["properties", "items", "$ref", "prefixItems", "additionalProperties", "allOf"]);
  const told = found.errors.map((error) => ({ word: error.keyword, place: error.instanceLocation.replace(/^#/, ""), words: error.error }));
  const near = told.filter((one) => !vague.has(one.word) || !told.some((other) => other !== one && !vague.has(other.word)));
  return near.map(({ place, words }) => ({ place, words }));
}
