// The file behind the notebook: opened, saved, and kept as a draft until it is. What is in the
// window is never lost to a crash, what is on the disk never to the window.

import { toFailure } from "../../host";
import type { Live } from "../../shared/live/live.svelte";
import type { Failure } from "../../wire";
import { newHead, putTogether, takeApart, type FileCell, type Head, type NotebookFile } from "./nbformat";
import { fromFile, newCell, Notebook, toFile } from "./notebook.svelte";

/** Where the draft lies between two openings of the window. */
const DRAFT = "vivarium.notebook.draft";
const RECENT = "vivarium.notebook.recent";
const RECENT_KEPT = 8;
/** Outputs beyond this stay out of the draft. */
const DRAFT_OUTPUT_LIMIT = 200_000;
const DRAFT_AFTER_MS = 500;

interface Draft {
  path: string | null;
  stamp: string | null;
  dirty: boolean;
  head: Head;
  cells: FileCell[];
  /** Ids of cells that the kernel was not done with. */
  pending: string[];
}

export class NotebookDocument {
  readonly notebook: Notebook;
  path = $state<string | null>(null);
  /** Something here is not on the disk. */
  dirty = $state(false);
  /** Somebody else changed the file since it was read. */
  changedOutside = $state(false);
  trouble = $state<Failure | null>(null);
  recent = $state<string[]>(read<string[]>(RECENT) ?? []);
  #live: Live;
  #stamp: string | null = null;
  #head: Head = newHead();
  #left: string[] = [];
  #drafting: ReturnType<typeof setTimeout> | undefined;

  constructor(live: Live) {
    this.#live = live;
    this.notebook = new Notebook(live, () => this.#touched());
    const draft = read<Draft>(DRAFT);
    if (!draft?.head) return;
    this.path = draft.path;
    this.dirty = draft.dirty;
    this.#stamp = draft.stamp;
    this.#head = draft.head;
    this.notebook.load(draft.cells.map(fromFile));
    this.#left = draft.pending;
  }

  /** Takes up what ran when the window was closed, once the machine can be asked. */
  async takeUp(): Promise<void> {
    const left = this.#left;
    this.#left = [];
    await this.notebook.takeUp(left);
  }

  /** The file's name without its folder. */
  get name(): string {
    return this.path?.split(/[/\\]/).at(-1)?.replace(/\.ipynb$/, "") ?? "Untitled";
  }

  /** A new, empty notebook. */
  create(): void {
    this.#become(null, null, newHead(), []);
  }

  /** Reads a file in place of what is here. */
  async open(path: string): Promise<boolean> {
    return this.#try(async () => {
      const file = await this.#live.call("notebook_open", { path });
      const { head, cells } = takeApart(file.content as unknown as NotebookFile);
      this.#become(file.path, file.stamp, head, cells);
    });
  }

  /** Reads the file anew: what is here is given up. */
  async reload(): Promise<boolean> {
    return this.path !== null && this.open(this.path);
  }

  /** Writes to a path, or to the file's own. */
  async save(path = this.path, overwrite = false): Promise<boolean> {
    if (path === null) return false;
    return this.#try(async () => {
      const content = putTogether($state.snapshot(this.#head), $state.snapshot(this.notebook.cells).map(toFile)) as unknown as Record<string, unknown>;
      const stamp = path === this.path ? this.#stamp : null;
      const saved = await this.#live.call("notebook_save", { path, content, stamp, overwrite });
      this.path = saved.path;
      this.#stamp = saved.stamp;
      this.dirty = false;
      this.changedOutside = false;
      this.#remember(saved.path);
      this.#draft();
    });
  }

  /** Looks whether somebody else changed the file. */
  async look(): Promise<void> {
    const { path } = this;
    if (path === null) return;
    try {
      const { stamp } = await this.#live.call("notebook_stamp", { path });
      if (path === this.path) this.changedOutside = stamp !== this.#stamp;
    } catch {
      // Saving will say what is wrong with it.
    }
  }

  async #try(work: () => Promise<void>): Promise<boolean> {
    this.trouble = null;
    try {
      await work();
      return true;
    } catch (thrown) {
      const failure = toFailure(thrown);
      if (failure.code === "changed") this.changedOutside = true;
      this.trouble = failure;
      return false;
    }
  }

  #become(path: string | null, stamp: string | null, head: Head, cells: FileCell[]): void {
    this.path = path;
    this.#stamp = stamp;
    this.#head = head;
    this.notebook.load(cells.length > 0 ? cells.map(fromFile) : [newCell()]);
    this.dirty = false;
    this.changedOutside = false;
    if (path !== null) this.#remember(path);
    this.#draft();
  }

  #remember(path: string): void {
    this.recent = [path, ...this.recent.filter((one) => one !== path)].slice(0, RECENT_KEPT);
    localStorage.setItem(RECENT, JSON.stringify(this.recent));
  }

  #touched(): void {
    this.dirty = true;
    clearTimeout(this.#drafting);
    this.#drafting = setTimeout(() => this.#draft(), DRAFT_AFTER_MS);
  }

  #draft(): void {
    clearTimeout(this.#drafting);
    const cells = $state.snapshot(this.notebook.cells).map(toFile);
    const draft = (cells: FileCell[]): string =>
      JSON.stringify({ path: this.path, stamp: this.#stamp, dirty: this.dirty, head: this.#head, cells, pending: this.notebook.pending } satisfies Draft);
    const lean = (cell: FileCell): FileCell => (JSON.stringify(cell.outputs ?? []).length > DRAFT_OUTPUT_LIMIT ? { ...cell, outputs: [] } : cell);
    try {
      localStorage.setItem(DRAFT, draft(cells.map(lean)));
    } catch {
      // Full: sources matter more than outputs.
      localStorage.setItem(DRAFT, draft(cells.map((cell) => (cell.outputs ? { ...cell, outputs: [] } : cell))));
    }
  }
}

function read<T>(key: string): T | null {
  try {
    return JSON.parse(localStorage.getItem(key) ?? "null") as T | null;
  } catch {
    // Damaged: what it held is gone.
    return null;
  }
}
