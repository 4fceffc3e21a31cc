// The MCP page in a browser, with a real machine.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";

import { Instance, launch, looksRight, open, Server, SLOW_MS, state } from "./support";

let instance: Instance;
let server: Server;
let browser: Browser;
let page: Page;
let errors: string[];
let repo: string;
/** The header with the machine's token. */
let letIn: string;

beforeAll(async () => {
  instance = await Instance.make("tools");
  instance.vivarium("up");
  repo = join(instance.home, "data/instances", instance.name, "machines/os-host/repo");
  server = await Server.start(instance);
  browser = await launch();
  ({ page, errors } = await open(browser, server.url));
}, SLOW_MS);

afterAll(async () => {
  await browser?.close();
  await server?.stop();
  instance?.remove();
});

const outcome = (kind: string) => page.locator(`[data-testid=mcp-outcome][data-outcome=${kind}]`);
const pick = (word: string) => page.getByRole("radiogroup", { name: "What to look at" }).getByText(word, { exact: true }).click();

async function call(tool: string): Promise<void> {
  await page.getByTestId(`mcp-offer-${tool}`).click();
  await page.getByTestId("mcp-call").click();
}

test("the machine's servers show, and a tool is called with a form that its schema makes", async () => {
  await page.getByTestId("nav-mcp").click();
  for (const name of ["browser-use", "computer", "filesystem", "linux"]) await page.getByTestId(`mcp-server-${name}`).waitFor();
  await looksRight(page);
  await page.getByTestId("mcp-server-filesystem").click();
  await page.getByTestId("mcp-connect").click();
  await page.getByTestId("mcp-search").fill("size director");
  await call("list_directory_with_sizes");
  // The path is missing, and empty: the server has the last word.
  await page.getByLabel("path").fill("/root");
  await page.getByLabel("sortBy").selectOption({ label: "size" });
  await page.getByTestId("mcp-call").click();
  await outcome("done").waitFor();
  await expect.poll(() => page.getByTestId("mcp-text").first().textContent()).toContain("[DIR] Desktop");
  await looksRight(page);

  await page.getByRole("radiogroup", { name: "Arguments" }).getByText("JSON").click();
  await page.getByTestId("mcp-json").fill('{"path": ');
  await page.getByTestId("mcp-call").click();
  await page.getByTestId("mcp-form").getByRole("alert").waitFor();
  await page.getByTestId("mcp-json").fill('{"path": 7}');
  await page.getByTestId("mcp-form").getByText("/path").waitFor();
}, SLOW_MS);

test("a server is added, asks the person, has a model think, and tells how far it is", async () => {
  writeFileSync(join(repo, "asker.py"), readFileSync(join(import.meta.dirname, "asker.py")));
  await page.getByTestId("mcp-add").click();
  await page.getByTestId("mcp-name").fill("asker");
  await page.getByTestId("mcp-command").fill("/opt/mcp/linux/bin/python /repo/asker.py");
  await looksRight(page);
  await page.getByTestId("mcp-save").click();
  await page.getByTestId("mcp-server-asker").waitFor();
  await page.getByTestId("mcp-connect").click();
  await page.getByLabel("Answer questions").check();

  await call("ask");
  await page.getByTestId("mcp-question").getByLabel("colour").fill("green");
  await looksRight(page);
  await page.getByTestId("mcp-accept").click();
  await page.getByText("accept: green").first().waitFor();
  await call("ask");
  await page.getByTestId("mcp-decline").click();
  await page.getByText("decline: None").first().waitFor();
  await call("think");
  await page.getByTestId("mcp-words").fill("42");
  await page.getByTestId("mcp-accept").click();
  await page.getByText("It says 42").first().waitFor();

  await page.getByTestId("mcp-offer-slow").click();
  await page.getByLabel("steps").fill("500");
  await page.getByTestId("mcp-call").click();
  await page.getByText("of 500").first().waitFor();
  await page.getByTestId("mcp-cancel").click();
  await outcome("going").waitFor({ state: "detached" });
  await page.getByLabel("steps").fill("2");
  await page.getByTestId("mcp-call").click();
  await page.getByText("slowly done").first().waitFor();
}, SLOW_MS);

