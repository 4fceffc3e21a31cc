// How much of a JSON value a tree draws by itself: a value from inside may have any breadth and depth.

/** Members of one object that are drawn before more are asked for. */
export const CUT = 100;
/** Levels that are open at first, if there are not too many members in them. */
const OPEN = 3;
const DRAWN = 400;

const isNested = (value: unknown): value is object => typeof value === "object" && value !== null;

/** The first members of a list or an object, without making a copy of the others. */
export function members(value: object, most: number): [name: string, value: unknown][] {
  if (Array.isArray(value)) return value.slice(0, most).map((one, at) => [String(at), one]);
  const found: [string, unknown][] = [];
  for (const name in value) {
    if (found.length >= most) break;
    if (Object.hasOwn(value, name)) found.push([name, (value as Record<string, unknown>)[name]]);
  }
  return found;
}

export function count(value: object): number {
  return Array.isArray(value) ? value.length : Object.keys(value).length;
}

/** How many levels of it are open at first. */
export function openLevels(value: unknown): number {
  let level = isNested(value) ? [value] : [];
  let drawn = 0;
  for (let depth = 0; depth < OPEN; depth++) {
    const inside = level.flatMap((one) => members(one, CUT));
    drawn += inside.length;
    if (depth > 0 && drawn > DRAWN) return depth;
    level = inside.map(([, one]) => one).filter(isNested);
  }
  return OPEN;
}
