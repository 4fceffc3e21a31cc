// The server that the conformance suite asks for, with the official TypeScript SDK: over stdio, for
// the relay to stand before it, or over HTTP by itself. `node server.mjs stdio|http`
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";

import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import * as types from "@modelcontextprotocol/sdk/types.js";

const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";
const WAV = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=";
const text = (words) => ({ type: "text", text: words });
const image = { type: "image", data: PNG, mimeType: "image/png" };
const resource = (uri, mimeType, words) => ({ type: "resource", resource: { uri, mimeType, text: words } });
const moment = () => new Promise((resolve) => setTimeout(resolve, 50));
const NOTHING = { type: "object", properties: {} };
const words = (...names) => ({
  type: "object",
  properties: Object.fromEntries(names.map((name) => [name, { type: "string" }])),
  required: names,
});
const titled = (...values) => values.map((value, at) => ({ const: value, title: `Option ${at + 1}` }));

const PERSON = {
  type: "object",
  properties: { username: { type: "string", description: "Your name" }, email: { type: "string", description: "Your address" } },
  required: ["username", "email"],
};
const DEFAULTS = {
  type: "object",
  properties: {
    name: { type: "string", default: "John Doe" },
    age: { type: "integer", default: 30 },
    score: { type: "number", default: 95.5 },
    status: { type: "string", enum: ["active", "inactive", "pending"], default: "active" },
    verified: { type: "boolean", default: true },
  },
};
const ENUMS = {
  type: "object",
  properties: {
    untitledSingle: { type: "string", enum: ["option1", "option2", "option3"] },
    titledSingle: { type: "string", oneOf: titled("value1", "value2", "value3") },
    legacyEnum: { type: "string", enum: ["opt1", "opt2", "opt3"], enumNames: ["Option One", "Option Two", "Option Three"] },
    untitledMulti: { type: "array", items: { type: "string", enum: ["option1", "option2", "option3"] } },
    titledMulti: { type: "array", items: { anyOf: titled("value1", "value2", "value3") } },
  },
};
const SCHEMA = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  type: "object",
  $defs: { address: { type: "object", properties: { street: { type: "string" }, city: { type: "string" } } } },
  properties: { name: { type: "string" }, address: { $ref: "#/$defs/address" } },
  additionalProperties: false,
};

async function elicited(server, message, requestedSchema) {
  const { action, content } = await server.elicitInput({ message, requestedSchema });
  return [text(`Elicitation completed: action=${action}, content=${JSON.stringify(content ?? {})}`)];
}

/** Tools by name: what they take, and what they do. */
const TOOLS = {
  test_simple_text: [NOTHING, () => [text("This is a simple text response for testing.")]],
  test_image_content: [NOTHING, () => [image]],
  test_audio_content: [NOTHING, () => [{ type: "audio", data: WAV, mimeType: "audio/wav" }]],
  test_embedded_resource: [NOTHING, () => [resource("test://embedded-resource", "text/plain", "This is an embedded resource content.")]],
  test_multiple_content_types: [
    NOTHING,
    () => [text("Multiple content types test:"), image, resource("test://mixed-content-resource", "application/json", '{"test":"data","value":123}')],
  ],
  test_error_handling: [
    NOTHING,
    () => {
      throw new Error("This tool intentionally returns an error for testing");
    },
  ],
  test_tool_with_logging: [
    NOTHING,
    async (_given, { sendNotification }) => {
      for (const data of ["Tool execution started", "Tool processing data", "Tool execution completed"]) {
        await sendNotification({ method: "notifications/message", params: { level: "info", data } });
        await moment();
      }
      return [text("Tool with logging executed")];
    },
  ],
  test_tool_with_progress: [
    NOTHING,
    async (_given, { sendNotification, _meta }) => {
      for (const progress of [0, 50, 100]) {
        const progressToken = _meta?.progressToken;
        if (progressToken !== undefined) await sendNotification({ method: "notifications/progress", params: { progressToken, progress, total: 100 } });
        await moment();
      }
      return [text("Tool with progress executed")];
    },
  ],
  test_sampling: [
    words("prompt"),
    async ({ prompt }, _extra, server) => {
      const { content } = await server.createMessage({ messages: [{ role: "user", content: text(prompt) }], maxTokens: 100 });
      return [text(`LLM response: ${content.text}`)];
    },
  ],
  test_elicitation: [words("message"), ({ message }, _extra, server) => elicited(server, message, PERSON)],
  test_elicitation_sep1034_defaults: [NOTHING, (_given, _extra, server) => elicited(server, "Check the defaults", DEFAULTS)],
  test_elicitation_sep1330_enums: [NOTHING, (_given, _extra, server) => elicited(server, "Choose", ENUMS)],
  json_schema_2020_12_tool: [SCHEMA, ({ name }) => [text(`Name: ${name}`)]],
};

