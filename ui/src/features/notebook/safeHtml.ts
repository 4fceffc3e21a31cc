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

/** How a tag begins. */
const BEGINNING = /<(\/?)([a-zA-Z][a-zA-Z0-9]*)/y;
/** What ends a tag's attributes or takes them further. */
const STOP = /[<>"']/g;
/** What is looked at again for a tag or comment that has no end may be so many times the text: then it is text. */
const PATIENCE = 4;
const ATTRIBUTES = /([a-zA-Z][a-zA-Z-]*)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?/g;
/** Longer than any that lays out text; a picture's address may be long. */
const LONGEST = 2000;
const LONGEST_PICTURE = 16 << 20;

export const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

/** Entities of an attribute, as far as an address has them. */
const plain = (text: string): string => text.replaceAll("&quot;", '"').replaceAll("&#39;", "'").replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

interface Tag {
  closes: boolean;
  element: string;
  attributes: string;
}

/** What stands at a bracket, up to where. A comment has no tag; null is neither. `looked` is where the look ended. */
interface Found {
  what: Tag | "comment" | null;
  looked: number;
}

function comment(html: string, at: number): Found {
  const end = html.indexOf("-->", at + 4);
  return end < 0 ? { what: null, looked: html.length } : { what: "comment", looked: end + 3 };
}

/** Attributes have no brackets but in quotation marks. */
function tag(html: string, at: number): Found {
  BEGINNING.lastIndex = at;
  const begun = BEGINNING.exec(html);
  if (!begun) return { what: null, looked: at + 1 };
  const from = BEGINNING.lastIndex;
  STOP.lastIndex = from;
  for (let stop = STOP.exec(html); stop; stop = STOP.exec(html)) {
    const what = stop[0];
    if (what === ">") return { what: { closes: begun[1] === "/", element: begun[2]!.toLowerCase(), attributes: html.slice(from, stop.index) }, looked: STOP.lastIndex };
    if (what === "<") return { what: null, looked: stop.index };
    const closing = html.indexOf(what, STOP.lastIndex);
    if (closing < 0) break;
    STOP.lastIndex = closing + 1;
  }
  return { what: null, looked: html.length };
}

/** The same HTML with nothing in it but what is on the list. `picture` answers where a picture's address leads, or null. */
export function safeHtml(html: string, picture: (address: string) => string | null): string {
  let out = "";
  let last = 0;
  let patience = PATIENCE * html.length;
  for (let at = html.indexOf("<"); at >= 0 && patience > 0; at = html.indexOf("<", at)) {
    const { what, looked } = html.startsWith("<!--", at) ? comment(html, at) : tag(html, at);
    if (what === null) {
      patience -= looked - at;
      at += 1;
      continue;
    }
    out += text(html.slice(last, at));
    if (what !== "comment") {
      const allowed = own(ELEMENTS, what.element);
      if (!allowed) out += escaped(html.slice(at, looked));
      else out += what.closes ? `</${what.element}>` : `<${what.element}${attributes(what.element, allowed, what.attributes, picture)}>`;
    }
    last = at = looked;
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
