// Markdown as it reads. Of HTML in it, what only lays out text is drawn (`safeHtml`). Mathematics, which few texts have, comes as
// MathML: its renderer is loaded when the first text needs it.

import MarkdownIt from "markdown-it";

import { retry } from "../../shared/retry";
import { isRecord, name, own } from "../../shared/untrusted";
import { escaped, safeHtml } from "./safeHtml";

/** Pictures of a cell by name, each by its mime type, as nbformat has them. */
export type Attachments = Record<string, unknown>;

/** Where a picture is that the text itself doesn't have, as `data:`; null if there is none, or none yet. */
export type Beside = (address: string) => string | null;

export interface Renderer {
  render(source: string, attachments?: Attachments, beside?: Beside): string;
}

/** What a renderer is told of a text. */
interface Around {
  attachments?: Attachments | undefined;
  beside?: Beside | undefined;
}

/** A formula that is longer, or one more than this, stays as it was written. */
const LONGEST_FORMULA = 5000;
const MOST_FORMULAS = 1000;
/** In em: no part of a formula is larger. */
const LARGEST = 25;
const MOST_MACROS = 300;
const LONGEST_ADDRESS = 2000;

export const plain: Renderer = (() => {
  const renderer = made();
  return { render: (source, attachments, beside) => renderer.render(source, { attachments, beside } satisfies Around) };
})();

const PICTURE = /^image\/(png|jpeg|gif|webp|svg\+xml)$/;

/** Where a picture's address leads: to what it holds itself, or to what is attached to the cell; null if elsewhere. */
export function pictureOf(address: string, attachments: Attachments | undefined): string | null {
  if (/^data:image\/(png|jpeg|gif|webp|svg\+xml)[;,]/i.test(address)) return address;
  const attached = /^attachment:(.+)$/.exec(address)?.[1];
  if (attached === undefined || !attachments) return null;
  const bundle = own(attachments, attached) ?? own(attachments, decoded(attached));
  const found = isRecord(bundle) ? Object.entries(bundle).find(([type, data]) => PICTURE.test(type) && typeof data === "string") : undefined;
  return found ? `data:${found[0]};base64,${(found[1] as string).replaceAll(/[^A-Za-z0-9+/=]/g, "")}` : null;
}

/** Whether an address leads to a file beside the text. */
export function isRelative(address: string): boolean {
  return address !== "" && address.length <= LONGEST_ADDRESS && !/^([a-z][a-z0-9+.-]*:|[/\\#?])/i.test(address);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Whether a text may hold mathematics. */
export function hasMath(source: string): boolean {
  return /\$|\\begin\{/.test(source);
}

let loading: Promise<Renderer> | null = null;

/** Also renders `$…$`, `$$…$$` and `\begin{…}…\end{…}`; what is no valid TeX stays as it was written. */
export function mathematical(): Promise<Renderer> {
  const load = () => Promise.all([import("@vscode/markdown-it-katex"), import("katex")]);
  return (loading ??= retry(load).then(([plugin, { default: katex }]) => {
    const renderer = made();
    let formulas = 0;
    // A CommonJS module: who bundles it decides whether its default lies one deeper.
    const found = plugin.default as typeof plugin.default | { default: typeof plugin.default };
    renderer.use("default" in found ? found.default : found, {
      enableBareBlocks: true,
      katex: {
        ...katex,
        renderToString(source: string, options?: object) {
          const { escapeHtml } = renderer.utils;
          if (source.length > LONGEST_FORMULA || ++formulas > MOST_FORMULAS) return `<code>${escapeHtml(source)}</code>`;
          try {
            return katex.renderToString(source, { ...options, output: "mathml", throwOnError: true, strict: "ignore", trust: false, maxSize: LARGEST, maxExpand: MOST_MACROS });
          } catch {
            // What is wrong with it is the source's own words, which a hint would take for ours.
            return `<code class="broken">${escapeHtml(source)}</code>`;
          }
        },
      },
    });
    return {
      render(source: string, attachments?: Attachments, beside?: Beside) {
        formulas = 0;
        return renderer.render(source, { attachments, beside } satisfies Around);
      },
    };
  }));
}

function made() {
  const renderer = new MarkdownIt({ html: true, linkify: false, breaks: false });
  const found = (address: string, { attachments, beside }: Around = {}) => pictureOf(address, attachments) ?? (isRelative(address) ? beside?.(address) : null) ?? null;
  const html: typeof renderer.renderer.rules.html_block = (tokens, at, _, env) => safeHtml(tokens[at]?.content ?? "", (address) => found(address, env as Around | undefined));
  renderer.renderer.rules.html_block = html;
  renderer.renderer.rules.html_inline = html;
  const defaultImage = renderer.renderer.rules.image;
  // Where a link leads is seen before it is followed, whatever title it or a picture in it has.
  renderer.renderer.rules.image = (tokens, at, options, env, self) => {
    const picture = tokens[at];
    if (picture?.attrs) picture.attrs = picture.attrs.filter(([word]) => word !== "title");
    const address = String(picture?.attrGet("src") ?? "");
    const data = found(address, env as Around | undefined);
    if (data === null) return `<span class="missing">${escaped(`[picture not shown: ${name(picture?.content || address, 200)}]`)}</span>`;
    picture?.attrSet("src", data);
    return defaultImage?.(tokens, at, options, env, self) ?? "";
  };
  renderer.renderer.rules.link_open = (tokens, at, options, _, self) => {
    const link = tokens[at];
    link?.attrSet("title", name(link.attrGet("href") ?? "", LONGEST_ADDRESS));
    return self.renderToken(tokens, at, options);
  };
  return renderer;
}
