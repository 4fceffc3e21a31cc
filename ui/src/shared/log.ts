// Lines of a log as a page keeps them. Of a long one there are the beginning and the end, and a line
// between them says how much is missing: whatever writes it may write for ever.

import { count } from "./plural";
import { binarySize } from "./size";
import { clip } from "./untrusted";

export interface Line {
  /** Grows by one. */
  number: number;
  text: string;
}

/** The beginning of a log, a line about what is missing behind it if anything is, and the end. */
export interface Log {
  lines: Line[];
  /** How many lines ever came. */
  count: number;
  /** How many of `lines` are the beginning. The end begins when it is full. */
  head: number;
  head_bytes: number;
  tail_bytes: number;
  missing: { lines: number; bytes: number };
}

/** How much is kept of the beginning, and how much of the end. */
export const HEAD = { lines: 500, bytes: 256 << 10 };
export const TAIL = { lines: 2000, bytes: 2 << 20 };
/** Characters of a line that are kept. */
export const LONGEST_LINE = 5000;
/** By this part of itself the end may grow before it is cut again. */
const SLACK = 0.25;
/** What a line takes beside its text. */
const LINE_BYTES = 48;

export const newLog = (): Log => ({ lines: [], count: 0, head: 0, head_bytes: 0, tail_bytes: 0, missing: { lines: 0, bytes: 0 } });

/** Adds a line at the end. */
export function addLine(log: Log, text: string): void {
  const line = { number: ++log.count, text: clip(text, LONGEST_LINE) };
  const bytes = weight(line);
  const beginning = log.head === log.lines.length;
  log.lines.push(line);
  if (beginning && log.head < HEAD.lines && log.head_bytes + bytes <= HEAD.bytes) {
    log.head += 1;
    log.head_bytes += bytes;
    return;
  }
  log.tail_bytes += bytes;
  if (log.lines.length - log.head > TAIL.lines * (1 + SLACK) || log.tail_bytes > TAIL.bytes * (1 + SLACK)) cutTail(log);
}

/** A log of these lines. */
export function logOf(texts: readonly string[]): Log {
  const log = newLog();
  for (const text of texts) addLine(log, text);
  return log;
}

function cutTail(log: Log): void {
  const { lines, missing } = log;
  // The line about what is missing is made anew.
  let at = log.head + (missing.lines > 0 ? 1 : 0);
  while (lines.length - at > TAIL.lines || log.tail_bytes > TAIL.bytes) {
    const dropped = lines[at++]!;
    log.tail_bytes -= weight(dropped);
    missing.lines += 1;
    missing.bytes += dropped.text.length + 1;
  }
  const text = `[log truncated: ${count(missing.lines, "line")} (${binarySize(missing.bytes)}) omitted]`;
  lines.splice(log.head, at - log.head, { number: lines[at - 1]!.number, text });
}

/** About so many bytes: what is printed has few letters that take more than one. */
const weight = ({ text }: Line) => text.length + LINE_BYTES;
