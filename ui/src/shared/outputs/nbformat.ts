// Notebook files as nbformat 4.5 has them.
// https://nbformat.readthedocs.io/en/latest/format_description.html

import { size } from "../size";
import { asText, bytesOf, clip, isDeeper, isRecord, name } from "../untrusted";
import type { CellOutput, MimeBundle, MultilineText, Output as WireOutput, OutputStandIn } from "../../wire";

/** Text that a file may hold as one string or as lines. */
export type Multiline = MultilineText;

export type Bundle = MimeBundle;

export type StreamOutput = Extract<WireOutput, { output_type: "stream" }> & {
  /** Of a note that output was cut here: how much. */
  transient?: { missing_bytes?: number };
};

export type DataOutput = Extract<WireOutput, { output_type: "display_data" | "execute_result" | "update_display_data" }>;

export type ErrorOutput = Extract<WireOutput, { output_type: "error" }>;

/** An output that lies in the machine, and is fetched when it is shown or saved. */
export type ReferenceOutput = Extract<OutputStandIn, { output_type: "reference" }>;

export type UnreadableOutput = Extract<OutputStandIn, { output_type: "unreadable" }>;

/** As the format has them, or what stands for one; a file may hold others, or these with parts missing: `shown` and `kept` look before they trust. */
export type Output = StreamOutput | DataOutput | ErrorOutput | ReferenceOutput | UnreadableOutput;

export interface FileCell {
  id?: string;
  cell_type: "code" | "markdown" | "raw";
  source: Multiline;
  metadata: Bundle;
  outputs?: Output[];
  execution_count?: number | null;
  [unknown: string]: unknown;
}

/** All of a notebook but its cells. */
export interface Head {
  nbformat: number;
  /** Not there in some files that others write. */
  nbformat_minor?: number;
  metadata: Bundle;
  [unknown: string]: unknown;
}

export interface NotebookFile extends Head {
  cells: FileCell[];
}

export function joined(text: Multiline | undefined): string {
  return Array.isArray(text) ? text.map((line) => asText(line)).join("") : asText(text);
}

/** Ids that nbformat 4.5 allows: 1 to 64 of letters, digits, `-`, `_`. */
export function newCellId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(6));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** A notebook's fields beside its cells, as a new one has them. */
export function newHead(): Head {
  return {
    metadata: {
      kernelspec: { display_name: "Python 3", language: "python", name: "python3" },
      language_info: { name: "python" },
    },
    nbformat: 4,
    nbformat_minor: 5,
  };
}

/** Cells and the rest of a file. No two cells have the same id afterwards. */
export function takeApart(file: NotebookFile): { head: Head; cells: FileCell[] } {
  const { cells, ...rest } = file;
  const head: Head = rest;
  const seen = new Set<string>();
  for (const cell of cells) {
    if (cell.id !== undefined && (typeof cell.id !== "string" || seen.has(cell.id))) delete cell.id;
    if (cell.id !== undefined) seen.add(cell.id);
  }
  return { head, cells };
}

/** The first minor version of nbformat 4 whose cells have ids. */
const WITH_IDS = 5;

/** The file's content, laid out as Jupyter does: text as lines, nothing that is true only while it runs. An
 * older file stays one: its cells get no ids but those that it had. */
export function putTogether(head: Head, cells: FileCell[], given: ReadonlySet<string> = new Set()): NotebookFile {
  const hasIds = (head.nbformat_minor ?? 0) >= WITH_IDS;
  return {
    ...head,
    cells: cells.map(({ id, ...cell }) => ({
      ...(id !== undefined && (hasIds || !given.has(id)) && { id }),
      ...cell,
      source: lines(joined(cell.source)),
      ...(cell.cell_type === "code" && cell.outputs && { outputs: cell.outputs.map(kept) }),
    })),
  };
}

/** Whether it has data to show, whatever its type. */
export function hasData(output: Output): output is DataOutput {
  return isRecord(output) && "data" in output && typeof output.data === "object" && output.data !== null && !Array.isArray(output.data);
}

/** Whether it is what we know under that name: a file may hold anything. */
export function isReference(output: Output | undefined): output is ReferenceOutput {
  if (!isRecord(output) || output.output_type !== "reference") return false;
  const { execution_id, seq, size_bytes, mime_types, head } = output as Partial<Record<keyof ReferenceOutput, unknown>>;
  const texts = [execution_id, head, ...(Array.isArray(mime_types) ? mime_types : [null])];
  return texts.every((text) => typeof text === "string") && typeof seq === "number" && typeof size_bytes === "number" && size_bytes >= 0;
}

export function isUnreadable(output: Output | undefined): output is UnreadableOutput {
  if (!isRecord(output) || output.output_type !== "unreadable") return false;
  const { cause, head, size_bytes } = output as Partial<Record<keyof UnreadableOutput, unknown>>;
  return typeof cause === "string" && typeof head === "string" && typeof size_bytes === "number";
}

/** An output that is nested more deeply could neither be kept in the draft nor saved, and all else with it. */
const DEEPEST_OUTPUT = 100;

/** An output of the stream; what can't be worked with has a few words in its place. */
export function taken(output: CellOutput): Output {
  const unreadable = (cause: string): UnreadableOutput => ({ output_type: "unreadable", cause, size_bytes: bytesOf(output), head: "" });
  if (!isRecord(output)) return unreadable("it is not an object");
  return isDeeper(output, DEEPEST_OUTPUT) ? unreadable("it is nested too deeply") : output;
}

/** What a reference refers to, in a few words. */
export function referred({ mime_types, of, size_bytes }: ReferenceOutput): string {
  return `${mime_types.length > 0 ? mime_types.map((type) => name(type, 60)).join(", ") : of === "error" ? "Error" : "Output"}, ${size(size_bytes)}`;
}

/** What a file has in the place of an output that isn't here. */
function noted(words: string, head: string): DataOutput {
  const text = head === "" ? words : `${words}\n${clip(head, 300)}`;
  return { output_type: "display_data", metadata: {}, data: { "text/plain": lines(text) } };
}

/** An output as a file has it; one that is not known stays as it is. */
export function kept(output: Output): Output {
  if (!isRecord(output)) return output;
  if (isReference(output)) return noted(`[output not saved: ${referred(output)}; the machine no longer had it]`, output.head);
  if (isUnreadable(output)) return noted(`[output could not be read: ${clip(output.cause, 300)}]`, output.head);
  if (output.output_type !== "stream" && !hasData(output)) return output;
  const rest = { ...output };
  delete rest.transient;
  if (rest.output_type === "stream") return { ...rest, text: lines(joined(rest.text)) };
  const data = Object.entries(rest.data).map(([type, value]) => [type, typeof value === "string" && isText(type) ? lines(value) : value]);
  return { ...rest, metadata: rest.metadata ?? {}, data: Object.fromEntries(data) as Bundle };
}

function isText(type: string): boolean {
  return type.startsWith("text/") || type === "image/svg+xml" || type === "application/javascript";
}

/** With their ends, so that a change of one line is a change of one line in version control. */
function lines(text: string): string[] {
  return text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
}
