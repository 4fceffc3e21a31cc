// Tools, resources and prompts in one shape: a name, a form, and the request that it makes.

import { name as asName, own, paragraph } from "../../shared/untrusted";
import type { Json, Schema } from "./schema";
import type { Session } from "./session.svelte";

export type Kind = "tools" | "resources" | "prompts";

export interface Offer {
  /** What the server knows it by. */
  key: string;
  /** As it is drawn. */
  name: string;
  /** As it is drawn, too. */
  description: string;
  /** Small letters of all that people look for. */
  search: string;
  badges: string[];
  schema: Schema;
  method: string;
  /** The word on the button. */
  action: string;
  params: (value: { [key: string]: Json }) => { [key: string]: Json };
  /** The form's value of a request that was made before. */
  value: (params: { [key: string]: Json }) => { [key: string]: Json };
}

const HOLE = /\{[?&+#./;]?([^}]+)\}/g;
const asObject = (value: Json | undefined) => (typeof value === "object" && value !== null && !Array.isArray(value) ? value : {});

/** A template's address with its holes filled (the simple forms of RFC 6570). */
export function expand(template: string, values: { [key: string]: Json }): string {
  return template.replace(HOLE, (hole, names: string) => {
    const sign = hole[1] as string;
    const filled = names.split(",").map((name) => [name.replace(/[*:].*$/, ""), own(values, name.replace(/[*:].*$/, ""))] as const);
    const given = filled.filter(([, value]) => value !== undefined && value !== "");
    if (given.length === 0) return "";
    const code = (value: Json | undefined) => (sign === "+" || sign === "#" ? encodeURI(String(value)) : encodeURIComponent(String(value)));
    if (sign === "?" || sign === "&") return sign + given.map(([name, value]) => `${name}=${code(value)}`).join("&");
    const lead = "#./;".includes(sign) ? sign : "";
    return lead + given.map(([, value]) => code(value)).join(lead || ",");
  });
}

export function holes(template: string): string[] {
  return [...template.matchAll(HOLE)].flatMap(([, names]) => (names ?? "").split(",").map((name) => name.replace(/[*:].*$/, "")));
}

const texts = (names: { name: string; description?: string; required: boolean }[]): Schema => ({
  type: "object",
  properties: Object.fromEntries(names.map(({ name, description }) => [name, { type: "string", ...(description && { description }) }])),
  required: names.filter(({ required }) => required).map(({ name }) => name),
});

export function toOffers(kind: Kind, { tools, resources, prompts }: Pick<Session, "tools" | "resources" | "prompts">): Offer[] {
  const search = (...parts: (string | undefined)[]) => parts.join(" ").toLowerCase();
  const badges = (...words: (string | undefined)[]) => words.map((word) => asName(word)).filter((word) => word !== "");
  switch (kind) {
    case "tools":
      return tools.map(({ name, title, description = "", inputSchema, readOnly, destructive }) => ({
        key: name,
        name: asName(name),
        description: paragraph(description),
        search: search(name, title, description),
        badges: badges(title, readOnly ? "read-only" : "", destructive && !readOnly ? "can change things" : ""),
        schema: inputSchema,
        method: "tools/call",
        action: "Call",
        params: (value) => ({ name, arguments: value }),
        value: (params) => asObject(params["arguments"]),
      }));
    case "resources":
      return resources.map(({ uri, template, name, title, description = "", mimeType }) => ({
        key: uri,
        name: asName(title ?? name),
        description: paragraph(description || uri),
        search: search(name, title, uri, description),
        badges: badges(template ? "template" : "", mimeType, uri),
        schema: texts(template ? holes(uri).map((hole) => ({ name: hole, required: true })) : []),
        method: "resources/read",
        action: "Read",
        params: (value) => ({ uri: template ? expand(uri, value) : uri }),
        value: () => ({}),
      }));
    case "prompts":
      return prompts.map(({ name, title, description = "", arguments: taken }) => ({
        key: name,
        name: asName(name),
        description: paragraph(description),
        search: search(name, title, description),
        badges: badges(title),
        schema: texts(taken),
        method: "prompts/get",
        action: "Get",
        params: (value) => ({ name, arguments: value }),
        value: (params) => asObject(params["arguments"]),
      }));
  }
}
