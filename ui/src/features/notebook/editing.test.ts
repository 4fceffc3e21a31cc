import { undo, undoDepth } from "@codemirror/commands";
import { EditorState, type Transaction, type TransactionSpec } from "@codemirror/state";
import { expect, test } from "vitest";

import { edited, editing, replaced } from "./editing";

function opened(doc: string) {
  const it = {
    state: EditorState.create({ doc, extensions: editing }),
    done: [] as Transaction[],
    dispatch(one: Transaction) {
      it.state = one.state;
      it.done.push(one);
    },
    change(changes: TransactionSpec["changes"]) {
      it.dispatch(it.state.update({ changes, userEvent: "input" } as TransactionSpec));
    },
    replace(text: string) {
      for (const step of replaced(it.state, text)) it.dispatch(it.state.update(step));
    },
    get text() {
      return it.state.doc.toString();
    },
  };
  return it;
}

test("text from elsewhere is no edit, and undo does not bring back what was there", () => {
  const editor = opened("old text");
  editor.change({ from: 0, to: 4 });
  editor.change({ from: 4, insert: "!" });
  editor.done = [];
  editor.replace("from the disk");
  expect(edited(editor.done)).toBe(false);
  undo(editor);
  expect(editor.text).toBe("from the disk");
});

test("what is typed after it is an edit, and can be undone", () => {
  const editor = opened("old");
  editor.replace("new");
  editor.done = [];
  editor.change({ from: 3, insert: "er" });
  expect(edited(editor.done)).toBe(true);
  expect(undoDepth(editor.state)).toBe(1);
  undo(editor);
  expect(editor.text).toBe("new");
});

test("the text that is there is not replaced, whatever its line ends", () => {
  const editor = opened("a\r\nb");
  editor.replace("a\r\nb");
  expect(editor.done).toEqual([]);
});
