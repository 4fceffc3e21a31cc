// Text and values from inside a machine. Whatever runs there chooses them, so nothing is trusted:
// types are checked before anything is drawn, what can't be seen is made visible, and all of it is
// bounded. Values stay as they are; only what is drawn changes.

import { stringifyExact } from "./exact";

export type Json = null | boolean | number | bigint | string | Json[] | { [key: string]: Json };

/** The longest name that is drawn, in characters. */
export const NAME_LIMIT = 300;
/** The longest paragraph that is drawn at once, such as a tool's description. */
export const TEXT_LIMIT = 20_000;

/** Unseen in any text: controls, marks and overrides of the direction, zero widths, tags, halves of a pair. */
const UNSEEN =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]|\p{Cs}/gu;
/** Unseen, or seen as something else, in a name: line ends, tabs, joiners, fillers, spaces that aren't one. */
const UNSEEN_IN_NAME = /[\t\n\u00a0\u034f\u115f\u1160\u1680\u17b4\u17b5\u2000-\u200a\u200c\u200d\u202f\u205f\u2800\u3000\u3164\uffa0]/gu;

function code(sign: string): string {
  // By its number: few fonts have pictures of control characters.
  return `⟨U+${(sign.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}⟩`;
}

/** Text of several lines as it is, with what can't be seen made visible. */
export function visible(text: string): string {
  return text.replaceAll("\r\n", "\n").replace(UNSEEN, code);
}

/** Text of several lines, and no more of it than a page can hold. */
export function paragraph(value: unknown, limit = TEXT_LIMIT): string {
  return visible(clip(asText(value), limit));
}

/** A name, a title or a path: one line, with everything that can't be seen made visible. */
export function name(value: unknown, limit = NAME_LIMIT): string {
  return clip(asText(value), limit).replace(UNSEEN, code).replace(UNSEEN_IN_NAME, code);
}

/** The beginning of a long text; says how much is left out. */
export function clip(text: string, limit: number): string {
  if (text.length <= limit) return text;
  // No half of a surrogate pair at the end.
  const end = /[\ud800-\udbff]/.test(text[limit - 1] ?? "") ? limit - 1 : limit;
  return `${text.slice(0, end)}… (${(text.length - end).toLocaleString("en")} more characters)`;
}

export const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);

/** The object, or an empty one in place of anything else. */
export const asRecord = (value: unknown): Record<string, unknown> => (isRecord(value) ? value : {});

/** The list, or an empty one in place of anything else. */
export const asList = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

/** The text; numbers as text; `fallback` in place of anything else. */
export function asText(value: unknown, fallback = ""): string {
  if (typeof value === "string") return value;
  return typeof value === "number" || typeof value === "bigint" || typeof value === "boolean" ? String(value) : fallback;
}

/** The text if it is one. */
export const maybeText = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);

export const maybeNumber = (value: unknown): number | undefined => (typeof value === "number" && Number.isFinite(value) ? value : undefined);

/** An object's own member: `constructor` and `__proto__` are names like any other. */
export function own<T>(object: Record<string, T>, key: string): T | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

/** Sets a member, also one named `__proto__`. */
export function put<T>(object: Record<string, T>, key: string, value: T): void {
  Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
}

/** Whether lists and objects lie deeper in each other than this. */
export function isDeeper(value: unknown, limit: number): boolean {
  let level = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > limit) return true;
    level = level.flatMap((one) => (typeof one === "object" && one !== null ? (Object.values(one) as unknown[]).filter((inside) => typeof inside === "object" && inside !== null) : []));
  }
  return false;
}

/** About how many bytes a value takes, however deeply it is nested: what is printed has few letters that take more than one. */
export function bytesOf(value: unknown): number {
  let bytes = 0;
  const left = [value];
  while (left.length > 0) {
    const one = left.pop();
    if (typeof one === "string") bytes += one.length;
    else if (typeof one !== "object" || one === null) bytes += 8;
    else
      for (const [key, inside] of Object.entries(one)) {
        bytes += key.length;
        left.push(inside);
      }
  }
  return bytes;
}

/** JSON of a value in one line or laid out; the words for it if it is nested too deeply to be written. */
export function asJson(value: unknown, indent?: number): string {
  try {
    return stringifyExact(value, indent) ?? "undefined";
  } catch {
    return "(nested too deeply to be shown as text)";
  }
}
