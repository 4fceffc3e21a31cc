// Cells that were copied or cut in this window: pasted as often as wanted, into any notebook of it.

import { newCell, type Cell } from "./notebook.svelte";

let held: Pick<Cell, "kind" | "source" | "outputs" | "execution_count" | "rest"> | null = null;

/** Keeps what a cell is now; what it becomes later is none of it. */
export function copy({ kind, source, outputs, execution_count, rest }: Cell): void {
  held = structuredClone({ kind, source, outputs, execution_count, rest });
}

/** A new cell like the one that was copied last; null if none was. */
export function pasted(): Cell | null {
  return held && { ...newCell(), ...structuredClone(held) };
}
