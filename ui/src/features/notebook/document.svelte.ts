// The file behind the notebook: opened, saved, and kept as a draft until it is. What is in the
// window is never lost to a crash, what is on the disk never to the window.

import { toFailure, type Answer, type Request } from "../../host";
import { inWords } from "../../shared/advice";
import type { Live } from "../../shared/live/live.svelte";
import { count } from "../../shared/plural";
import { asList, own } from "../../shared/untrusted";
import type { Failure } from "../../wire";
import { Drafts, print, read } from "./draft";
import { newHead, putTogether, takeApart, type FileCell, type Head, type NotebookFile, type Output } from "../../shared/outputs/nbformat";
import { fromFile, givenIds, newCell, Notebook, toFile, type Cell } from "./notebook.svelte";
import { referenceKey } from "./references.svelte";

const RECENT = "vivarium.notebook.recent";
const RECENT_KEPT = 8;
/** A draft is kept after a pause of so long, and at least so often while there is none. */
const DRAFT_AFTER_MS = 500;
const DRAFT_EVERY_MS = 2000;

/** Where the notebook here came from. Another notebook has another one: who awaits something looks for that. */
interface Origin {
  path: string | null;
  stamp: string | null;
  head: Head;
}

export class NotebookDocument {
  readonly notebook: Notebook;
  path = $state<string | null>(null);
  /** Something here is not on the disk. */
  dirty = $state(false);
  /** What somebody else did to the file since it was read. */
  outside = $state<"changed" | "deleted" | null>(null);
  /** The nbformat of the file, where that is older than what a save makes of it. */
  upgraded = $state<number | null>(null);
  /** What a command from elsewhere in the window wants of the notebook's page, which asks first where that is needed. */
  wanted = $state<"restart" | "restart and run all" | "save" | null>(null);
  /** Where it was to be saved, and another file is already. */
  occupied = $state<string | null>(null);
  trouble = $state<Failure | null>(null);
  recent = $state<string[]>(asList(read(RECENT)).filter((one) => typeof one === "string"));
  /** How often another notebook came in the place of the one here. */
  opened = $state(0);
  #live: Live;
  #origin: Origin = { path: null, stamp: null, head: newHead() };
  /** How often the notebook was changed. */
  #edits = 0;
  /** Openings asked for; the last one counts. */
  #openings = 0;
  /** Ends with the last save that was asked for. */
  #saved: Promise<unknown> = Promise.resolve();
  #saving = 0;
  #left: string[] = [];
  /** By cell, the print of outputs that the draft had no room for and that are not here again. */
  #left_out: Record<string, string> = {};
  #drafts: Drafts;
  #drafting: ReturnType<typeof setTimeout> | undefined;
  /** Since when there is something that is not in the draft; 0 where all is. */
  #undrafted_since = 0;
  #claimed = false;
  /** It was said that nothing can be kept. */
  #said_full = false;
  /** Outputs of which it was said that they can't be had, by their references. */
  #said_missing = new Set<string>();
  /** Ends when the draft that this window left is here. */
  readonly ready: Promise<void>;

  constructor(live: Live) {
    this.#live = live;
    this.#drafts = new Drafts(live.key);
    this.notebook = new Notebook(
      live,
      () => this.#touched(),
      () => this.#draftSoon(),
    );
    this.ready = this.#restore();
    const flush = () => void (this.#undrafted_since > 0 && this.#draft());
    globalThis.addEventListener?.("pagehide", flush);
    globalThis.addEventListener?.("visibilitychange", flush);
  }

  async #restore(): Promise<void> {
    const origin = this.#origin;
    const draft = await this.#drafts.take();
    const untouched = origin === this.#origin && this.#edits === 0;
    if (!untouched && draft?.head) await this.#drafts.leave();
    this.#claimed = true;
    if (!untouched) this.#draft();
    else if (draft?.head) {
      this.path = draft.path;
      this.dirty = draft.dirty;
      this.#origin = { path: draft.path, stamp: draft.stamp, head: draft.head };
      const tags = draft.tags ?? {};
      const given = new Set(draft.given);
      this.notebook.load(draft.cells.map((cell) => ({ ...fromFile(cell), given: given.has(cell.id ?? ""), tag: own(tags, cell.id ?? "") ?? null })));
      this.#left = draft.pending;
      this.#left_out = draft.left_out ?? {};
      void this.#complete();
    }
  }

