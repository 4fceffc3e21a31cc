// Folders of this computer as a person writes them, one in each line.

import type { MachineMount } from "../wire";

/** `SOURCE:TARGET` or `SOURCE:TARGET:ro`, as Docker writes it; a source may be a path of Windows. */
export function readMounts(text: string): { mounts: MachineMount[]; wrong: string[] } {
  const mounts: MachineMount[] = [];
  const wrong: string[] = [];
  for (const line of text.split("\n").map((line) => line.trim()).filter((line) => line !== "")) {
    const [, source, target, mode] = /^(.+):(\/[^:]*?)(?::(ro|rw))?$/.exec(line) ?? [];
    if (source === undefined || target === undefined) wrong.push(line);
    else mounts.push({ source, target, read_only: mode === "ro" });
  }
  return { mounts, wrong };
}
