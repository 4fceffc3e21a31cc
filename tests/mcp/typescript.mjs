// The official TypeScript clients against the relay: 1.x over HTTP+SSE and Streamable HTTP, 2.x with
// sessions and without.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import * as second from "@modelcontextprotocol/client";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { SSEClientTransport } from "@modelcontextprotocol/sdk/client/sse.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  LoggingMessageNotificationSchema,
  ResourceUpdatedNotificationSchema,
} from "@modelcontextprotocol/sdk/types.js";

const token = "a-token-of-the-tests";
const requestInit = { headers: { Authorization: `Bearer ${token}` } };
const info = { name: "test", version: "1" };
let folder;
let relay;
let address;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "vivarium-mcp-"));
  const path = fileURLToPath(
    new URL("node_modules/@modelcontextprotocol/server-everything/dist/index.js", import.meta.url),
  );
  const everything = { command: process.execPath, args: [path, "stdio"] };
  const config = join(folder, "mcp.json");
  await writeFile(config, JSON.stringify({ mcpServers: { everything } }));
  relay = spawn(process.env.VIVARIUM_BODY, ["mcp", "--port", "0", "--config", config], {
    env: { ...process.env, OS_TOKEN: token, LOG_LEVEL: "warn", TMPDIR: folder },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = await once(createInterface({ input: relay.stdout }), "line");
  address = line.replace("listening on ", "");
});

after(async () => {
  relay.kill();
  await once(relay, "exit");
  await rm(folder, { recursive: true });
});

const url = (path) => new URL(path, address);
const everything = "/servers/everything";
const transports = {
  sse: () => new SSEClientTransport(url(`${everything}/sse`), { requestInit }),
  streamable: () => new StreamableHTTPClientTransport(url(`${everything}/mcp`), { requestInit }),
  "an address with the token": () =>
    new StreamableHTTPClientTransport(url(`${everything}/mcp?token=${token}`)),
};

async function use(client, prefix = "") {
  const { tools } = await client.listTools();
  assert(tools.some((tool) => tool.name === `${prefix}echo`));
  const echo = { name: `${prefix}echo`, arguments: { message: "ä" } };
  const result = await client.callTool(echo);
  assert.equal(result.content[0].text, "Echo: ä");
  const { resources } = await client.listResources();
  assert((await client.readResource({ uri: resources[0].uri })).contents.length);
  assert((await client.getPrompt({ name: `${prefix}simple-prompt` })).messages.length);
}

for (const [name, transport] of Object.entries(transports)) {
  test(`1.x over ${name}`, { timeout: 180_000 }, async () => {
    const client = new Client(info, { capabilities: { sampling: {}, elicitation: {} } });
    client.setRequestHandler(CreateMessageRequestSchema, () => ({
      role: "assistant",
      model: "test",
      content: { type: "text", text: "sampled" },
    }));
    client.setRequestHandler(ElicitRequestSchema, () => ({
      action: "accept",
      content: { name: "Ada" },
    }));
    const logged = new Promise((resolve) =>
      client.setNotificationHandler(LoggingMessageNotificationSchema, resolve),
    );
    const updated = new Promise((resolve) =>
      client.setNotificationHandler(ResourceUpdatedNotificationSchema, resolve),
    );
    await client.connect(transport());
    try {
      await use(client);
      const sampling = { name: "trigger-sampling-request", arguments: { prompt: "p" } };
      assert.match(JSON.stringify(await client.callTool(sampling)), /sampled/);
      const elicitation = { name: "trigger-elicitation-request", arguments: {} };
      assert.match(JSON.stringify(await client.callTool(elicitation)), /Ada/);

      const progress = [];
      const long = {
        name: "trigger-long-running-operation",
        arguments: { duration: 0.2, steps: 2 },
      };
      await client.callTool(long, undefined, { onprogress: (one) => progress.push(one.progress) });
      // This client drops what comes with the answer.
      assert.equal(progress[0], 1);

      const abort = new AbortController();
      const slow = {
        name: "trigger-long-running-operation",
        arguments: { duration: 60, steps: 100 },
      };
      const call = client.callTool(slow, undefined, {
        signal: abort.signal,
        onprogress: () => abort.abort(),
        timeout: 120_000,
      });
      await assert.rejects(call);

      await client.setLoggingLevel("debug");
      const { resources } = await client.listResources();
      await client.subscribeResource({ uri: resources[0].uri });
      await client.callTool({ name: "toggle-subscriber-updates", arguments: {} });
      await client.callTool({ name: "toggle-simulated-logging", arguments: {} });
      assert.equal((await updated).params.uri, resources[0].uri);
      assert((await logged).params.level);
    } finally {
      await client.close();
    }
  });
}

for (const [mode, version] of [
  ["auto", "2026-07-28"],
  ["legacy", "2025-11-25"],
]) {
  for (const [path, prefix] of [
    [`${everything}/mcp`, ""],
    ["/mcp", "everything__"],
  ]) {
    test(`2.x, ${mode}, at ${path}`, { timeout: 180_000 }, async () => {
      const client = new second.Client(info, { versionNegotiation: { mode } });
      const transport = new second.StreamableHTTPClientTransport(url(path), { requestInit });
      await client.connect(transport);
      try {
        assert.equal(client.getNegotiatedProtocolVersion(), version);
        await use(client, prefix);
      } finally {
        await client.close();
      }
    });
  }
}

test("what a client chose to see", { timeout: 180_000 }, async () => {
  const client = new Client(info);
  const path = "/mcp?tools=*__echo,*__get-sum";
  await client.connect(new StreamableHTTPClientTransport(url(path), { requestInit }));
  try {
    const { tools } = await client.listTools();
    assert.deepEqual(
      tools.map((tool) => tool.name),
      ["everything__echo", "everything__get-sum"],
    );
    const hidden = { name: "everything__get-env", arguments: {} };
    await assert.rejects(client.callTool(hidden), /unknown tool/);
  } finally {
    await client.close();
  }
});
