/** A unified diff's lines by file, without git's heads. */
export function split(patch: string): Record<string, string[]> {
  const files: Record<string, string[]> = {};
  let lines: string[] = [];
  let inside = false;
  for (const line of patch.split("\n")) {
    const head = /^diff --git a\/(.*) b\/(.*)$/.exec(line);
    if (head) {
      lines = files[head[2] as string] = [];
      inside = false;
    } else if (line.startsWith("@@")) {
      inside = true;
      lines.push(line);
    } else if (inside) lines.push(line);
  }
  for (const found of Object.values(files)) if (found.at(-1) === "") found.pop();
  return files;
}
