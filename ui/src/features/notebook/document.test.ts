import { beforeEach, expect, test, vi } from "vitest";

import type { Live } from "../../shared/live/live.svelte";
import type { Failure } from "../../wire";
import { NotebookDocument } from "./document.svelte";
import type { NotebookFile, Output } from "../../shared/outputs/nbformat";

const failure = (code: Failure["code"]): Failure => ({ code, message: code, cause: null, next: null, detail: null });

/** An engine whose disk is a map; a save waits where it is told to. */
class Disk {
  files = new Map<string, { content: NotebookFile; stamp: string }>();
  held: (() => void)[] | null = null;
  /** Files of an older format. */
  older = new Map<string, number>();
  /** What each save said of the file that it was opened from. */
  saved_from: (string | null)[] = [];
  /** Cells that the kernel knows, and those that it was asked to tell of again. */
  known: string[] = [];
  followed: string[] = [];
  /** Outputs that lie in the machine, by the number of their event; none where it is stopped. */
  outputs: Map<number, Output> | null = new Map();
  #stamps = 0;

  put(path: string, content: NotebookFile): string {
    const stamp = `stamp-${++this.#stamps}`;
    this.files.set(path, { content: structuredClone(content), stamp });
    return stamp;
  }

  live(): Live {
    const call = async (command: string, request: { path: string; content: NotebookFile; stamp: string | null; from: string | null; overwrite: boolean; cell_id: string; seq: number }) => {
      const { path } = request;
      const there = this.files.get(path);
      if (command === "notebook_stamp") return { stamp: there?.stamp ?? null };
      if (command === "notebook_open") {
        if (!there) throw failure("not_found");
        return structuredClone({ path, upgraded_from: this.older.get(path) ?? null, ...there });
      }
      if (command === "kernel_cells") return { cells: this.known.map((id) => ({ cell_id: id, execution_id: id, pending: false })) };
      if (command === "kernel_follow") return this.followed.push(request.cell_id);
      if (command === "kernel_output") {
        const output = this.outputs?.get(request.seq);
        if (!output) throw failure(this.outputs ? "not_found" : "not_running");
        return { output };
      }
      if (command !== "notebook_save") throw failure("not_running");
      this.saved_from.push(request.from);
      if (this.held) await new Promise<void>((go) => this.held!.push(go));
      const now = this.files.get(path);
      if (!request.overwrite && now && now.stamp !== request.stamp) throw failure("changed");
      return { path, stamp: this.put(path, request.content) };
    };
    return { call, listen: () => () => {} } as unknown as Live;
  }

  sources(path: string): string[] {
    return this.files.get(path)!.content.cells.map(({ source }) => [source].flat().join(""));
  }
}

/** What the browser keeps, up to so many characters. */
class Store {
  room = 5_000_000;
  kept = new Map<string, string>();
  getItem = (key: string) => this.kept.get(key) ?? null;
  removeItem = (key: string) => this.kept.delete(key);
  setItem = (key: string, value: string) => {
    if (value.length > this.room) throw new DOMException("full", "QuotaExceededError");
    this.kept.set(key, value);
  };
  key = (at: number) => [...this.kept.keys()][at] ?? null;
  get length() {
    return this.kept.size;
  }
}

const notebook = (source: string, outputs: Output[] = []): NotebookFile => ({
  nbformat: 4,
  nbformat_minor: 5,
  metadata: {},
  cells: [{ cell_type: "code", id: "a", source: [source], metadata: {}, execution_count: null, outputs }],
});

const picture: Output = { output_type: "display_data", metadata: {}, data: { "text/plain": ["a plot"], "image/png": "A".repeat(300_000) } };

let disk: Disk;
let store: Store;

beforeEach(() => {
  vi.useFakeTimers();
  disk = new Disk();
  store = new Store();
  vi.stubGlobal("localStorage", store);
  vi.stubGlobal("sessionStorage", new Store());
  return () => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  };
});

function type(file: NotebookDocument, source: string): void {
  file.notebook.cells[0]!.source = source;
  file.notebook.changed();
}

