import { expect, test } from "vitest";

import type { Live } from "../../shared/live/live.svelte";
import { Session } from "./session.svelte";

const LARGE = "9007199254740993";

/** A session with a server that answers with this text. */
async function opened(text: string): Promise<{ session: Session; asked: Record<string, unknown>[] }> {
  const asked: Record<string, unknown>[] = [];
  const call = async (command: string, request: Record<string, unknown>) => {
    if (command === "mcp_open") return { session: "s", initialized: {} };
    asked.push(request);
    return { result: null, error: null, duration_ms: 5, text };
  };
  const session = new Session({ call, listen: () => () => {} } as unknown as Live, null);
  await session.open();
  return { session, asked };
}

test("integers reach the server, and come from it, with all of their digits", async () => {
  const { session, asked } = await opened(`{"jsonrpc":"2.0","id":1,"result":{"structuredContent":{"id":${LARGE}}}}`);
  const { result, duration_ms } = await session.request("tools/call", { name: "t", arguments: { id: 9007199254740993n } });
  expect(result).toEqual({ structuredContent: { id: 9007199254740993n } });
  expect(duration_ms).toBe(5);
  expect(asked[0]).toMatchObject({ params: null, params_text: `{"name":"t","arguments":{"id":${LARGE}}}`, as_text: true });
  await session.request("tools/call", { name: "t" });
  expect(asked[1]).toMatchObject({ params: { name: "t" }, params_text: null });
});

test("an error in a text is one, and what is no object is none of a server's answers", async () => {
  const refused = await opened(`{"error":{"code":-32000,"message":"no ${LARGE}","data":${LARGE}}}`);
  await expect(refused.session.request("tools/call", {})).rejects.toMatchObject({ code: -32000, message: `no ${LARGE}`, data: 9007199254740993n });
  const odd = await opened("[]");
  expect((await odd.session.request("tools/call", {})).result).toBeNull();
});
