import { afterEach, beforeEach, expect, test, vi } from "vitest";

import type { Host, Socket, SocketHeard } from "../../host";
import { AgentTerminal } from "./terminal.svelte";

const encode = (text: string) => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A terminal, the app's side of each of its connections, and what the screen got. */
function made({ readOnly = false, refuses = () => null }: { readOnly?: boolean; refuses?: () => unknown } = {}) {
  const sides: { heard: SocketHeard; sent: (string | Uint8Array)[]; closed: boolean }[] = [];
  const seen: string[] = [];
  const drawn: (() => void)[] = [];
  const call = vi.fn(async () => {
    const refusal = refuses();
    if (refusal !== null) throw refusal;
    return { url: `ws://127.0.0.1:1/agent?ticket=${sides.length}` };
  });
  const connect = (_url: string, heard: SocketHeard): Socket => {
    const side = { heard, sent: [] as (string | Uint8Array)[], closed: false };
    sides.push(side);
    return { send: (message) => side.sent.push(message), close: () => (side.closed = true) };
  };
  const screen = { write: (bytes: Uint8Array, done: () => void) => (seen.push(decode(bytes)), drawn.push(done)), reset: () => seen.push("[reset]") };
  const terminal = new AgentTerminal({ call, connect } as unknown as Host, "a1", { ...screen, write: (bytes, done) => void screen.write(bytes, done), reset: () => void screen.reset() }, { cols: 80, rows: 24 }, readOnly);
  const controls = (at: number) => sides[at]!.sent.filter((message) => typeof message === "string").map((message) => JSON.parse(message) as unknown);
  const typed = (at: number) => sides[at]!.sent.filter((message) => typeof message !== "string");
  return { terminal, sides, seen, drawn, call, controls, typed };
}

test("bytes go both ways, and a size that changed while it opened is told", async () => {
  const { terminal, sides, seen, call, controls, typed } = made();
  const opening = terminal.open();
  terminal.resize({ cols: 100, rows: 30 });
  terminal.type("too early");
  await opening;
  expect(call).toHaveBeenCalledWith("agent_terminal_open", { id: "a1", cols: 80, rows: 24, read_only: false });
  terminal.resize({ cols: 90, rows: 30 });
  sides[0]!.heard.opened();
  sides[0]!.heard.bytes(encode("$ "));
  terminal.type("ls\r");
  terminal.resize({ cols: 90, rows: 30 });
  terminal.resize({ cols: 70, rows: 20 });
  expect(seen).toEqual(["$ "]);
  expect(typed(0).map(decode as never)).toEqual(["ls\r"]);
  expect(controls(0)).toEqual([{ kind: "resize", cols: 90, rows: 30 }, { kind: "resize", cols: 70, rows: 20 }]);
});

test("the app is told what was drawn, and not what only came", async () => {
  const { terminal, sides, drawn, controls } = made();
  await terminal.open();
  sides[0]!.heard.opened();
  for (let at = 0; at < 5; at++) sides[0]!.heard.bytes(new Uint8Array(20 << 10));
  expect(controls(0)).toEqual([]);
  for (const done of drawn) done();
  expect(controls(0)).toEqual([{ kind: "taken", bytes: 80 << 10 }]);
});

test("a long paste goes in pieces that the bridge takes", async () => {
  const { terminal, sides, typed } = made();
  await terminal.open();
  sides[0]!.heard.opened();
  const text = "ü".repeat(100_000);
  terminal.type(text);
  expect(typed(0).every((piece) => (piece as Uint8Array).length <= 64 << 10)).toBe(true);
  expect(decode(new Uint8Array(typed(0).flatMap((piece) => [...(piece as Uint8Array)])))).toBe(text);
});

test("one that is read-only types nothing", async () => {
  const { terminal, sides, typed, call } = made({ readOnly: true });
  await terminal.open();
  sides[0]!.heard.opened();
  terminal.type("rm -rf /\r");
  expect(typed(0)).toEqual([]);
  expect(call).toHaveBeenCalledWith("agent_terminal_open", { id: "a1", cols: 80, rows: 24, read_only: true });
});

test("an end and a failure are told, and what can't be read is an end", async () => {
  for (const [text, kind] of [['{"failure":null}', "ended"], ['{"failure":{"code":"not_running","message":"gone"}}', "failed"], ["<no json", "ended"], ["[]", "ended"]] as const) {
    const { terminal, sides } = made();
    await terminal.open();
    sides[0]!.heard.opened();
    sides[0]!.heard.text(text);
    sides[0]!.heard.closed();
    expect(terminal.state.kind, text).toBe(kind);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(sides).toHaveLength(1);
  }
});

test("a connection that breaks is tried again on an empty screen, and not for ever", async () => {
  const { terminal, sides, seen } = made();
  await terminal.open();
  sides[0]!.heard.opened();
  sides[0]!.heard.bytes(encode("old"));
  sides[0]!.heard.closed();
  expect(terminal.state.kind).toBe("lost");
  await vi.advanceTimersByTimeAsync(1000);
  sides[1]!.heard.opened();
  sides[1]!.heard.bytes(encode("new"));
  expect(seen).toEqual(["old", "[reset]", "new"]);
  for (let at = 1; at < 60 && terminal.state.kind !== "failed"; at++) {
    sides[at]!.heard.closed();
    await vi.advanceTimersByTimeAsync(1000);
  }
  expect(terminal.state).toMatchObject({ kind: "failed", failure: { message: "The connection to the terminal was lost" } });
  expect(sides.length).toBeLessThan(20);
});

test("a ticket that is refused says why, and a closed one opens nothing", async () => {
  const refused = made({ refuses: () => ({ code: "not_found", message: "agent a1 not found" }) });
  await refused.terminal.open();
  expect(refused.terminal.state).toMatchObject({ kind: "failed", failure: { code: "not_found" } });
  const closed = made();
  const opening = closed.terminal.open();
  closed.terminal.close();
  await opening;
  expect(closed.sides).toEqual([]);
  const left = made();
  await left.terminal.open();
  left.terminal.close();
  expect(left.sides[0]!.closed).toBe(true);
});
