// A terminal on a page. What is written to it comes from inside a container: it is drawn as text in
// elements, and no sequence of it is a link, reaches the clipboard or names the window.

import { FitAddon } from "@xterm/addon-fit";
import { Terminal, type ITheme } from "@xterm/xterm";

import type { Host } from "../host";

/** Lines above the screen that are kept. */
const SCROLLBACK = 5000;
/** OSC sequences that would do more than draw: titles, links, the clipboard, notifications. */
const IGNORED_OSC = [0, 1, 2, 7, 8, 9, 52, 99, 777, 1337];

/** Copying and pasting, which Ctrl+C and Ctrl+V can't be in a terminal; for `attachCustomKeyEventHandler`. */
export function copiesAndPastes(terminal: Terminal, clipboard: Host["clipboard"], readOnly = false): (event: KeyboardEvent) => boolean {
  return (event) => {
    if (event.type !== "keydown" || !event.ctrlKey || !event.shiftKey) return true;
    if (event.code === "KeyC") {
      const text = terminal.getSelection();
      if (text !== "") void clipboard.write(text);
    } else if (event.code === "KeyV" && !readOnly) {
      void clipboard.read().then(
        (text) => terminal.paste(text),
        () => {},
      );
    } else return true;
    event.preventDefault();
    return false;
  };
}

/** A terminal with the page's colours, and what fits it to its box. */
export function newTerminal(): { terminal: Terminal; fit: FitAddon } {
  const terminal = new Terminal({
    cursorBlink: true,
    fontFamily: getComputedStyle(document.documentElement).getPropertyValue("--mono"),
    fontSize: 12.5,
    lineHeight: 1.25,
    scrollback: SCROLLBACK,
    theme: theme(),
    // Colours that a program chooses stay readable on either ground.
    minimumContrastRatio: 4.5,
  });
  for (const number of IGNORED_OSC) terminal.parser.registerOscHandler(number, () => true);
  const fit = new FitAddon();
  terminal.loadAddon(fit);
  return { terminal, fit };
}

/** The colours of the page, as they are now. */
export function theme(): ITheme {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string) => style.getPropertyValue(`--${name}`).trim();
  const names = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"] as const;
  const sixteen = Object.fromEntries(
    names.flatMap((name) => [
      [name, colour(`ansi-${name}`)],
      [`bright${name[0]!.toUpperCase()}${name.slice(1)}`, colour(name === "black" ? "ansi-bright-black" : `ansi-${name}`)],
    ]),
  );
  return {
    ...sixteen,
    background: colour("sunken"),
    foreground: colour("text"),
    cursor: colour("accent"),
    cursorAccent: colour("sunken"),
    selectionBackground: colour("line-strong"),
  };
}