/** A window that opens. */
async function window(): Promise<NotebookDocument> {
  const file = new NotebookDocument(disk.live());
  await file.ready;
  return file;
}

async function opened(path: string): Promise<NotebookDocument> {
  const file = await window();
  await file.open(path);
  return file;
}

test("outputs that had no room in the draft are still in the file after the next save", async () => {
  disk.put("/a.ipynb", notebook("1", [picture]));
  await opened("/a.ipynb");
  const again = await window();
  type(again, "2");
  expect(await again.save()).toBe(true);
  expect(disk.sources("/a.ipynb")).toEqual(["2"]);
  expect(disk.files.get("/a.ipynb")!.content.cells[0]!.outputs).toEqual([picture]);
});

test("outputs that are nowhere any more are not left out of a file without a word", async () => {
  disk.put("/a.ipynb", notebook("1"));
  const file = await opened("/a.ipynb");
  file.notebook.cells[0]!.outputs = [picture];
  type(file, "2");
  vi.advanceTimersByTime(5000);
  const again = await window();
  expect(await again.save()).toBe(false);
  expect(again.trouble?.message).toContain("outputs of 1 cell");
  expect(disk.sources("/a.ipynb")).toEqual(["1"]);
  expect(await again.save()).toBe(true);
  expect(disk.sources("/a.ipynb")).toEqual(["2"]);
});

test("outputs that neither the draft nor the file has come from the kernel, as long as it knows them", async () => {
  disk.known = ["a", "b"];
  disk.put("/a.ipynb", notebook("1", [picture]));
  await (await opened("/a.ipynb")).takeUp();
  await (await window()).takeUp();
  expect(disk.followed).toEqual([]);
  const file = await window();
  file.notebook.cells[0]!.outputs = [picture, picture];
  type(file, "2");
  vi.advanceTimersByTime(5000);
  await (await window()).takeUp();
  expect(disk.followed).toEqual(["a"]);
});

const lying = (seq: number): Output => ({
  output_type: "reference", execution_id: "e", seq, of: "display_data", display_id: null, size_bytes: 300_000, mime_types: ["image/png"], head: "a plot",
});
const saved = () => disk.files.get("/a.ipynb")!.content.cells[0]!.outputs;

test("what lies in the machine is fetched before it is saved, also after the window was closed", async () => {
  disk.put("/a.ipynb", notebook("1"));
  const file = await opened("/a.ipynb");
  file.notebook.cells[0]!.outputs = [lying(1), lying(2)];
  type(file, "2");
  vi.advanceTimersByTime(5000);
  const again = await window();
  expect(again.notebook.cells[0]!.outputs).toEqual([lying(1), lying(2)]);
  disk.outputs!.set(1, picture).set(2, { output_type: "stream", name: "stdout", text: "x" });
  expect(await again.save()).toBe(true);
  expect(saved()).toEqual([picture, { output_type: "stream", name: "stdout", text: ["x"] }]);
  expect(again.notebook.cells[0]!.outputs[0]).toEqual(picture);
  expect(again.dirty).toBe(false);
});

test("an output that the machine has no more is said before a file lacks it, and the file says so too", async () => {
  disk.put("/a.ipynb", notebook("1"));
  const file = await opened("/a.ipynb");
  file.notebook.cells[0]!.outputs = [lying(1), lying(2)];
  disk.outputs!.set(2, picture);
  type(file, "2");
  expect(await file.save()).toBe(false);
  expect(file.trouble).toMatchObject({ message: "The notebook was not saved: outputs of 1 cell are missing", cause: "not_found" });
  expect(saved()).toEqual([]);
  expect(file.dirty).toBe(true);
  expect(await file.save()).toBe(true);
  expect(JSON.stringify(saved()![0])).toMatch(/output not saved: image.png, 300 KB.*a plot/);
  expect(saved()![1]).toEqual(picture);
  // Here it is still known what is missing; in a new run of the cell it is said anew.
  file.notebook.cells[0]!.outputs = [lying(3)];
  type(file, "3");
  expect(await file.save()).toBe(false);
});

