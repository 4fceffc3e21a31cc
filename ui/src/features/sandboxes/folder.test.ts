import { expect, test, vi } from "vitest";

import type { Host } from "../../host";
import type { FileEntry } from "../../wire";
import { decode, encode } from "../../shared/base64";
import { fileName, Folder, LARGEST_BYTES } from "./folder.svelte";
import { crumbs, inside, rootOf } from "./paths";

const entry = (name: string) => ({ name, path: `/tmp/${name}`, kind: "file" }) as FileEntry;

function folderOf(answers: Record<string, (request: never) => unknown>) {
  const call = vi.fn(async (command: string, request: unknown) => answers[command]?.(request as never) ?? {});
  const keepFile = vi.fn(async () => true);
  return { folder: new Folder({ call, keepFile } as unknown as Host, "s1"), call, keepFile };
}

test("bytes come back as they were", () => {
  const bytes = Uint8Array.from({ length: 100_000 }, (_, at) => at % 256);
  expect(decode(encode(bytes))).toEqual(bytes);
  expect(encode(new Uint8Array())).toBe("");
});

test("paths lie in one of the writable folders", () => {
  expect(rootOf("/workspace/a/b")).toBe("/workspace");
  expect(rootOf("/workspaces")).toBe("/home/sandboxuser");
  expect(crumbs("/tmp/a/b")).toEqual([
    { word: "a", path: "/tmp/a" },
    { word: "b", path: "/tmp/a/b" },
  ]);
  expect(crumbs("/tmp")).toEqual([]);
  expect(inside("/tmp", "x")).toBe("/tmp/x");
});

test("a folder that was left is not shown in the place of the next", async () => {
  let answer: (list: unknown) => void = () => {};
  const { folder } = folderOf({ sandbox_files: ({ path }: { path: string }) => (path === "/slow" ? new Promise((done) => (answer = done)) : { entries: [entry("a")], left_out: 0 }) });
  const slow = folder.go("/slow");
  await folder.go("/tmp");
  answer({ entries: [entry("slow")], left_out: 0 });
  await slow;
  expect(folder.listing).toEqual({ kind: "known", entries: [entry("a")], left_out: 0 });
});

test("files go in one after the other, and what is too large is refused before it is read", async () => {
  const { folder, call } = folderOf({ sandbox_files: () => ({ entries: [], left_out: 0 }) });
  folder.path = "/workspace";
  const large = { name: "large", size: LARGEST_BYTES + 1, arrayBuffer: vi.fn() };
  await folder.upload([new File(["ab"], "a.txt"), large as unknown as File, new File(["c"], "never.txt")]);
  const written = call.mock.calls.filter(([command]) => command === "sandbox_file_write").map(([, request]) => request);
  expect(written).toEqual([{ sandbox_id: "s1", path: "/workspace/a.txt", base64: "YWI=" }]);
  expect(large.arrayBuffer).not.toHaveBeenCalled();
  expect(folder.trouble?.message).toContain("too large");
  expect(folder.doing).toBeNull();
});

test("a file is kept as bytes, under a name that is only a name", async () => {
  const { folder, keepFile } = folderOf({ sandbox_file_read: () => ({ entry: entry("x"), base64: "PGI+" }) });
  await folder.download(entry("../../.bashrc"));
  const [name, data] = keepFile.mock.calls[0] as unknown as [string, Blob];
  expect(name).not.toMatch(/^\.|\//);
  expect([data.type, await data.text()]).toEqual(["application/octet-stream", "<b>"]);
  expect(fileName("gpj\u202eexe")).toBe("gpj⟨U+202E⟩exe");
  expect([fileName(""), fileName("..")]).toEqual(["file", "_"]);
});