test("calls are asked again and compared, and the trace has what was said", async () => {
  await call("count");
  await page.getByText("call 1").first().waitFor();
  await pick("History");
  await page.getByRole("button", { name: /^Ask again: count/ }).first().click();
  await expect.poll(() => page.getByRole("button", { name: /^Compare/ }).first().isEnabled()).toBe(true);
  await looksRight(page);
  await page.getByRole("button", { name: /^Compare/ }).nth(0).click();
  await page.getByRole("button", { name: /^Compare/ }).nth(1).click();
  await expect.poll(() => page.getByTestId("mcp-diff").textContent()).toContain("call 2");

  await pick("Trace");
  await page.getByLabel("Search messages").fill("elicitation");
  await page.getByText("elicitation/create").first().waitFor();
  await looksRight(page);
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByLabel("Save these messages to a file").click()]);
  const lines = readFileSync(await download.path(), "utf8").trim().split("\n");
  expect(lines.map((line) => (JSON.parse(line) as { server: string }).server)).toContain("asker");
}, SLOW_MS);

test("the copied configuration is one that lets in", async () => {
  await page.getByTestId("mcp-server-all").click();
  await page.getByTestId("mcp-copy").click();
  await page.getByTestId("mcp-copy-cursor").click();
  const read = () => page.evaluate(() => navigator.clipboard.readText());
  await expect.poll(read).toContain("mcpServers");
  const { mcpServers } = JSON.parse(await read()) as { mcpServers: Record<string, { url: string; headers: Record<string, string> }> };
  const entry = Object.values(mcpServers)[0];
  const hello = { jsonrpc: "2.0", id: 1, method: "initialize", params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "test", version: "1" } } };
  const ask = (headers: Record<string, string>) =>
    fetch(entry?.url ?? "", { method: "POST", headers: { "content-type": "application/json", accept: "application/json, text/event-stream", ...headers }, body: JSON.stringify(hello) });
  expect((await ask(entry?.headers ?? {})).status).toBe(200);
  expect((await ask({})).status).toBe(401);
  letIn = entry?.headers["Authorization"] ?? "";
});

test("a server elsewhere is added by its address, and what its headers hold is not shown", async () => {
  await page.getByTestId("mcp-add").click();
  await page.getByTestId("mcp-name").fill("elsewhere");
  await page.getByTestId("mcp-server-dialog").getByText("Address", { exact: true }).click();
  // The machine's own endpoint, as if it were somebody else's.
  await page.getByTestId("mcp-url").fill("http://127.0.0.1:8765/servers/filesystem/mcp");
  await page.getByTestId("mcp-headers").fill(`Authorization: ${letIn}`);
  await looksRight(page);
  await page.getByTestId("mcp-save").click();
  await page.getByTestId("mcp-server-elsewhere").waitFor();
  await pick("Tools");
  await page.getByTestId("mcp-connect").click();
  await page.getByTestId("mcp-search").fill("size director");
  await page.getByTestId("mcp-offer-list_directory_with_sizes").click();
  await page.getByLabel("path").fill("/root");
  await page.getByTestId("mcp-call").click();
  await outcome("done").waitFor();
  await looksRight(page);

  await page.getByTestId("mcp-edit").click();
  await expect.poll(() => page.getByTestId("mcp-headers").inputValue()).toBe("Authorization: •••");
  await page.keyboard.press("Escape");
  await page.getByTestId("mcp-remove").click();
  await page.getByTestId("mcp-remove-yes").click();
  await page.getByTestId("mcp-server-elsewhere").waitFor({ state: "detached" });
}, SLOW_MS);

test("a server is turned off, on, and removed", async () => {
  await page.getByTestId("mcp-server-asker").click();
  await page.getByTestId("mcp-disable").click();
  await state(page, "mcp-server-asker", "disabled");
  await page.getByTestId("mcp-enable").click();
  await page.locator("[data-testid=mcp-server-asker]:not([data-state=disabled])").waitFor();
  await page.getByTestId("mcp-remove").click();
  await page.getByTestId("mcp-remove-yes").click();
  await page.getByTestId("mcp-server-asker").waitFor({ state: "detached" });
});

test("no error was met on the way", () => {
  // A container's start changes the network.
  expect(errors.filter((error) => !/ERR_NETWORK_CHANGED|409|502|503/.test(error))).toEqual([]);
});