test("an output that can be had once the machine runs again is saved then", async () => {
  disk.put("/a.ipynb", notebook("1"));
  const file = await opened("/a.ipynb");
  file.notebook.cells[0]!.outputs = [lying(1)];
  disk.outputs = null;
  expect(await file.save()).toBe(false);
  expect(file.trouble?.cause).toBe("not_running");
  disk.outputs = new Map([[1, picture]]);
  expect(await file.save()).toBe(true);
  expect(saved()).toEqual([picture]);
});

test("what was fetched is in the draft, and is no change of the file", async () => {
  disk.put("/a.ipynb", notebook("1"));
  const file = await opened("/a.ipynb");
  const cell = file.notebook.cells[0]!;
  cell.outputs = [lying(1)];
  const small: Output = { output_type: "display_data", metadata: {}, data: { "image/png": "A".repeat(90_000) } };
  disk.outputs!.set(1, small);
  await file.notebook.fetch(cell, cell.outputs[0] as never);
  expect(file.dirty).toBe(false);
  vi.advanceTimersByTime(5000);
  disk.outputs = null;
  expect((await window()).notebook.cells[0]!.outputs).toEqual([small]);
});

/** Lets every save through that waits. */
async function release(): Promise<void> {
  await vi.waitFor(() => expect(disk.held).not.toEqual([]));
  const held = disk.held!;
  disk.held = null;
  for (const go of held) go();
}

test("a save that ends when another file is open says nothing of that one", async () => {
  disk.put("/a.ipynb", notebook("a"));
  disk.put("/b.ipynb", notebook("b"));
  const file = await opened("/a.ipynb");
  type(file, "mine");
  disk.held = [];
  const saved = file.save();
  await vi.waitFor(() => expect(disk.held).toHaveLength(1));
  await file.open("/b.ipynb");
  await release();
  expect(await saved).toBe(true);
  expect(file.path).toBe("/b.ipynb");
  type(file, "more");
  expect(await file.save()).toBe(true);
  expect([disk.sources("/a.ipynb"), disk.sources("/b.ipynb")]).toEqual([["mine"], ["more"]]);
});

test("what is typed while a save goes on is not saved", async () => {
  disk.put("/a.ipynb", notebook("a"));
  const file = await opened("/a.ipynb");
  type(file, "first");
  disk.held = [];
  const saved = file.save();
  await vi.waitFor(() => expect(disk.held).toHaveLength(1));
  type(file, "second");
  await release();
  await saved;
  expect(file.dirty).toBe(true);
  expect(disk.sources("/a.ipynb")).toEqual(["first"]);
});

test("two saves in a row, and a look between them, see nobody else", async () => {
  disk.put("/a.ipynb", notebook("a"));
  const file = await opened("/a.ipynb");
  type(file, "first");
  disk.held = [];
  const saves = [file.save(), file.save()];
  await file.look();
  await release();
  expect(await Promise.all(saves)).toEqual([true, true]);
  expect([file.outside, file.dirty, file.trouble]).toEqual([null, false, null]);
});

test("what is typed without a pause is in the draft, and the rest when the page goes", async () => {
  const page = new EventTarget();
  vi.stubGlobal("addEventListener", page.addEventListener.bind(page));
  const file = await window();
  for (let at = 0; at <= 30; at++) {
    type(file, `${at}`);
    vi.advanceTimersByTime(100);
  }
  expect(Number((await window()).notebook.cells[0]!.source)).toBeGreaterThan(10);
  type(file, "last");
  page.dispatchEvent(new Event("pagehide"));
  expect((await window()).notebook.cells[0]!.source).toBe("last");
});

test("where there is no room for a draft it is said once, and no other notebook comes back", async () => {
  disk.put("/a.ipynb", notebook("a"));
  disk.put("/b.ipynb", notebook("b"));
  const file = await opened("/a.ipynb");
  store.room = 10;
  expect(await file.open("/b.ipynb")).toBe(true);
  expect(file.trouble?.code).toBe("disk_full");
  file.trouble = null;
  type(file, "more");
  vi.advanceTimersByTime(5000);
  expect(file.trouble).toBeNull();
  expect((await window()).path).toBeNull();
});