/** Prompts by name: their arguments, and their messages. */
const PROMPTS = {
  test_simple_prompt: [[], () => [text("This is a simple prompt for testing.")]],
  test_prompt_with_arguments: [["arg1", "arg2"], ({ arg1, arg2 }) => [text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`)]],
  test_prompt_with_embedded_resource: [
    ["resourceUri"],
    ({ resourceUri }) => [resource(resourceUri, "text/plain", "Embedded resource content for testing."), text("Please process the embedded resource above.")],
  ],
  test_prompt_with_image: [[], () => [image, text("Please analyze the image above.")]],
};

/** Resources by address. */
const RESOURCES = {
  "test://static-text": { mimeType: "text/plain", text: "This is the content of the static text resource." },
  "test://static-binary": { mimeType: "image/png", blob: PNG },
  "test://watched-resource": { mimeType: "text/plain", text: "Watched resource content" },
};

function read(uri) {
  const found = RESOURCES[uri];
  if (found) return { uri, ...found };
  const id = /^test:\/\/template\/(.+)\/data$/.exec(uri)?.[1];
  if (id === undefined) throw new types.McpError(-32002, `Resource not found: ${uri}`);
  return { uri, mimeType: "application/json", text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` }) };
}

function made() {
  const capabilities = { tools: { listChanged: true }, resources: { subscribe: true, listChanged: true }, prompts: { listChanged: true }, logging: {}, completions: {} };
  const server = new Server({ name: "conformance", version: "1" }, { capabilities });
  const on = (schema, handler) => server.setRequestHandler(schema, handler);
  on(types.ListToolsRequestSchema, () => ({
    tools: Object.entries(TOOLS).map(([name, [inputSchema]]) => ({ name, description: `The tool ${name} of the suite`, inputSchema })),
  }));
  on(types.CallToolRequestSchema, async ({ params }, extra) => {
    const tool = TOOLS[params.name];
    if (!tool) throw new types.McpError(types.ErrorCode.InvalidParams, `Unknown tool: ${params.name}`);
    try {
      return { content: await tool[1](params.arguments ?? {}, extra, server) };
    } catch (error) {
      return { isError: true, content: [text(error.message)] };
    }
  });
  on(types.ListPromptsRequestSchema, () => ({
    prompts: Object.entries(PROMPTS).map(([name, [names]]) => ({
      name,
      description: `The prompt ${name} of the suite`,
      arguments: names.map((name) => ({ name, description: name, required: true })),
    })),
  }));
  on(types.GetPromptRequestSchema, ({ params }) => {
    const prompt = PROMPTS[params.name];
    if (!prompt) throw new types.McpError(types.ErrorCode.InvalidParams, `Unknown prompt: ${params.name}`);
    return { messages: prompt[1](params.arguments ?? {}).map((content) => ({ role: "user", content })) };
  });
  on(types.ListResourcesRequestSchema, () => ({
    resources: Object.entries(RESOURCES).map(([uri, { mimeType }]) => ({ uri, mimeType, name: uri.slice(7), description: `The resource ${uri} of the suite` })),
  }));
  on(types.ListResourceTemplatesRequestSchema, () => ({
    resourceTemplates: [{ uriTemplate: "test://template/{id}/data", name: "template", description: "The template of the suite", mimeType: "application/json" }],
  }));
  on(types.ReadResourceRequestSchema, ({ params }) => ({ contents: [read(params.uri)] }));
  on(types.SubscribeRequestSchema, () => ({}));
  on(types.UnsubscribeRequestSchema, () => ({}));
  on(types.SetLevelRequestSchema, () => ({}));
  on(types.CompleteRequestSchema, () => ({ completion: { values: ["paris", "park", "party"], total: 3, hasMore: false } }));
  return server;
}

/** Sessions by their ids, as the SDK's documentation has it. */
function serve() {
  const sessions = new Map();
  const http = createServer(async (request, response) => {
    const known = sessions.get(request.headers["mcp-session-id"]);
    if (known) return void (await known.handleRequest(request, response));
    const { port } = http.address();
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => void sessions.set(id, transport),
      enableDnsRebindingProtection: true,
      allowedHosts: [`127.0.0.1:${port}`, `localhost:${port}`],
      allowedOrigins: [`http://127.0.0.1:${port}`, `http://localhost:${port}`],
    });
    await made().connect(transport);
    await transport.handleRequest(request, response);
  });
  http.listen(0, "127.0.0.1", () => console.log(`listening on http://127.0.0.1:${http.address().port}`));
}

if (process.argv[2] === "http") serve();
else await made().connect(new StdioServerTransport());
