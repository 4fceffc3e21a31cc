// The draft of the notebook: what comes back when the window does. Large outputs have no room in it;
// they are marked, so that they can be found in the file again. Every window has a draft of its own;
// one that no window has is taken up by the next that opens.

import { kept, type FileCell, type Head, type Output } from "../../shared/outputs/nbformat";

/** Where drafts lie between two openings of the window: this, or this with a number. */
const DRAFT = "vivarium.notebook.draft";
/** Where a window that is read anew finds which one it had. */
const MINE = "vivarium.notebook.draft.mine";
/** So long a window waits for the one that it was before. */
const CLAIM_MS = 1000;
/** Outputs beyond this stay out of the draft. */
const DRAFT_OUTPUT_LIMIT = 200_000;

export interface Draft {
  path: string | null;
  stamp: string | null;
  dirty: boolean;
  head: Head;
  cells: FileCell[];
  /** Ids of cells that the kernel was not done with. */
  pending: string[];
  /** By cell, the name of the run that was handed in last. */
  tags?: Record<string, string>;
  /** Ids of cells that are in no file yet. */
  given?: string[];
  /** By cell, the print of outputs that had no room. */
  left_out?: Record<string, string>;
  /** When it was kept, Unix milliseconds. */
  at?: number;
}

export class Drafts {
  /** Where this machine's drafts lie, and where this window finds its own. */
  readonly #draft: string;
  readonly #mine: string;
  /** Where this window's lies; empty before one is claimed. */
  #key = "";
  /** Whose draft lies there. */
  #of: object | null = null;

  /** Of the machine with this key. */
  constructor(key = "") {
    this.#draft = DRAFT + key;
    this.#mine = MINE + key;
  }

  /** Claims a draft for this window and reads it: the one it had, else one left by a window that is gone. */
  async take(): Promise<Draft | null> {
    const mine = sessionItem(this.#mine);
    if (mine !== null && (await claim(mine, CLAIM_MS))) this.#key = mine;
    else await this.#claimFirst(left(this.#draft));
    return read<Draft>(this.#key);
  }

  /** Leaves the draft to another window: what is here is something else. */
  async leave(): Promise<void> {
    await this.#claimFirst([]);
  }

  /** Keeps it in place of the one before. False where there is no room even without its outputs. */
  keep(of: object, draft: Draft): boolean {
    const now = { ...draft, at: Date.now() };
    for (const limit of [DRAFT_OUTPUT_LIMIT, 0]) {
      try {
        localStorage.setItem(this.#key, JSON.stringify(lean(now, limit)));
        this.#of = of;
        return true;
      } catch {
        // Full: sources matter more than outputs.
      }
    }
    // An older draft of this notebook is better than none; another notebook's would be taken for it.
    if (this.#of !== of) localStorage.removeItem(this.#key);
    return false;
  }

  async #claimFirst(keys: string[]): Promise<void> {
    const taken = new Set(left(this.#draft));
    const draft = this.#draft;
    const fresh = function* () {
      for (let number = 1; ; number++) yield number === 1 ? draft : `${draft}.${number}`;
    };
    for (const key of keys) if (await claim(key)) return this.#have(key);
    for (const key of fresh()) if (!taken.has(key) && (await claim(key))) return this.#have(key);
  }

  #have(key: string): void {
    this.#key = key;
    try {
      sessionStorage.setItem(this.#mine, key);
    } catch {
      // Read anew, this window takes the newest.
    }
  }
}

/** Drafts that are there: unsaved ones first, then by age, the newest first. */
function left(draft: string): string[] {
  const keys = Array.from({ length: localStorage.length }, (_, at) => localStorage.key(at) ?? "");
  const drafts = keys.filter((key) => key === draft || (key.startsWith(draft) && /^\.\d+$/.test(key.slice(draft.length)))).map((key) => ({ key, draft: read<Draft>(key) }));
  const rank = ({ draft }: { draft: Draft | null }) => (draft?.dirty ? 1e15 : 0) + (draft?.at ?? 0);
  return drafts.sort((one, other) => rank(other) - rank(one)).map(({ key }) => key);
}

/** Claims a draft until this window is gone; false where another one has it. */
async function claim(key: string, wait_ms = 0): Promise<boolean> {
  const locks = (globalThis.navigator as Navigator | undefined)?.locks as LockManager | undefined;
  // Nobody can say: as if this were the only window.
  if (!locks) return true;
  return new Promise((resolve) => {
    const options = wait_ms > 0 ? { signal: AbortSignal.timeout(wait_ms) } : { ifAvailable: true };
    const held = locks.request(key, options, (lock) => {
      resolve(lock !== null);
      return lock === null ? null : new Promise<never>(() => {});
    });
    held.catch(() => resolve(false));
  });
}

function sessionItem(key: string): string | null {
  try {
    return sessionStorage.getItem(key);
  } catch {
    return null;
  }
}

/** The draft without outputs of more than `limit` characters, which are marked. */
function lean(draft: Draft, limit: number): Draft {
  const left_out = { ...draft.left_out };
  const cells = draft.cells.map((cell) => {
    if (!cell.outputs?.length || JSON.stringify(cell.outputs).length <= limit) return cell;
    left_out[cell.id ?? ""] = print(cell.outputs);
    return { ...cell, outputs: [] };
  });
  return { ...draft, cells, left_out };
}

/** The same for outputs that are the same in a file, whatever the order of their keys. */
export function print(outputs: Output[]): string {
  const text = JSON.stringify(outputs.map(kept), (_, value: unknown) =>
    typeof value === "object" && value !== null && !Array.isArray(value) ? Object.fromEntries(Object.entries(value).sort(byName)) : value,
  );
  // Two FNV-1a of 32 bits; with the length they tell apart the outputs of one notebook.
  let one = 0x811c9dc5;
  let two = 0x9747b28c;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    one = Math.imul(one ^ unit, 0x01000193);
    two = Math.imul(two ^ unit, 0x5bd1e995);
  }
  return `${text.length}-${(one >>> 0).toString(16)}-${(two >>> 0).toString(16)}`;
}

function byName([one]: [string, unknown], [other]: [string, unknown]): number {
  return one < other ? -1 : 1;
}

export function read<T>(key: string): T | null {
  try {
    return JSON.parse(localStorage.getItem(key) ?? "null") as T | null;
  } catch {
    // Damaged: what it held is gone.
    return null;
  }
}
