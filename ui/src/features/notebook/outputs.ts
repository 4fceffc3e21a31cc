// What a cell has put out, as it grows. Of a flood the beginning and the end are kept, as much as the
// machine itself keeps, and between them it is said how much is missing: a cell may print for ever.

import { binarySize } from "../../shared/size";
import { bytesOf, maybeNumber } from "../../shared/untrusted";
import { isReference, joined, type DataOutput, type Output, type ReferenceOutput, type StreamOutput } from "../../shared/outputs/nbformat";

export interface Limits {
  head_bytes: number;
  tail_bytes: number;
  /** By so much the end may grow before it is cut again. */
  slack_bytes: number;
}

/** As in the machine (`body/src/kernel/outputs.rs`), so that a page that is opened later shows the same. */
export const LIMITS: Limits = { head_bytes: 2 << 20, tail_bytes: 10 << 20, slack_bytes: 2 << 20 };
/** What an output takes beside its text and data. */
const OUTPUT_BYTES = 500;
/** So far behind the place of a cut the next line is looked for. */
const LINE_SEARCH = 4096;

/**
 * Takes the next output in: text of the same stream joins the text before it, an update replaces
 * every display of its id, `clear_output` is not an output and comes as an empty list elsewhere.
 */
export function takeOutput(outputs: Output[], next: Output, limits = LIMITS): void {
  let bytes = totals.get(outputs) ?? total(outputs);
  const last = outputs.at(-1);
  if (next.output_type === "stream" && last?.output_type === "stream" && last.name === next.name && missingIn(last) === null) {
    bytes += bytesOf(next.text);
    last.text = joined(last.text) + joined(next.text);
  } else if (isUpdate(next)) {
    const id = displayOf(next);
    for (const [at, output] of outputs.entries()) {
      if (id === undefined || !isDisplay(output) || displayOf(output) !== id) continue;
      bytes -= weight(output);
      outputs[at] = isReference(next) ? { ...next, of: "display_data" } : displayed(next, id);
      bytes += weight(outputs[at]!);
    }
  } else {
    bytes += weight(next);
    outputs.push(next);
  }
  if (bytes > limits.head_bytes + limits.tail_bytes + limits.slack_bytes) {
    cutMiddle(outputs, limits);
    bytes = total(outputs);
  }
  totals.set(outputs, bytes);
}

/** Puts an output in the place of its reference, wherever that stands; false where it is gone. */
export function putFetched(outputs: Output[], { execution_id, seq }: ReferenceOutput, fetched: Output): boolean {
  let found = false;
  let bytes = totals.get(outputs) ?? total(outputs);
  for (const [at, output] of outputs.entries()) {
    if (!isReference(output) || output.execution_id !== execution_id || output.seq !== seq) continue;
    found = true;
    bytes -= weight(output);
    outputs[at] = fetched.output_type === "update_display_data" ? displayed(fetched, displayOf(fetched)) : fetched;
    bytes += weight(outputs[at]!);
  }
  totals.set(outputs, bytes);
  return found;
}

/** The display that an output is or updates. */
function displayOf(output: Output): string | undefined {
  if (isReference(output)) return output.display_id ?? undefined;
  return output?.output_type === "display_data" || output?.output_type === "update_display_data" ? output.transient?.display_id : undefined;
}

const isUpdate = (output: Output): output is DataOutput | ReferenceOutput =>
  output?.output_type === "update_display_data" || (isReference(output) && output.of === "update_display_data");
const isDisplay = (output: Output): boolean => output?.output_type === "display_data" || (isReference(output) && output.of === "display_data");

/** The display that an update comes to. */
function displayed({ data, metadata }: DataOutput, display_id: string | undefined): DataOutput {
  return { output_type: "display_data", data, metadata: metadata ?? {}, ...(display_id === undefined ? {} : { transient: { display_id } }) };
}

/** What the outputs of each cell take together: there may be too many to count them with each that comes. */
const totals = new WeakMap<Output[], number>();

/** An output that lies in the machine counts as if it were here: both cut the same out of a flood. */
const weight = (output: Output) =>
  OUTPUT_BYTES + (isReference(output) ? output.size_bytes : output?.output_type === "stream" ? bytesOf(output.text) : bytesOf(output));
const total = (outputs: Output[]) => outputs.reduce((sum, output) => sum + weight(output), 0);

/** How many bytes are missing where this output stands; null if it is no note of that. */
function missingIn(output: Output | undefined): number | null {
  if (output?.output_type !== "stream") return null;
  return maybeNumber(output.transient?.missing_bytes) ?? null;
}

function note(bytes: number): StreamOutput {
  return { output_type: "stream", name: "stderr", text: `\n[output truncated: ${binarySize(bytes)} omitted]\n`, transient: { missing_bytes: bytes } };
}

/** Cuts what lies between the beginning and the end. The last output stays, however large it is, if it is no text. */
function cutMiddle(outputs: Output[], limits: Limits): void {
  const [head, behind] = splitAt(outputs, limits.head_bytes, "before");
  const rest = behind.filter((output) => missingIn(output) === null);
  const [dropped, tail] = splitAt(rest, total(rest) - limits.tail_bytes, "behind");
  if (tail.length === 0) tail.push(...dropped.splice(-1));
  const missing = [...behind.map(missingIn), ...dropped.map((output) => weight(output) - OUTPUT_BYTES)].reduce<number>((sum, bytes) => sum + (bytes ?? 0), 0);
  outputs.splice(0, outputs.length, ...head, ...(missing > 0 ? [note(missing)] : []), ...tail);
}

/**
 * The outputs of the first so many bytes, and the others. Text at that place is cut, at the end of a
 * line if there is one near; the cut comes before anything else that is there, or behind it. It
 * never comes behind a note.
 */
function splitAt(outputs: Output[], bytes: number, cut: "before" | "behind"): [Output[], Output[]] {
  let left = bytes;
  const at = outputs.findIndex((output) => missingIn(output) !== null || (left -= weight(output)) < 0);
  if (at < 0) return [[...outputs], []];
  const output = outputs[at]!;
  const whole = (place: number): [Output[], Output[]] => [outputs.slice(0, place), outputs.slice(place)];
  if (missingIn(output) !== null) return whole(at);
  if (output?.output_type !== "stream") return whole(cut === "before" ? at : at + 1);
  const text = joined(output.text);
  const end = text.length + left;
  if (end <= 0) return whole(at);
  const line = text.indexOf("\n", end) + 1;
  // No half of a surrogate pair.
  const place = line > 0 && line - end <= LINE_SEARCH ? line : /[\ud800-\udbff]/.test(text[end - 1] ?? "") ? end - 1 : end;
  const part = (text: string): Output[] => (text === "" ? [] : [{ ...output, text }]);
  return [[...outputs.slice(0, at), ...part(text.slice(0, place))], [...part(text.slice(place)), ...outputs.slice(at + 1)]];
}
