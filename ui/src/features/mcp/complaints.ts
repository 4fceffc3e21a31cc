// What a schema has against a value. Patterns and references of a schema from inside may take for
// ever: only `check.worker.ts` calls this, which can be ended.

import { Validator } from "@cfworker/json-schema";

import { approximate } from "../../shared/exact";
import { isRecord, type Json } from "../../shared/untrusted";

export interface Complaint {
  /** Such as `/filters/0/name`; empty for the whole. */
  place: string;
  words: string;
}

/** More of them help nobody. */
const MOST = 20;

/** The nearest causes first. */
export function complaints(value: Json, schema: unknown): Complaint[] {
  let found;
  try {
    found = new Validator(isRecord(schema) ? (approximate(schema) as Record<string, unknown>) : {}, "2020-12", false).validate(approximate(value));
  } catch (thrown) {
    return [{ place: "", words: `The schema can't be used: ${thrown instanceof Error ? thrown.message : String(thrown)}` }];
  }
  if (found.valid) return [];
  // Those of the containers only say that something inside is wrong.
  const vague = new Set(["properties", "items", "$ref", "prefixItems", "additionalProperties", "allOf"]);
  const told = found.errors.map((error) => ({ word: error.keyword, place: error.instanceLocation.replace(/^#/, ""), words: error.error }));
  const exact = told.filter((one) => !vague.has(one.word));
  return (exact.length > 0 ? exact : told).slice(0, MOST).map(({ place, words }) => ({ place, words }));
}
