// JSON whose integers stay what they are. A number of JavaScript holds 53 bits; a larger integer is
// read as a bigint, and written again with the digits that it came with.

import type { Json } from "./untrusted";

/** So many digits may be more than a number holds. */
const LONG = /\d{16}/;
/** What may begin a number or a text. */
const BEGINNING = /["\d-]/g;
/** A number, as far as its characters go. */
const NUMBER = /-?\d[\d.eE+-]*/y;
/** An integer of more digits is read as a number: reading one takes the square of its length. Python's limit is the same. */
const MOST_DIGITS = 4300;

/** Whether an integer is more than a number holds. */
const isLarge = (digits: string): boolean => digits.length <= MOST_DIGITS && /^-?[1-9]\d{15,}$/.test(digits) && !Number.isSafeInteger(Number(digits));

/** A mark that no text holds by chance, and none of a machine's on purpose. */
function mark(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join("-");
}

/** Where a text ends that begins there: behind the quotation mark that no backslash takes its meaning. */
function textEnd(json: string, start: number): number {
  for (let at = json.indexOf('"', start + 1); at >= 0; at = json.indexOf('"', at + 1)) {
    let before = at;
    while (json[before - 1] === "\\") before -= 1;
    if ((at - before) % 2 === 0) return at + 1;
  }
  return json.length;
}

/** The JSON with each large integer as a text behind a mark; null if it has none. */
function withLarge(json: string, own: string): string | null {
  const parts: string[] = [];
  let last = 0;
  BEGINNING.lastIndex = 0;
  for (let begun = BEGINNING.exec(json); begun; begun = BEGINNING.exec(json)) {
    if (begun[0] === '"') {
      BEGINNING.lastIndex = textEnd(json, begun.index);
      continue;
    }
    NUMBER.lastIndex = begun.index;
    const digits = NUMBER.exec(json)?.[0];
    if (digits === undefined) continue;
    BEGINNING.lastIndex = NUMBER.lastIndex;
    if (!isLarge(digits)) continue;
    parts.push(json.slice(last, begun.index), `"${own}${digits}"`);
    last = NUMBER.lastIndex;
  }
  return last === 0 ? null : parts.join("") + json.slice(last);
}

/** Reads JSON. @throws SyntaxError */
export function parseExact(text: string): Json {
  const own = mark();
  const marked = LONG.test(text) ? withLarge(text, own) : null;
  if (marked === null) return JSON.parse(text) as Json;
  return JSON.parse(marked, (name, one: unknown) => {
    if (name.startsWith(own)) throw new SyntaxError("A name must be a text in quotation marks");
    return typeof one === "string" && one.startsWith(own) ? BigInt(one.slice(own.length)) : one;
  }) as Json;
}

/** Writes JSON; bigints as their digits. @throws RangeError for what is nested too deeply */
export function stringifyExact(value: unknown, indent?: number): string | undefined {
  const own = mark();
  let found = false;
  const text = JSON.stringify(
    value,
    (_, one: unknown) => {
      if (typeof one !== "bigint") return one;
      found = true;
      return own + one.toString();
    },
    indent,
  ) as string | undefined;
  return found ? text?.replaceAll(new RegExp(`"${own}(-?\\d+)"`, "g"), "$1") : text;
}

/** Whether there is a bigint in it. */
export function hasLarge(value: unknown): boolean {
  const left = [value];
  while (left.length > 0) {
    const one = left.pop();
    if (typeof one === "bigint") return true;
    if (typeof one === "object" && one !== null) for (const inside of Object.values(one) as unknown[]) left.push(inside);
  }
  return false;
}

/** The number that a person typed: an integer with all of its digits. */
export function numberFrom(text: string): number | bigint | undefined {
  const digits = text.trim();
  if (digits === "" || Number.isNaN(Number(digits))) return undefined;
  return isLarge(digits) ? BigInt(digits) : Number(digits);
}

/** The same with numbers in the place of bigints, for what knows no others. */
export function approximate(value: unknown): unknown {
  if (typeof value === "bigint") return Number(value);
  if (Array.isArray(value)) return value.map(approximate);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, approximate(one)]));
}
