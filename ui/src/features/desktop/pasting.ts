// The clipboard crosses only when somebody asks: what was copied on this computer goes to the machine
// with the keys that paste, and nothing else; a machine is where somebody else works too.

import type RFB from "./rfb";
import type { Key } from "./rfb";

interface Keys {
  /** Gives the machine what is pasted; false if it can't have it. */
  give: () => Promise<boolean>;
  rfb: () => RFB | null;
}

const CONTROL: Key = { keysym: 0xffe3, code: "ControlLeft" };
const SHIFT: Key = { keysym: 0xffe1, code: "ShiftLeft" };
const INSERT: Key = { keysym: 0xff63, code: "Insert" };
const V: Key = { keysym: 0x76, code: "KeyV" };

/**
 * The keys that paste in the machine; null if these are others. A Mac's Command is Control there. It goes
 * by the letter, which is on another key in other layouts; by the key only where it has no Latin letter,
 * as programs do in Cyrillic or Greek.
 */
export function pasting({ key, code, ctrlKey, metaKey, altKey, shiftKey }: KeyboardEvent): Key[] | null {
  if (key === "Insert" && shiftKey) return [SHIFT, INSERT];
  const isV = /^[a-z]$/i.test(key) ? key.toLowerCase() === "v" : code === "KeyV" && key.length === 1 && key > "\u007f";
  if (altKey || !(ctrlKey || metaKey) || !isV) return null;
  return shiftKey ? [CONTROL, SHIFT, { ...V, keysym: 0x56 }] : [CONTROL, V];
}

/** Ctrl+V, Ctrl+Shift+V and Shift+Insert, on their way to the display. */
export function pasteKeys(target: HTMLElement, { give, rfb }: Keys): () => void {
  async function paste(keys: Key[]) {
    // The keys would paste something else. Reading took a moment, so they go whatever is held by now.
    if (await give()) rfb()?.pressChord(keys);
  }

  function down(event: KeyboardEvent) {
    const keys = pasting(event);
    if (!keys) return;
    event.preventDefault();
    event.stopPropagation();
    if (!event.repeat) void paste(keys);
  }

  target.addEventListener("keydown", down, { capture: true });
  return () => target.removeEventListener("keydown", down, { capture: true });
}
