// What a server answers with, read by its types. Blocks that have another shape are shown as JSON.

import { parseExact } from "../../shared/exact";
import { asJson, asList, asRecord, isRecord, maybeText, paragraph } from "../../shared/untrusted";

export type Block =
  | { kind: "text"; text: string }
  | { kind: "media"; mime: string; data: string }
  | { kind: "resource"; uri: string; mime: string; text: string | undefined; blob: string | undefined }
  | { kind: "link"; uri: string; name: string; description: string }
  | { kind: "other"; value: unknown };

export interface Part {
  /** Who says it, in a prompt. */
  from?: string;
  block: Block;
}

/** Parts that are drawn at first. */
export const MOST_PARTS = 100;
/** A longer text isn't looked into for JSON. */
const LONGEST_JSON = 2_000_000;

/** The content of a tool's answer, of a resource that was read, or of a prompt. */
export function readParts(result: unknown): Part[] {
  const answer = asRecord(result);
  if (Array.isArray(answer["content"])) return answer["content"].map((block) => ({ block: readBlock(block) }));
  if (Array.isArray(answer["contents"])) return answer["contents"].map((resource) => ({ block: readBlock({ type: "resource", resource }) }));
  if (Array.isArray(answer["messages"])) return readMessages(answer["messages"]).flatMap(({ role, blocks }) => blocks.map((block) => ({ from: role, block })));
  return [];
}

/** Messages of a prompt, or for a model. */
export function readMessages(given: unknown): { role: string; blocks: Block[] }[] {
  return asList(given).map((one) => {
    const { role, content } = asRecord(one);
    return { role: maybeText(role) ?? "?", blocks: (Array.isArray(content) ? content : [content]).map(readBlock) };
  });
}

export function readBlock(given: unknown): Block {
  const other: Block = { kind: "other", value: given };
  if (!isRecord(given)) return other;
  const { type, text, data, uri } = given;
  const mime = maybeText(given["mimeType"]) ?? "";
  switch (type) {
    case "text":
      return typeof text === "string" ? { kind: "text", text } : other;
    case "image":
    case "audio":
      return typeof data === "string" ? { kind: "media", mime, data } : other;
    case "resource": {
      const resource = asRecord(given["resource"]);
      if (typeof resource["uri"] !== "string") return other;
      return { kind: "resource", uri: resource["uri"], mime: maybeText(resource["mimeType"]) ?? "", text: maybeText(resource["text"]), blob: maybeText(resource["blob"]) };
    }
    case "resource_link":
      return typeof uri === "string" ? { kind: "link", uri, name: maybeText(given["name"]) ?? "", description: maybeText(given["description"]) ?? "" } : other;
    default:
      return other;
  }
}

/** What a block says, as one text. */
export function spoken(blocks: Block[]): string {
  return blocks.map((block) => (block.kind === "text" ? block.text : block.kind === "media" ? `(${paragraph(block.mime || "bytes", 100)})` : block.kind === "other" && block.value == null ? "(no content)" : asJson(block.kind === "other" ? block.value : block))).join("\n");
}

/** The value if a text is JSON of a list or an object. */
export function jsonIn(text: string): unknown {
  if (text.length > LONGEST_JSON || !/^\s*[[{]/.test(text)) return undefined;
  try {
    return parseExact(text);
  } catch {
    return undefined;
  }
}

/** A picture or sound that a page can show; nothing else comes near an address of the page. */
export function source(mime: string, data: string): { kind: "image" | "audio"; address: string } | null {
  const kind = /^(image|audio)\/[\w.+-]+$/.exec(mime)?.[1];
  return kind === "image" || kind === "audio" ? { kind, address: `data:${mime};base64,${data}` } : null;
}
