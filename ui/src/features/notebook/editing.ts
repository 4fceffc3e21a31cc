// How every cell is edited: keys, colours, brackets, history.

import { closeBrackets, closeBracketsKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { python } from "@codemirror/lang-python";
import { bracketMatching, HighlightStyle, indentOnInput, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { Annotation, Compartment, Transaction, type EditorState, type Extension, type TransactionSpec } from "@codemirror/state";
import { drawSelection, EditorView, keymap } from "@codemirror/view";
import { tags } from "@lezer/highlight";

const colours = HighlightStyle.define([
  { tag: [tags.keyword, tags.operatorKeyword, tags.controlKeyword, tags.definitionKeyword, tags.moduleKeyword], color: "var(--code-keyword)" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--code-string)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--code-number)" },
  { tag: [tags.comment, tags.meta], color: "var(--code-comment)", fontStyle: "italic" },
  { tag: [tags.function(tags.variableName), tags.function(tags.definition(tags.variableName)), tags.definition(tags.className)], color: "var(--code-name)" },
]);

const look = EditorView.theme({
  "&": { color: "var(--text)", fontSize: "12.5px" },
  ".cm-content": { fontFamily: "var(--mono)", padding: "8px 0", caretColor: "var(--text)", lineHeight: "1.5" },
  ".cm-line": { padding: "0 12px" },
  ".cm-cursor": { borderLeftColor: "var(--text)" },
  ".cm-placeholder": { color: "var(--text-faint)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    background: "color-mix(in srgb, var(--accent) 25%, transparent) !important",
  },
  ".cm-tooltip": { border: "1px solid var(--line)", borderRadius: "8px", background: "var(--raised)", boxShadow: "var(--shadow)" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul": { padding: "4px", fontFamily: "var(--mono)", fontSize: "12.5px", maxHeight: "260px" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li": { padding: "3px 8px", borderRadius: "4px" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li[aria-selected]": { background: "var(--active)", color: "var(--text)" },
  ".cm-completionMatchedText": { color: "var(--accent)", textDecoration: "none" },
  ".cm-completionDetail": { color: "var(--text-faint)", fontStyle: "normal" },
  ".kernel-words": { maxWidth: "720px", maxHeight: "320px", padding: "10px 12px", overflow: "auto", fontSize: "12.5px", whiteSpace: "pre-wrap" },
  ".cm-matchingBracket": { background: "var(--active) !important", outline: "none" },
});

/** What can be undone. */
const past = new Compartment();

const fromElsewhere = Annotation.define<boolean>();

/** All but the language. */
export const editing: Extension = [
  past.of(history()),
  drawSelection(),
  indentOnInput(),
  indentUnit.of("    "),
  bracketMatching(),
  closeBrackets(),
  syntaxHighlighting(colours),
  EditorView.lineWrapping,
  look,
  keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...historyKeymap, indentWithTab]),
];

export function language(kind: "code" | "markdown" | "raw"): Extension {
  return kind === "code" ? python() : [];
}

/**
 * Other text in place of all that is there, one transaction after the other. Nobody typed it, and no
 * undo leads back to what was there: the past goes too, as its parts would come back into the new text.
 */
export function replaced(state: EditorState, text: string): TransactionSpec[] {
  if (state.toText(text).eq(state.doc)) return [];
  return [
    {
      changes: { from: 0, to: state.doc.length, insert: text },
      annotations: [fromElsewhere.of(true), Transaction.addToHistory.of(false)],
      effects: past.reconfigure([]),
    },
    { effects: past.reconfigure(history()) },
  ];
}

/** Whether any of these is a change by whoever edits. */
export function edited(transactions: readonly Transaction[]): boolean {
  return transactions.some((one) => one.docChanged && !one.annotation(fromElsewhere));
}