test("two windows have two drafts, and what they leave is taken up one by one", async () => {
  const held = new Set<string>();
  const request = async (name: string, _: unknown, take: (lock: object | null) => unknown) => {
    if (held.has(name)) return take(null);
    held.add(name);
    return take({});
  };
  vi.stubGlobal("navigator", { locks: { request } });
  const open = () => {
    vi.stubGlobal("sessionStorage", new Store());
    return window();
  };
  const one = await open();
  type(one, "one");
  vi.advanceTimersByTime(500);
  const two = await open();
  expect(two.notebook.cells[0]!.source).toBe("");
  type(two, "two");
  vi.advanceTimersByTime(500);
  held.clear();
  const later = [await open(), await open(), await open()];
  expect(later.map(({ notebook }) => notebook.cells[0]!.source)).toEqual(["two", "one", ""]);
});

test("what is written before the draft is read does not replace it", async () => {
  const first = await window();
  type(first, "draft");
  vi.advanceTimersByTime(500);
  const file = new NotebookDocument(disk.live());
  type(file, "new");
  vi.advanceTimersByTime(500);
  await file.ready;
  expect([...store.kept.values()].filter((kept) => kept.includes('"draft"'))).toHaveLength(1);
  expect(file.notebook.cells[0]!.source).toBe("new");
});

test("a name that another file has is asked about, for a new notebook and for one of another name", async () => {
  for (const from of [null, "/a.ipynb"]) {
    disk.put("/a.ipynb", notebook("a"));
    disk.put("/b.ipynb", notebook("b"));
    const file = from === null ? await window() : await opened(from);
    if (from === null) file.create();
    type(file, "mine");
    expect(await file.save("/b.ipynb")).toBe(false);
    expect([file.occupied, file.path, file.outside, file.trouble]).toEqual(["/b.ipynb", from, null, null]);
    expect(disk.sources("/b.ipynb")).toEqual(["b"]);
    expect(await file.save(file.occupied, true)).toBe(true);
    expect([file.path, disk.sources("/a.ipynb"), disk.sources("/b.ipynb")]).toEqual(["/b.ipynb", ["a"], ["mine"]]);
  }
});

test("a file that somebody else wrote is not written over", async () => {
  disk.put("/a.ipynb", notebook("a"));
  const file = await opened("/a.ipynb");
  type(file, "mine");
  disk.put("/a.ipynb", notebook("theirs"));
  expect(await file.save()).toBe(false);
  expect([file.outside, file.occupied]).toEqual(["changed", null]);
  expect(disk.sources("/a.ipynb")).toEqual(["theirs"]);
});

test("a deleted file is called that, counts as unsaved, and is written anew", async () => {
  disk.put("/a.ipynb", notebook("a"));
  const file = await opened("/a.ipynb");
  disk.files.clear();
  await file.look();
  expect([file.outside, file.dirty]).toEqual(["deleted", true]);
  expect(await file.save()).toBe(true);
  expect([file.outside, file.dirty, disk.sources("/a.ipynb")]).toEqual([null, false, ["a"]]);
});

test("a save says which file it was opened from, and a file of an older format is told until then", async () => {
  disk.put("/old.ipynb", notebook("1"));
  disk.older.set("/old.ipynb", 3);
  const file = await opened("/old.ipynb");
  expect(file.upgraded).toBe(3);
  expect(await file.save("/new.ipynb")).toBe(true);
  expect(await file.save()).toBe(true);
  expect([file.upgraded, disk.saved_from]).toEqual([null, ["/old.ipynb", "/new.ipynb"]]);
});

test("cells of an older notebook get no ids, a window later either", async () => {
  const old = notebook("1");
  old.nbformat_minor = 4;
  delete old.cells[0]!.id;
  disk.put("/a.ipynb", old);
  const file = await opened("/a.ipynb");
  type(file, "2");
  await vi.runAllTimersAsync();
  const later = await window();
  expect(later.notebook.cells[0]!.source).toBe("2");
  expect(await later.save()).toBe(true);
  const { nbformat_minor, cells } = disk.files.get("/a.ipynb")!.content;
  expect([nbformat_minor, "id" in cells[0]!]).toEqual([4, false]);
});
