// What the kernel knows of the source at the cursor: completions and documentation.

import { acceptCompletion, autocompletion, completionStatus, startCompletion, type CompletionContext, type CompletionResult } from "@codemirror/autocomplete";
import { indentMore } from "@codemirror/commands";
import { StateEffect, StateField, type Extension } from "@codemirror/state";
import { keymap, showTooltip, type Command, type EditorView, type Tooltip } from "@codemirror/view";

import { ansiChunks } from "../../shared/ansi";
import { clip, name } from "../../shared/untrusted";
import type { CompleteAnswer, InspectAnswer } from "../../wire";

/** Completions that are offered. One that has anything unseen in it, or several lines, is none. */
const MOST = 1000;
/** The longest documentation that is shown. */
const LONGEST = 50_000;

export interface Kernel {
  complete(code: string, cursor_pos: number): Promise<CompleteAnswer>;
  inspect(code: string, cursor_pos: number): Promise<InspectAnswer>;
}

/** Python counts code points, the editor UTF-16 units. */
export function codePoints(text: string, units: number): number {
  return Array.from(text.slice(0, units)).length;
}

export function units(text: string, points: number): number {
  return Array.from(text).slice(0, points).join("").length;
}

/** Names at the cursor. Asks after a dot by itself, otherwise when told to. */
function source(kernel: () => Kernel | null) {
  return async (context: CompletionContext): Promise<CompletionResult | null> => {
    const asked = kernel();
    if (!asked || (!context.explicit && !context.matchBefore(/\.\w*$/))) return null;
    const code = context.state.doc.toString();
    try {
      const answer = await asked.complete(code, codePoints(code, context.pos));
      if (answer.matches.length === 0) return null;
      return {
        from: units(code, answer.cursor_start),
        to: units(code, answer.cursor_end),
        options: answer.matches.filter(({ text }) => name(text) === text).slice(0, MOST).map(({ text, type, signature }) => ({ label: text, detail: name(signature || type) })),
        validFor: /^[\w.]*$/,
      };
    } catch {
      // A kernel that can't answer now: typing goes on without it.
      return null;
    }
  };
}

const show = StateEffect.define<Tooltip | null>();
const shown = StateField.define<Tooltip | null>({
  create: () => null,
  update(tooltip, transaction) {
    for (const effect of transaction.effects) if (effect.is(show)) return effect.value;
    return transaction.docChanged || transaction.selection ? null : tooltip;
  },
  provide: (field) => showTooltip.from(field),
});

/** Documentation of the name at the cursor, until something is typed. */
function inspect(kernel: () => Kernel | null): Command {
  return (view: EditorView) => {
    const asked = kernel();
    if (!asked) return false;
    const code = view.state.doc.toString();
    const pos = view.state.selection.main.head;
    void asked
      .inspect(code, codePoints(code, pos))
      .then((answer) => {
        const text = answer.data["text/plain"];
        if (!answer.found || typeof text !== "string" || view.state.doc.toString() !== code) return;
        view.dispatch({ effects: show.of({ pos, above: false, create: () => ({ dom: words(text) }) }) });
      })
      .catch(() => {});
    return true;
  };
}

function words(text: string): HTMLElement {
  const box = document.createElement("pre");
  box.className = "kernel-words";
  for (const chunk of ansiChunks(clip(text, LONGEST))) {
    const part = document.createElement("span");
    part.className = chunk.classes;
    part.textContent = chunk.text;
    box.append(part);
  }
  return box;
}

/** Tab completes behind a name, and indents elsewhere. */
const tab: Command = (view) => {
  if (completionStatus(view.state) === "active") return acceptCompletion(view);
  const { head, empty } = view.state.selection.main;
  const before = view.state.sliceDoc(Math.max(0, head - 1), head);
  return empty && /[\w.]/.test(before) ? startCompletion(view) : indentMore(view);
};

export function assist(kernel: () => Kernel | null): Extension {
  return [
    autocompletion({ override: [source(kernel)], icons: false, activateOnTyping: true }),
    shown,
    keymap.of([
      { key: "Tab", run: tab },
      { key: "Shift-Tab", run: inspect(kernel) },
      { key: "Escape", run: (view) => view.state.field(shown) !== null && (view.dispatch({ effects: show.of(null) }), true) },
    ]),
  ];
}
