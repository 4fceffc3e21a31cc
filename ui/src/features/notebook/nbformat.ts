// Notebook files as nbformat 4.5 has them, and outputs as they grow.
// https://nbformat.readthedocs.io/en/latest/format_description.html

/** Text that a file may hold as one string or as lines. */
export type Multiline = string | string[];

export type Bundle = Record<string, unknown>;

export interface StreamOutput {
  output_type: "stream";
  name: string;
  text: Multiline;
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

export interface NotebookFile {
  nbformat: number;
  nbformat_minor: number;
  metadata: Bundle;
  cells: FileCell[];
  [unknown: string]: unknown;
}

export function joined(text: Multiline | undefined): string {
  return Array.isArray(text) ? text.join("") : (text ?? "");
}

/**
 * Takes the next output in: text of the same stream joins the text before it, an update replaces
 * every display of its id, `clear_output` is not an output and comes as an empty list elsewhere.
 */
export function takeOutput(outputs: Output[], next: Output): void {
  const last = outputs.at(-1);
  if (next.output_type === "stream" && last?.output_type === "stream" && last.name === next.name) {
    last.text = joined(last.text) + joined(next.text);
    return;
  }
  if (next.output_type === "update_display_data") {
    const id = next.transient?.display_id;
    for (const output of outputs) {
      if (output.output_type === "display_data" && id !== undefined && output.transient?.display_id === id) {
        output.data = next.data;
        output.metadata = next.metadata ?? {};
      }
    }
    return;
  }
  outputs.push(next);
}

/** Ids that nbformat 4.5 allows: 1 to 64 of letters, digits, `-`, `_`. */
export function newCellId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(6));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export class NotANotebook extends Error {}

/** Reads a notebook file's text. Throws `NotANotebook`, saying why. */
export function readNotebook(text: string): NotebookFile {
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch (error) {
    throw new NotANotebook(`It is not JSON: ${(error as Error).message}`);
  }
  if (typeof file !== "object" || file === null || !("cells" in file) || !Array.isArray(file.cells)) {
    throw new NotANotebook("It has no list of cells");
  }
  const notebook = file as NotebookFile;
  if (notebook.nbformat !== 4) throw new NotANotebook(`It is of nbformat ${String(notebook.nbformat)}; 4 is understood`);
  for (const [at, cell] of notebook.cells.entries()) {
    if (!["code", "markdown", "raw"].includes(cell.cell_type)) {
      throw new NotANotebook(`Cell ${at + 1} is of the unknown type ${String(cell.cell_type)}`);
    }
  }
  return notebook;
}
