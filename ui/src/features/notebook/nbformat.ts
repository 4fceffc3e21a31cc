// Notebook files as nbformat 4.5 has them.
// https://nbformat.readthedocs.io/en/latest/format_description.html

import { asText, isRecord } from "../../shared/untrusted";

/** Text that a file may hold as one string or as lines. */
export type Multiline = string | string[];

export type Bundle = Record<string, unknown>;

export interface StreamOutput {
  output_type: "stream";
  name: string;
  text: Multiline;
  /** Of a note that output was cut here: how much. */
  transient?: { missing_bytes?: number };
}

export interface DataOutput {
  output_type: "display_data" | "execute_result" | "update_display_data";
  data: Bundle;
  metadata?: Bundle;
  execution_count?: number | null;
  transient?: { display_id?: string };
}

export interface ErrorOutput {
  output_type: "error";
  ename: string;
  evalue: string;
  traceback: string[];
}

/** As the format has them; a file may hold others, or these with parts missing: `shown` and `kept` look before they trust. */
export type Output = StreamOutput | DataOutput | ErrorOutput;

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

/** Cells and the rest of a file. Every cell has an id of its own afterwards, as nbformat 4.5 wants. */
export function takeApart(file: NotebookFile): { head: Head; cells: FileCell[] } {
  const { cells, ...rest } = file;
  const head: Head = rest;
  const seen = new Set<string>();
  for (const cell of cells) {
    if (cell.id === undefined || seen.has(cell.id)) cell.id = newCellId();
    seen.add(cell.id);
  }
  return { head, cells };
}

/** The file's content, laid out as Jupyter does: text as lines, nothing that is true only while it runs. */
export function putTogether(head: Head, cells: FileCell[]): NotebookFile {
  return {
    ...head,
    nbformat_minor: Math.max(5, head.nbformat_minor ?? 5),
    cells: cells.map((cell) => ({
      ...cell,
      source: lines(joined(cell.source)),
      ...(cell.outputs && { outputs: cell.outputs.map(kept) }),
    })),
  };
}

/** Whether it has data to show, whatever its type. */
export function hasData(output: Output): output is DataOutput {
  return isRecord(output) && "data" in output && typeof output.data === "object" && output.data !== null && !Array.isArray(output.data);
}

/** An output as a file has it; one that is not known stays as it is. */
export function kept(output: Output): Output {
  if (!isRecord(output)) return output;
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
