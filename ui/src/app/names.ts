// What a machine may be called.

/** Why a machine can't be called so; `null` if it can, or if nothing was typed yet. */
export function nameProblem(name: string, taken: string[]): string | null {
  const typed = name.trim();
  if (typed === "") return null;
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{0,59}$/.test(typed)) return "Use letters, digits, _ . and -, beginning with a letter or digit.";
  return taken.includes(typed) ? `There already is a machine ${typed}.` : null;
}
