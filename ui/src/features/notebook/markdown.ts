// Markdown as it reads. Raw HTML in it stays text. Mathematics, which few texts have, comes as
// MathML: its renderer is loaded when the first text needs it.

import MarkdownIt from "markdown-it";

import { retry } from "../../shared/retry";

export interface Renderer {
  render(source: string): string;
}

export const plain: Renderer = made();

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
    // A CommonJS module: who bundles it decides whether its default lies one deeper.
    const found = plugin.default as typeof plugin.default | { default: typeof plugin.default };
    renderer.use("default" in found ? found.default : found, {
      enableBareBlocks: true,
      katex: {
        ...katex,
        renderToString(source: string, options?: object) {
          try {
            return katex.renderToString(source, { ...options, output: "mathml", throwOnError: true, strict: "ignore", trust: false });
          } catch (thrown) {
            const { escapeHtml } = renderer.utils;
            return `<code title="${escapeHtml(thrown instanceof Error ? thrown.message : String(thrown))}">${escapeHtml(source)}</code>`;
          }
        },
      },
    });
    return renderer;
  }));
}

function made() {
  const renderer = new MarkdownIt({ html: false, linkify: false, breaks: false });
  // Where a link leads is seen before it is followed.
  renderer.renderer.rules.link_open = (tokens, at, options, _, self) => {
    const link = tokens[at];
    if (link && !link.attrGet("title")) link.attrSet("title", link.attrGet("href") ?? "");
    return self.renderToken(tokens, at, options);
  };
  return renderer;
}
