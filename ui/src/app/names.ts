// What a machine may be called.

/** Why a machine can't be called so; `null` if it can, or if nothing was typed yet. */
export function nameProblem(name: string, taken: string[]): string | null {
  const typed = name.trim();
  if (typed === "") return null;
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{0,59}$/.test(typed)) return "Use letters, digits, “_”, “.” and “-”. The first character must be a letter or a digit.";
  return taken.includes(typed) ? `A machine named ${typed} already exists.` : null;
}
