import { expect, test, vi } from "vitest";

import type { Host } from "../../host";
import type { ExecView } from "../../wire";
import { encode } from "../../shared/base64";
import { Shell, type Screen } from "./shell.svelte";

const bytes = (text: string) => new TextEncoder().encode(text);
const told = (text: string, last: number, given = {}) => ({ base64: encode(bytes(text)), last, dropped: false, ended: false, exit_code: null, ...given });
const shell = (exec_id: string, given: Partial<ExecView> = {}) => ({ exec_id, command: ["bash", "-l"], pty: true, exit_code: null, ...given }) as ExecView;

function opened(answers: Record<string, (request: never) => unknown>) {
  const call = vi.fn(async (command: string, request: unknown) => answers[command]?.(request as never) ?? {});
  const seen: string[] = [];
  const screen: Screen = {
    write: (data, taken) => {
      seen.push(new TextDecoder().decode(data));
      taken();
    },
    gap: () => seen.push("[gap]"),
  };
  const one = new Shell({ call } as unknown as Host, "s1", screen, { cols: 80, rows: 24 });
  const asked = (command: string) => call.mock.calls.filter(([name]) => name === command).map(([, request]) => request as Record<string, unknown>);
  return { one, seen, asked };
}

test("a new shell is followed to its end", async () => {
  const output = [told("$ ", 1), told("", 1), told("ls", 4, { dropped: true }), told("exit", 5, { ended: true, exit_code: 3 })];
  const { one, seen, asked } = opened({ sandbox_execs: () => ({ execs: [] }), sandbox_exec: () => shell("e1"), sandbox_output: () => output.shift() });
  await one.open();
  expect(one.state).toEqual({ kind: "ended", exit_code: 3 });
  expect(seen).toEqual(["$ ", "[gap]", "ls", "exit"]);
  expect(asked("sandbox_output").map(({ after }) => after)).toEqual([0, 1, 1, 4]);
  expect(asked("sandbox_exec")[0]).toMatchObject({ request: { command: ["bash", "-l"], pty: { cols: 80, rows: 24 }, timeout_s: 0, background: true } });
});

test("the shell that runs is found again, and no other command is taken for one", async () => {
  const execs = [shell("old", { exit_code: 0 }), shell("mine"), shell("other", { command: "sleep 9" }), shell("piped", { pty: false })];
  const { one, asked } = opened({ sandbox_execs: () => ({ execs }), sandbox_output: () => told("", 0, { ended: true }) });
  await one.open();
  expect(asked("sandbox_exec")).toEqual([]);
  expect(asked("sandbox_output")).toMatchObject([{ exec_id: "mine" }]);
});

test("an image without bash gets sh, and one without both says why", async () => {
  const missing = { code: "invalid", message: "bash not found" };
  let has = ["sh"];
  const exec = ({ request }: { request: { command: string[] } }) => {
    if (!has.includes(request.command[0]!)) throw missing;
    return shell("e1");
  };
  const answers = { sandbox_execs: () => ({ execs: [] }), sandbox_exec: exec, sandbox_output: () => told("", 0, { ended: true }) };
  const first = opened(answers);
  await first.one.open();
  expect(first.asked("sandbox_exec")).toHaveLength(2);
  expect(first.one.state.kind).toBe("ended");
  has = [];
  const second = opened(answers);
  await second.one.open();
  expect(second.one.state).toMatchObject({ kind: "failed", failure: missing });
});

test("keys arrive in their order, however slow the way is", async () => {
  let go: () => void = () => {};
  const typed: string[] = [];
  const { one } = opened({
    sandbox_execs: () => ({ execs: [shell("e1")] }),
    sandbox_output: () => new Promise(() => {}),
    sandbox_input: ({ base64 }: { base64: string }) => new Promise<void>((done) => ((go = done), typed.push(atob(base64)))),
  });
  void one.open();
  await vi.waitFor(() => expect(one.state.kind).toBe("open"));
  for (const key of "abc") one.type(key);
  await vi.waitFor(() => expect(typed).toHaveLength(1));
  go();
  await vi.waitFor(() => expect(typed.join("")).toBe("abc"));
});

test("output comes no faster than the screen takes it, and a closed one asks no more", async () => {
  let taken: () => void = () => {};
  const call = vi.fn(async (command: string) => (command === "sandbox_execs" ? { execs: [shell("e1")] } : told("x", 1)));
  const screen: Screen = { write: (_, done) => (taken = done), gap: () => {} };
  const one = new Shell({ call } as unknown as Host, "s1", screen, { cols: 80, rows: 24 });
  const asked = () => call.mock.calls.filter(([command]) => command === "sandbox_output").length;
  const open = one.open();
  await vi.waitFor(() => expect(asked()).toBe(1));
  await Promise.resolve();
  expect(asked()).toBe(1);
  one.close();
  taken();
  await open;
  expect(asked()).toBe(1);
});