  /** Takes up what ran when the window was closed, once the machine can be asked; and what neither the
   * draft nor the file has of the outputs, as long as the kernel knows them. */
  async takeUp(): Promise<void> {
    await this.ready;
    await this.#complete();
    const lacking = Object.keys(this.#left_out).filter((id) => this.#lacking(id));
    const left = new Set([...this.#left, ...lacking]);
    this.#left = [];
    await this.notebook.takeUp([...left]);
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
    const opening = ++this.#openings;
    return this.#try(async () => {
      const file = await this.#live.call("notebook_open", { path });
      if (opening !== this.#openings) return false;
      const { head, cells } = takeApart(file.content as unknown as NotebookFile);
      this.#become(file.path, file.stamp, head, cells);
      this.upgraded = file.upgraded_from;
      return true;
    });
  }

  /** Reads the file anew: what is here is given up. */
  async reload(): Promise<boolean> {
    await this.#saved;
    return this.path !== null && this.open(this.path);
  }

  /** Writes what is here now to a path, or to the file's own, after the saves before it. */
  async save(path = this.path, overwrite = false): Promise<boolean> {
    const origin = this.#origin;
    if (path === null || !(await this.#isWhole()) || origin !== this.#origin) return false;
    const edits = this.#edits;
    const cells = $state.snapshot(this.notebook.cells);
    const content = putTogether($state.snapshot(origin.head), cells.map(toFile), new Set(givenIds(cells))) as unknown as Record<string, unknown>;
    this.#saving += 1;
    const saved = this.#saved.then(() => this.#try(() => this.#write(origin, edits, { path, content, overwrite, from: origin.path })));
    this.#saved = saved;
    return saved.finally(() => (this.#saving -= 1));
  }

  async #write(origin: Origin, edits: number, request: Omit<Request<"notebook_save">, "stamp">): Promise<boolean> {
    const own = request.path === origin.path;
    let saved: Answer<"notebook_save">;
    try {
      saved = await this.#live.call("notebook_save", { ...request, stamp: own ? origin.stamp : null });
    } catch (thrown) {
      if (toFailure(thrown).code !== "changed" || origin !== this.#origin) throw thrown;
      if (own) this.outside = "changed";
      else this.occupied = request.path;
      return false;
    }
    origin.path = saved.path;
    origin.stamp = saved.stamp;
    this.#remember(saved.path);
    // Another notebook may be here by now, or more than was written.
    if (origin !== this.#origin) return true;
    this.path = saved.path;
    if (edits === this.#edits) this.dirty = false;
    this.outside = null;
    this.upgraded = null;
    this.#draft();
    return true;
  }

  /** Looks whether somebody else changed the file. */
  async look(): Promise<void> {
    const origin = this.#origin;
    const { path, stamp: known } = origin;
    // What a save is about to write is nobody else's.
    if (path === null || this.#saving > 0) return;
    try {
      const { stamp } = await this.#live.call("notebook_stamp", { path });
      if (origin !== this.#origin || known !== origin.stamp || this.#saving > 0) return;
      this.outside = stamp === known ? null : stamp === null ? "deleted" : "changed";
      // What is here is in no file any more.
      if (stamp === null) this.dirty = true;
    } catch {
      // Saving will say what is wrong with it.
    }
  }

  /** Takes the outputs that the draft had no room for from the file, where it still has them. */
  async #complete(): Promise<void> {
    const { path } = this;
    const left_out = this.#left_out;
    if (path === null || Object.keys(left_out).length === 0) return;
    let content: NotebookFile;
    try {
      content = (await this.#live.call("notebook_open", { path })).content as unknown as NotebookFile;
    } catch {
      // Saving asks for it once more.
      return;
    }
    if (left_out !== this.#left_out) return;
    const found = new Map(content.cells.flatMap(({ outputs }): [string, Output[]][] => (outputs ? [[print(outputs), outputs]] : [])));
    this.#left_out = {};
    for (const [id, print] of Object.entries(left_out)) {
      const cell = this.#lacking(id);
      const outputs = found.get(print);
      if (cell && outputs) cell.outputs = outputs;
      else if (cell) this.#left_out[id] = print;
    }
  }

  /** The cell, where its outputs were left out of the draft and nothing came since. */
  #lacking(id: string): Cell | null {
    const cell = this.notebook.cell(id);
    return cell?.kind === "code" && cell.state.kind === "idle" && cell.outputs.length === 0 ? cell : null;
  }

  /** Whether all outputs are here. If not, it is said, once: whoever saves then does so without them. */
  async #isWhole(): Promise<boolean> {
    await this.#complete();
    const undrafted = Object.keys(this.#left_out).filter((id) => this.#lacking(id)).length;
    this.#left_out = {};
    const { unfetched, failure } = await this.#fetchAll();
    if (undrafted === 0 && unfetched === 0) return true;
    this.trouble = {
      code: "not_found",
      message: `The notebook was not saved: ${unfetched === 0 ? "the outputs" : "outputs"} of ${count(undrafted + unfetched, "cell")} are missing`,
      cause: failure?.message ?? "They were too large for the draft of this notebook and are not in its file.",
      next: inWords("Run the cells again, or save again to continue without these outputs."),
      detail: null,
    };
    return false;
  }

  /** Fetches what lies in the machine. Answers how many cells lack outputs of which that was not said yet, and why. */
  async #fetchAll(): Promise<{ unfetched: number; failure: Failure | undefined }> {
    const { notebook } = this;
    const missing = (await notebook.fetchAll()).map((of) => of.filter((one) => notebook.references.failure(one) && !this.#said_missing.has(referenceKey(one))));
    for (const one of missing.flat()) this.#said_missing.add(referenceKey(one));
    const first = missing.flat()[0];
    return { unfetched: missing.filter((of) => of.length > 0).length, failure: first && notebook.references.failure(first) };
  }

  async #try(work: () => Promise<boolean>): Promise<boolean> {
    this.trouble = null;
    try {
      return await work();
    } catch (thrown) {
      this.trouble = toFailure(thrown);
      return false;
    }
  }

  #become(path: string | null, stamp: string | null, head: Head, cells: FileCell[]): void {
    this.path = path;
    this.#origin = { path, stamp, head };
    this.#openings += 1;
    this.opened += 1;
    this.#left_out = {};
    this.notebook.load(cells.length > 0 ? cells.map(fromFile) : [newCell()]);
    this.dirty = false;
    this.outside = null;
    this.occupied = null;
    this.upgraded = null;
    if (path !== null) this.#remember(path);
    this.#draft();
  }

  #remember(path: string): void {
    this.recent = [path, ...this.recent.filter((one) => one !== path)].slice(0, RECENT_KEPT);
    try {
      localStorage.setItem(RECENT, JSON.stringify(this.recent));
    } catch {
      // Full: the list is this window's alone.
    }
  }

  #touched(): void {
    this.#edits += 1;
    this.dirty = true;
    this.#draftSoon();
  }

  #draftSoon(): void {
    const now = Date.now();
    this.#undrafted_since ||= now;
    clearTimeout(this.#drafting);
    const left_ms = this.#undrafted_since + DRAFT_EVERY_MS - now;
    this.#drafting = setTimeout(() => this.#draft(), Math.max(0, Math.min(DRAFT_AFTER_MS, left_ms)));
  }

  #draft(): void {
    clearTimeout(this.#drafting);
    // The draft that lies there is not read yet.
    if (!this.#claimed) return;
    this.#undrafted_since = 0;
    const kept = this.#drafts.keep(this.#origin, {
      path: this.path,
      stamp: this.#origin.stamp,
      dirty: this.dirty,
      head: this.#origin.head,
      cells: $state.snapshot(this.notebook.cells).map(toFile),
      pending: this.notebook.pending,
      given: givenIds(this.notebook.cells),
      tags: Object.fromEntries(this.notebook.cells.flatMap(({ id, tag }) => (tag === null ? [] : [[id, tag]]))),
      left_out: Object.fromEntries(Object.entries(this.#left_out).filter(([id]) => this.#lacking(id))),
    });
    if (kept || this.#said_full) return;
    this.#said_full = true;
    this.trouble = {
      code: "disk_full",
      message: "Unsaved changes can't be kept as a draft",
      cause: "The browser has no room for a draft of this notebook.",
      next: inWords("Save often: unsaved changes are lost when the window is closed."),
      detail: null,
    };
  }
}
