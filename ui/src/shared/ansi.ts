// Terminal text for the eye: colours as classes, overwritten characters gone, all other escapes
// removed. What is no escape and can't be seen is made visible.

import Anser from "anser";

import { visible } from "./untrusted";

export interface Chunk {
  text: string;
  classes: string;
  /** Colours of 24 bits, as CSS has them. */
  color?: string;
  background?: string;
}

/** More changes of colour than this are not drawn: each is an element of the page. */
const MOST_CHUNKS = 5000;

/**
 * Escapes that say something to a terminal and nothing to a reader: strings to it (OSC with window
 * titles, links and the clipboard; DCS, SOS, PM, APC), ended or not, and movements. Colours stay.
 */
const ESCAPES =
  /(?:\u001b[\]PX^_]|[\u0090\u0098\u009d-\u009f])[^\u0007\u001b\u009c\n]*(?:\u0007|\u001b\\|\u009c)?|(?:\u001b\[|\u009b)(?![0-9;:]*m)[0-?]*[ -/]*[@-~]|\u001b[ -/]+[0-~]|\u001b[0-OQ-WYZ`-~]/g;
/** What is left of them after that. */
const COLOURS = /(?:\u001b\[|\u009b)[0-9;:]*m/g;

/** The text with its colours, and without any other escape. */
export function onlyColours(text: string): string {
  return /[\u001b\u0080-\u009f]/.test(text) ? text.replace(ESCAPES, "").replace(/\u009b(?=[0-9;:]*m)/g, "\u001b[") : text;
}

/** Splits text by its colours. The classes stand in `ansi.css`. */
export function ansiChunks(given: string): Chunk[] {
  const text = onlyColours(given);
  if (!text.includes("\u001b")) return [{ text: visible(text), classes: "" }];
  if (text.split("\u001b", MOST_CHUNKS + 2).length > MOST_CHUNKS + 1) return [{ text: visible(text.replace(COLOURS, "")), classes: "" }];
  return Anser.ansiToJson(text, { json: true, remove_empty: true, use_classes: true }).map((chunk) => {
    const classes: string[] = chunk.decorations.map((decoration) => `ansi-${decoration}`);
    const color = chunk.fg === TRUE_COLOUR ? rgb(chunk.fg_truecolor) : null;
    const background = chunk.bg === TRUE_COLOUR ? rgb(chunk.bg_truecolor) : null;
    if (chunk.fg && chunk.fg !== TRUE_COLOUR) classes.push(className(chunk.fg, "fg"));
    if (chunk.bg && chunk.bg !== TRUE_COLOUR) classes.push(className(chunk.bg, "bg"));
    return { text: visible(chunk.content), classes: classes.join(" "), ...(color && { color }), ...(background && { background }) };
  });
}

const TRUE_COLOUR = "ansi-truecolor";

/** `1, 2, 3` as a colour. */
function rgb(given: string | null | undefined): string | null {
  const parts = given?.split(",").map(Number) ?? [];
  return parts.length === 3 && parts.every((part) => Number.isInteger(part) && part >= 0 && part <= 255) ? `rgb(${parts.join(", ")})` : null;
}

function className(colour: string, layer: "fg" | "bg"): string {
  // `ansi-palette-196` of 256 colours: the nearest of our sixteen keeps to the theme.
  const palette = /^ansi-palette-(\d+)$/.exec(colour);
  return `${palette ? nearest(Number(palette[1])) : colour}-${layer}`;
}

const NAMES = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];

function nearest(index: number): string {
  if (index >= 232) return index < 244 ? "ansi-bright-black" : "ansi-white";
  const cube = index - 16;
  const bits = [Math.floor(cube / 36), Math.floor(cube / 6) % 6, cube % 6].map((level) => (level >= 3 ? 1 : 0));
  const name = NAMES[bits[0]! + bits[1]! * 2 + bits[2]! * 4]!;
  return `ansi-${name}`;
}

/**
 * What a terminal would show of it: `\r` goes back to the line's begin, `\b` one back, and what is
 * written there overwrites. Colours pass; they take no room.
 */
export function settle(text: string): string {
  if (!/[\r\b]/.test(text)) return text;
  return text
    .replaceAll("\r\n", "\n")
    .split("\n")
    .map((line) => (/[\r\b]/.test(line) ? overwrite(line) : line))
    .join("\n");
}

function overwrite(line: string): string {
  // Each cell is a character with the colour codes before it.
  const cells: string[] = [];
  let at = 0;
  let pending = "";
  for (const part of line.match(/\u001b\[[0-9;?]*[A-Za-z]|[\s\S]/gu) ?? []) {
    if (part === "\r") at = 0;
    else if (part === "\b") at = Math.max(0, at - 1);
    else if (part === "\u001b[K" || part === "\u001b[0K") cells.length = Math.min(cells.length, at);
    else if (part === "\u001b[2K") cells.length = 0;
    else if (part.length > 1 && part.startsWith("\u001b")) pending += part;
    else {
      while (cells.length < at) cells.push(" ");
      cells[at++] = pending + part;
      pending = "";
    }
  }
  return cells.join("") + pending;
}
