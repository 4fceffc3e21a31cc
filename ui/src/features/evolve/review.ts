// What the review before an evolve shows of each file. Each comes with its own lines, made from the
// trees: what can't be shown is said to be missing, never to be unchanged.

import type { ChangedFile } from "../../wire";

export interface Reviewed {
  path: string;
  change: ChangedFile["change"];
  added: number | null;
  removed: number | null;
  /** Hunks with their heads; empty if there are none or they can't be shown. */
  lines: string[];
  /** What a person must know beside the lines. */
  notes: { words: string; warning: boolean }[];
}

/** A changed file as it is shown. */
export function review(file: ChangedFile): Reviewed {
  const { path, change, added, removed } = file;
  const lines = file.patch === "" ? [] : file.patch.replace(/\n$/, "").split("\n");
  const notes = modeNotes(file);
  const warn = (words: string) => notes.push({ words: `${words} Read the file itself before you approve.`, warning: true });
  const changed = (sign: string) => lines.filter((line) => line.startsWith(sign)).length;
  if (file.cut) warn(lines.length > 0 ? "More lines changed than are shown." : "Not shown because the change is very long.");
  else if (added === null) warn("Binary file not shown.");
  else if (changed("+") !== added || changed("-") !== (removed ?? 0)) warn("The lines below are not all the changes in this file.");
  else if (lines.length === 0 && change !== "changed") notes.push({ words: "Empty file.", warning: false });
  else if (lines.length === 0 && notes.length === 0) warn("The lines of this file could not be read.");
  return { path, change, added, removed, lines, notes };
}

const KINDS: Record<string, string> = { "100755": "executable", "100644": "not executable", "120000": "a symbolic link", "160000": "a nested repository, whose files are not shown" };

function modeNotes({ old_mode: before, mode: now }: ChangedFile): Reviewed["notes"] {
  if (now === null || now === before) return [];
  const kind = KINDS[now] ?? `of mode ${now}`;
  if (before !== null) return [{ words: `Its mode changes from ${before} to ${now}: it becomes ${kind}.`, warning: true }];
  return now === "100644" ? [] : [{ words: `The file is ${kind}.`, warning: now === "160000" }];
}
