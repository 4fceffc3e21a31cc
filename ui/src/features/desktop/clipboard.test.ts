import { constants, deflateSync } from "node:zlib";

import { expect, test } from "vitest";

import { carriedBytes, clean, CopiedText, LIMIT_BYTES, refusal, unpackText } from "./clipboard";

/** As a server packs it: without an end of the stream. */
function packed(text: string, announced?: number): Uint8Array<ArrayBuffer> {
  const bytes = Buffer.from(`${text}\0`);
  const size = Buffer.alloc(4);
  size.writeUInt32BE(announced ?? bytes.length);
  return new Uint8Array(deflateSync(Buffer.concat([size, bytes]), { finishFlush: constants.Z_SYNC_FLUSH }));
}

test("what is copied in the machine comes as it is, up to the limit", async () => {
  expect(await unpackText(packed("ÄÖÜ €, 世界 🦎\r\ntwo"))).toBe("ÄÖÜ €, 世界 🦎\ntwo");
  const most = "x".repeat(LIMIT_BYTES - 1);
  expect(await unpackText(packed(most))).toBe(most);
  expect(await unpackText(packed(`${most}x`))).toBeNull();
});

test("what is packed small and unpacks to very much is not unpacked", async () => {
  const bomb = packed("0".repeat(64 << 20));
  expect(bomb.length).toBeLessThan(100_000);
  expect(await unpackText(bomb)).toBeNull();
  // Whatever it says of its size.
  expect(await unpackText(packed("0".repeat(64 << 20), 5))).toBe("00000");
  expect(await unpackText(packed("short", 0xffff_ffff))).toBeNull();
});

test("what is no text of that form is none", async () => {
  expect(await unpackText(packed("short", 1000))).toBe("");
  expect(await unpackText(new Uint8Array())).toBe("");
  expect(await unpackText(new Uint8Array([1, 2, 3, 4, 5]))).toBe("");
});

test("control characters go, and what can be seen stays", () => {
  expect(clean("rm -rf ~\u001b[201~\u0003\u0000\u009b2J\u007f")).toBe("rm -rf ~[201~2J");
  const text = "two\r\nlines\tand a tab, 日本語, שלום, 👩‍💻, a\u00a0b";
  expect(clean(text)).toBe(text);
});

test("what is pasted has a limit, counted as it is carried", () => {
  expect(refusal("x".repeat(LIMIT_BYTES - 1))).toBeNull();
  expect(refusal("x".repeat(LIMIT_BYTES))).toMatchObject({ code: "invalid", cause: "It contains 257 KiB of text; the limit is 256 KiB." });
  expect([carriedBytes("ä\n"), carriedBytes("a\r\nb")]).toEqual([5, 5]);
  expect(refusal("ä".repeat(LIMIT_BYTES / 2))).not.toBeNull();
});

function computer() {
  const written: string[] = [];
  const failures: unknown[] = [];
  const state = { isWanted: true, release: () => {} };
  const copied = new CopiedText({
    write: (text) => (written.push(text), new Promise<void>((resolve) => (state.release = resolve))),
    isWanted: () => state.isWanted,
    failed: (thrown) => failures.push(thrown),
  });
  return { written, failures, state, copied };
}

test("nothing is taken while the person is elsewhere", async () => {
  const { written, failures, state, copied } = computer();
  state.isWanted = false;
  await copied.take("a");
  await copied.take("x".repeat(LIMIT_BYTES));
  expect([written, failures]).toEqual([[], []]);
});

test("however often the machine copies, one text after the other is taken, and the newest last", async () => {
  const { written, state, copied } = computer();
  const taking = copied.take("first");
  for (let at = 0; at < 1000; at++) await copied.take(`${at}`);
  expect(written).toEqual(["first"]);
  const { release } = state;
  release();
  await new Promise((resolve) => setImmediate(resolve));
  expect(written).toEqual(["first", "999"]);
  await copied.take("too late");
  // The person goes away while one is written.
  state.isWanted = false;
  state.release();
  await taking;
  expect(written).toEqual(["first", "999"]);
});

test("what is too large is said", async () => {
  const { written, failures, copied } = computer();
  await copied.take("x".repeat(LIMIT_BYTES));
  expect(written).toEqual([]);
  expect(failures).toMatchObject([{ code: "invalid", message: expect.stringContaining("too large") }]);
});
