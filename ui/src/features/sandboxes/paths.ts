// Paths inside a sandbox.

/** The folders whose files can be reached from outside. */
export const ROOTS = ["/home/sandboxuser", "/home/user", "/workspace", "/tmp"];

/** A name in a folder. */
export const inside = (folder: string, name: string): string => `${folder === "/" ? "" : folder}/${name}`;

/** The writable folder that a path lies in; the first one for any other. */
export const rootOf = (path: string): string => ROOTS.find((root) => path === root || path.startsWith(`${root}/`)) ?? ROOTS[0]!;

/** The folders from the writable one down to this one. */
export function crumbs(path: string): { word: string; path: string }[] {
  const root = rootOf(path);
  const below = path.slice(root.length).split("/").filter((part) => part !== "");
  return below.map((word, at) => ({ word, path: `${root}/${below.slice(0, at + 1).join("/")}` }));
}
