// What the review before an evolve shows of each file. The patch is git's: it quotes names as C does,
// and a library reads it. What can't be read is said to be unread, never to be unchanged.

import { parsePatch, type StructuredPatch } from "diff";

import type { ChangedFile, RepoDiff } from "../../wire";

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

interface Section {
  parsed: StructuredPatch;
  name: string;
}

/** Every changed file with its own lines, in the order of the list. */
export function review({ files, patch, cut }: Pick<RepoDiff, "files" | "patch" | "cut">): Reviewed[] {
  const sections = read(patch);
  const waiting = new Map<string, Section[]>();
  for (const section of sections) waiting.set(section.name, [...(waiting.get(section.name) ?? []), section]);
  // Names that are no UTF-8 may look the same: each takes the next section, as git sorts both alike.
  const listed = files.map((file) => ofFile(file, waiting.get(file.path)?.shift(), cut));
  const unlisted = [...waiting.values()].flat().map(({ name, parsed }): Reviewed => {
    const change = parsed.isCreate ? "added" : parsed.isDelete ? "removed" : "changed";
    const shown = ofFile({ path: name, change, ...counts(parsed) }, { name, parsed }, cut);
    return { ...shown, notes: [{ words: "This file isn't in the list of changed files.", warning: true }, ...shown.notes] };
  });
  return [...listed, ...unlisted];
}

function read(patch: string): Section[] {
  // A line of a hunk begins with a blank or a sign, and names have no line ends: this is always a head.
  const parts = `\n${patch}`.split("\ndiff --git ").slice(1);
  return parts.flatMap((part) => {
    try {
      const found = parsePatch(`diff --git ${part}`);
      const [parsed] = found;
      // Of the head alone: of the names below it the library drops blanks at their ends.
      const [head] = parsePatch(`diff --git ${part.slice(0, `${part}\n`.indexOf("\n"))}`);
      const name = head && pathOf(head);
      return found.length === 1 && parsed && name !== undefined ? [{ parsed, name }] : [];
    } catch {
      // Such as the last one of a patch that was cut: its file is said to be left out.
      return [];
    }
  });
}

/** The path, which a change without renames has twice. */
function pathOf({ oldFileName, newFileName }: StructuredPatch): string | undefined {
  const before = withoutPrefix(oldFileName, "a/");
  return before === withoutPrefix(newFileName, "b/") ? before : undefined;
}

const withoutPrefix = (path: string | undefined, prefix: string) => (path?.startsWith(prefix) ? path.slice(prefix.length) : undefined);

function counts({ hunks }: StructuredPatch): { added: number; removed: number } {
  const lines = hunks.flatMap((hunk) => hunk.lines);
  return { added: lines.filter((line) => line.startsWith("+")).length, removed: lines.filter((line) => line.startsWith("-")).length };
}

function ofFile(file: ChangedFile, section: Section | undefined, cut: boolean): Reviewed {
  const { path, change, added, removed } = file;
  const known = { path, change, added, removed };
  const warn = (words: string) => ({ words, warning: true });
  if (!section) {
    const words = cut
      ? "Not shown because the whole change is very long. Read the file itself before you approve."
      : "The lines of this file could not be read. Read the file itself before you approve.";
    return { ...known, lines: [], notes: [warn(words)] };
  }
  const { parsed } = section;
  const lines = parsed.hunks.flatMap((hunk) => [`@@ -${start(hunk.oldStart, hunk.oldLines)} +${start(hunk.newStart, hunk.newLines)} @@`, ...hunk.lines]);
  const notes = modeNotes(parsed);
  const found = counts(parsed);
  if (parsed.isBinary || added === null) notes.push(warn("A binary file: its content isn't shown."));
  else if (found.added !== added || found.removed !== (removed ?? 0)) notes.push(warn("The lines below are not all that changed in this file. Read the file itself before you approve."));
  else if (lines.length === 0 && (parsed.isCreate || parsed.isDelete)) notes.push({ words: "An empty file.", warning: false });
  else if (lines.length === 0 && notes.length === 0) notes.push(warn("The lines of this file could not be read. Read the file itself before you approve."));
  return { ...known, lines, notes };
}

/** As git writes it: the library counts from one where there are no lines. */
const start = (at: number, lines: number) => `${lines === 0 ? at - 1 : at},${lines}`;

const KINDS: Record<string, string> = { "100755": "executable", "100644": "not executable", "120000": "a symbolic link", "160000": "a nested repository, whose files are not shown" };

function modeNotes({ oldMode, newMode, isDelete }: StructuredPatch): Reviewed["notes"] {
  if (isDelete || newMode === undefined) return [];
  const kind = KINDS[newMode] ?? `of mode ${newMode}`;
  if (oldMode !== undefined) return [{ words: `Its mode changes from ${oldMode} to ${newMode}: it becomes ${kind}.`, warning: true }];
  return newMode === "100644" ? [] : [{ words: `The file is ${kind}.`, warning: newMode === "160000" }];
}
