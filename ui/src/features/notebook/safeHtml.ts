// HTML in Markdown, as far as it only lays out text: written anew from a list of elements and
// attributes, so that nothing else of it reaches the page. All else stays text.

import { name, own } from "../../shared/untrusted";

const LAYOUT = ["align", "width", "height", "title"];
/** Elements that are drawn, and their attributes beside those of layout. */
const ELEMENTS: Record<string, string[]> = Object.fromEntries(
  ("a abbr b blockquote br caption center cite code col colgroup dd del details div dl dt em figcaption figure h1 h2 h3 h4 h5 h6 hr i img ins kbd li mark ol p pre q s samp small " +
    "span strike strong sub summary sup table tbody td tfoot th thead tr tt u ul var")
    .split(" ")
    .map((element) => [element, [] as string[]]),
);
ELEMENTS["a"] = ["href"];
ELEMENTS["img"] = ["src", "alt"];
ELEMENTS["td"] = ELEMENTS["th"] = ["colspan", "rowspan", "valign"];
ELEMENTS["ol"] = ["start", "type"];
ELEMENTS["details"] = ["open"];

/** A comment, or a tag. Attributes have no brackets but in quotation marks. */
const TAGS = /<!--[\s\S]*?-->|<(\/?)([a-zA-Z][a-zA-Z0-9]*)((?:[^<>"']|"[^"]*"|'[^']*')*)>/g;
const ATTRIBUTES = /([a-zA-Z][a-zA-Z-]*)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?/g;
/** Longer than any that lays out text; a picture's address may be long. */
const LONGEST = 2000;
const LONGEST_PICTURE = 16 << 20;

export const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

/** Entities of an attribute, as far as an address has them. */
const plain = (text: string): string => text.replaceAll("&quot;", '"').replaceAll("&#39;", "'").replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

/** The same HTML with nothing in it but what is on the list. `picture` answers where a picture's address leads, or null. */
export function safeHtml(html: string, picture: (address: string) => string | null): string {
  let out = "";
  let last = 0;
  for (const found of html.matchAll(TAGS)) {
    out += text(html.slice(last, found.index));
    last = found.index + found[0].length;
    const element = found[2]?.toLowerCase();
    if (element === undefined) continue;
    const allowed = own(ELEMENTS, element);
    if (!allowed) out += escaped(found[0]);
    else out += found[1] === "/" ? `</${element}>` : `<${element}${attributes(element, allowed, found[3] ?? "", picture)}>`;
  }
  return out + text(html.slice(last));
}

/** Text between tags: its entities stay, no bracket does. */
const text = (between: string): string => between.replaceAll("<", "&lt;").replaceAll(">", "&gt;");

function attributes(element: string, allowed: string[], given: string, picture: (address: string) => string | null): string {
  const kept = new Map<string, string>();
  for (const [, word, ...values] of given.matchAll(ATTRIBUTES)) {
    const attribute = word!.toLowerCase();
    if ((!allowed.includes(attribute) && !LAYOUT.includes(attribute)) || kept.has(attribute)) continue;
    const value = plain(values.find((one) => one !== undefined) ?? "");
    if (attribute === "src") {
      const address = value.length > LONGEST_PICTURE ? null : picture(value);
      if (address !== null) kept.set("src", address);
    } else if (value.length > LONGEST) continue;
    else if (attribute !== "href") kept.set(attribute, value);
    else if (/^(https?:|mailto:|#)/i.test(value.trim())) kept.set("href", value.trim());
  }
  // Where a link leads is seen before it is followed.
  if (element === "a") kept.delete("title");
  const address = kept.get("href");
  if (address !== undefined) kept.set("title", name(address, LONGEST));
  return [...kept].map(([attribute, value]) => ` ${attribute}="${escaped(value)}"`).join("");
}
