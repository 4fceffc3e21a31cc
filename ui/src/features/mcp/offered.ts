// What a server says that it offers, read by its types: whatever has another shape is left out.

import { asList, asRecord, bytesOf, isRecord, maybeText } from "../../shared/untrusted";
import { asSchema, type Schema } from "./schema";

export interface Tool {
  name: string;
  title?: string;
  description?: string;
  inputSchema: Schema;
  readOnly: boolean;
  destructive: boolean;
}
export interface Resource {
  /** A template's is what it makes addresses of. */
  uri: string;
  template: boolean;
  name: string;
  title?: string;
  description?: string;
  mimeType?: string;
}
export interface Prompt {
  name: string;
  title?: string;
  description?: string;
  arguments: { name: string; description?: string; required: boolean }[];
}

/** The longest name that can be called. */
const LONGEST_NAME = 1000;

/** Text members that are there, under their names. */
function texts<W extends string>(from: Record<string, unknown>, ...words: W[]): { [word in W]?: string } {
  return Object.fromEntries(words.flatMap((word) => (maybeText(from[word]) === undefined ? [] : [[word, from[word]]]))) as { [word in W]?: string };
}

const usable = (name: unknown): name is string => typeof name === "string" && name !== "" && name.length <= LONGEST_NAME;

export function readTool(given: unknown): Tool | null {
  if (!isRecord(given) || !usable(given["name"])) return null;
  const annotations = asRecord(given["annotations"]);
  return {
    ...texts(annotations, "title"),
    ...texts(given, "title", "description"),
    name: given["name"],
    inputSchema: asSchema(given["inputSchema"]),
    readOnly: annotations["readOnlyHint"] === true,
    destructive: annotations["destructiveHint"] === true,
  };
}

export function readResource(given: unknown, template: boolean): Resource | null {
  const uri = asRecord(given)[template ? "uriTemplate" : "uri"];
  if (!isRecord(given) || !usable(uri)) return null;
  return { ...texts(given, "title", "description", "mimeType"), name: maybeText(given["name"]) ?? uri, uri, template };
}

export function readPrompt(given: unknown): Prompt | null {
  if (!isRecord(given) || !usable(given["name"])) return null;
  const taken = asList(given["arguments"]).flatMap((one) => (isRecord(one) && usable(one["name"]) ? [{ ...texts(one, "description"), name: one["name"], required: one["required"] === true }] : []));
  return { ...texts(given, "title", "description"), name: given["name"], arguments: taken };
}

/** Those that can be read, each name once. */
export function readAll<T>(given: unknown[], read: (one: unknown) => T | null, key: (one: T) => string): T[] {
  const found = new Map<string, T>();
  for (const one of given) {
    const made = read(one);
    if (made !== null && !found.has(key(made))) found.set(key(made), made);
  }
  return [...found.values()];
}

/** At most so much is asked for and kept of a list that comes in pages. */
const PAGES = 50;
const ENTRIES = 2000;
const LIST_BYTES = 32 << 20;
/** Empty pages in a row that are taken for an end. */
const EMPTY_PAGES = 3;

/**
 * All pages of a list, as long as it comes to an end: a place that comes twice, pages without
 * entries and too much of it end it as well, and then `cut` says so.
 */
export async function readPages(field: string, ask: (cursor: string | undefined) => Promise<unknown>): Promise<{ entries: unknown[]; cut: boolean }> {
  const entries: unknown[] = [];
  const places = new Set<string>();
  let cursor: string | undefined;
  let empty = 0;
  let bytes = 0;
  for (let pages = 0; pages < PAGES; pages++) {
    const page = asRecord(await ask(cursor));
    const found = asList(page[field]);
    for (const one of found.slice(0, ENTRIES - entries.length)) {
      bytes += bytesOf(one);
      if (bytes > LIST_BYTES) return { entries, cut: true };
      entries.push(one);
    }
    cursor = maybeText(page["nextCursor"]);
    if (cursor === undefined) return { entries, cut: entries.length === ENTRIES && found.length > 0 };
    empty = found.length === 0 ? empty + 1 : 0;
    if (entries.length >= ENTRIES || empty >= EMPTY_PAGES || places.has(cursor)) break;
    places.add(cursor);
  }
  return { entries, cut: true };
}
