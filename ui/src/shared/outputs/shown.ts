// How an output is shown: in the richest form that is safe.

import { asJson, asText, name } from "../untrusted";
import { size } from "../size";
import { hasData, isReference, isUnreadable, joined, type Bundle, type Multiline, type Output, type ReferenceOutput } from "./nbformat";

export type Shown =
  | { kind: "text"; text: string; tone: "plain" | "error" }
  | { kind: "picture"; source: string; words: string; width: number | undefined }
  /** `scripted`: it draws with scripts, which are not run. */
  | { kind: "html"; html: string; scripted: boolean }
  | { kind: "markdown"; source: string }
  /** It lies in the machine. */
  | { kind: "reference"; reference: ReferenceOutput }
  /** Kept in the file, and not shown. */
  | { kind: "unknown"; words: string };

/** Pixels that an output may ask for its picture. */
const WIDEST = 4000;

export function show(output: Output): Shown {
  if (output?.output_type === "stream") {
    return { kind: "text", text: joined(output.text), tone: output.name === "stderr" ? "error" : "plain" };
  }
  if (output?.output_type === "error") {
    const lines = Array.isArray(output.traceback) ? output.traceback.map((line) => asText(line)).join("\n") : "";
    return { kind: "text", text: lines || `${asText(output.ename)}: ${asText(output.evalue)}`, tone: "plain" };
  }
  if (isReference(output)) return { kind: "reference", reference: output };
  if (isUnreadable(output)) {
    const head = output.head === "" ? "" : ` ${name(output.head, 200)}`;
    return { kind: "unknown", words: `Unreadable output (${size(output.size_bytes)}): ${name(output.cause, 200)}.${head}` };
  }
  if (!hasData(output)) {
    const type = (output as { output_type?: unknown } | null)?.output_type;
    return { kind: "unknown", words: `Output that can't be shown (${typeof type === "string" ? name(type, 60) : "no type"}); it stays in the file.` };
  }
  const { data, metadata } = output;
  const words = text(data, "text/plain");
  // Of what is mathematics, a picture is the poorer form.
  if ("text/latex" in data) return { kind: "markdown", source: text(data, "text/latex") };
  for (const type of ["image/png", "image/jpeg", "image/gif", "image/webp"]) {
    if (type in data) {
      return { kind: "picture", source: `data:${type};base64,${text(data, type).replaceAll(/\s/g, "")}`, words: name(words), width: width(metadata, type) };
    }
  }
  // In an image element an SVG can neither run scripts nor load anything.
  if ("image/svg+xml" in data) {
    return { kind: "picture", source: `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text(data, "image/svg+xml"))}`, words: name(words), width: undefined };
  }
  if ("text/markdown" in data) return { kind: "markdown", source: text(data, "text/markdown") };
  if ("text/html" in data) {
    const html = text(data, "text/html");
    return { kind: "html", html, scripted: /<script[\s>/]/i.test(html) };
  }
  if ("application/json" in data) return { kind: "text", text: asJson(data["application/json"], 2), tone: "plain" };
  return { kind: "text", text: words, tone: "plain" };
}

/** The text of a type; what a file holds there that is no text is not shown. */
function text(data: Bundle, type: string): string {
  const value = data[type];
  return typeof value === "string" || Array.isArray(value) ? joined(value as Multiline) : "";
}

function width(metadata: Bundle | undefined, type: string): number | undefined {
  const value = (metadata?.[type] as { width?: unknown } | undefined)?.width;
  return typeof value === "number" && value > 0 && value <= WIDEST ? value : undefined;
}
