// The clipboard crosses only when somebody asks: what was copied on this computer goes to the machine
// with the keys that paste, and nothing else; a machine is where somebody else works too.

import type RFB from "@novnc/novnc";

interface Keys {
  /** Gives the machine what is pasted; false if it can't have it. */
  give: () => Promise<boolean>;
  rfb: () => RFB | null;
}

const CONTROL = 0xffe3;
const SHIFT = 0xffe1;
const INSERT = 0xff63;

/** Ctrl+V, Ctrl+Shift+V and Shift+Insert, on their way to the display. */
export function pasteKeys(target: HTMLElement, { give, rfb }: Keys): () => void {
  let held = { ctrl: false, shift: false };
  const track = (event: KeyboardEvent) => (held = { ctrl: event.ctrlKey || event.metaKey, shift: event.shiftKey });

  async function paste(event: KeyboardEvent) {
    // The keys would paste something else.
    if (!(await give())) return;
    const display = rfb();
    if (!display) return;
    // Reading took a moment: the keys go as they were, whatever is held by now.
    const ctrl = event.ctrlKey || event.metaKey;
    if (ctrl) display.sendKey(CONTROL, "ControlLeft", true);
    if (event.shiftKey) display.sendKey(SHIFT, "ShiftLeft", true);
    const [keysym, code] = event.key === "Insert" ? [INSERT, "Insert"] : [event.shiftKey ? 0x56 : 0x76, "KeyV"];
    display.sendKey(keysym as number, code as string);
    if (event.shiftKey && !held.shift) display.sendKey(SHIFT, "ShiftLeft", false);
    if (ctrl && !held.ctrl) display.sendKey(CONTROL, "ControlLeft", false);
  }

  function down(event: KeyboardEvent) {
    track(event);
    const v = event.code === "KeyV" && (event.ctrlKey || event.metaKey) && !event.altKey;
    if (!v && !(event.key === "Insert" && event.shiftKey)) return;
    event.preventDefault();
    event.stopPropagation();
    if (!event.repeat) void paste(event);
  }

  target.addEventListener("keydown", down, { capture: true });
  target.addEventListener("keyup", track, { capture: true });
  return () => {
    target.removeEventListener("keydown", down, { capture: true });
    target.removeEventListener("keyup", track, { capture: true });
  };
}
