import { expect, test, vi } from "vitest";

import type { Host } from "../../host";
import type { AgentDiff } from "../../wire";
import { Changes } from "./diff.svelte";

const diff = (reviewed: string, paths = ["a.rs"]) => ({ reviewed, tree: "t", files: paths.map((path) => ({ path, content: { kind: "truncated", can_open: true } })) }) as unknown as AgentDiff;
const WISH = { into: " main ", create: false, style: "squash" as const, message: " " };

function made(answers: Record<string, (request: never) => unknown>) {
  const call = vi.fn(async (command: string, request: unknown) => answers[command]?.(request as never) ?? {});
  const keepFile = vi.fn(async () => true);
  const asked = (command: string) => call.mock.calls.filter(([name]) => name === command).map(([, request]) => request);
  return { changes: new Changes({ call, keepFile } as unknown as Host, "a1"), asked, keepFile };
}

test("what is merged is the commit that was shown", async () => {
  let now = "1111";
  const { changes, asked } = made({ agent_diff: () => diff(now), agent_merge: () => ({ kind: "up_to_date" }) });
  await changes.merge(WISH);
  expect(asked("agent_merge")).toEqual([]);
  await changes.read();
  now = "2222";
  await changes.merge(WISH);
  expect(asked("agent_merge")).toEqual([{ id: "a1", into: "main", reviewed: "1111", create: false, style: "squash", message: null }]);
  expect(changes.outcome).toEqual({ kind: "up_to_date" });
});

test("a file of another commit is never shown as one of this", async () => {
  let now = "1111";
  const { changes } = made({ agent_diff: ({ path }: { path: string | null }) => ({ ...diff(now), files: path === null ? diff(now).files : [{ path, content: { kind: "patch", text: "+x\n" } }] }) });
  await changes.read();
  await changes.open("a.rs");
  expect(changes.alone["a.rs"]).toMatchObject({ content: { text: "+x\n" } });
  now = "2222";
  await changes.open("b.rs");
  expect(changes.trouble).toMatchObject({ code: "changed" });
  expect(changes.alone["b.rs"]).toBeUndefined();
  await changes.read();
  expect(changes.alone).toEqual({});
});

test("a failure takes away no changes that are shown", async () => {
  let fails = true;
  const { changes } = made({
    agent_diff: () => {
      if (fails) throw { code: "internal", message: "no" };
      return diff("1111");
    },
  });
  await changes.read();
  expect(changes.look.kind).toBe("failing");
  fails = false;
  await changes.read();
  fails = true;
  await changes.read();
  expect(changes.look.kind).toBe("known");
  expect(changes.trouble?.message).toBe("no");
});

test("a patch is kept byte by byte, and a merge can be undone", async () => {
  const merge = { into: "main", old: "0", new: "1" };
  const { changes, keepFile, asked } = made({ agent_diff: () => diff("1111"), agent_patch: () => ({ base64: btoa("\u00ff\u0000x") }), agent_merge: () => ({ kind: "merged", merge }) });
  await changes.save();
  const [name, blob] = keepFile.mock.calls[0] as unknown as [string, Blob];
  expect(name).toBe("agent-a1.patch");
  expect([...new Uint8Array(await blob.arrayBuffer())]).toEqual([255, 0, 120]);
  await changes.read();
  await changes.merge(WISH);
  await changes.undo(merge);
  expect(asked("agent_merge_undo")).toEqual([{ id: "a1", merge }]);
  expect(changes.outcome).toBeNull();
});
