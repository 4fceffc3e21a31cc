// The MCP page in a browser, with a real machine.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { expect, test } from "vitest";

import { running } from "./machine";
import { looksRight, SLOW_MS, state } from "./support";

const machine = running("tools");
/** The header with the machine's token. */
let letIn: string;

const outcome = (kind: string) => machine.page.locator(`[data-testid=mcp-outcome][data-outcome=${kind}]`);
const pick = (word: string) => machine.page.getByRole("radiogroup", { name: "View" }).getByText(word, { exact: true }).click();

async function call(tool: string): Promise<void> {
  await machine.page.getByTestId(`mcp-offer-${tool}`).click();
  await machine.page.getByTestId("mcp-call").click();
}

test("the machine's servers show, and a tool is called with a form that its schema makes", async () => {
  await machine.page.getByTestId("nav-mcp").click();
  for (const name of ["browser-use", "computer", "filesystem", "linux"]) await machine.page.getByTestId(`mcp-server-${name}`).waitFor();
  await looksRight(machine.page);
  await machine.page.getByTestId("mcp-server-filesystem").click();
  await machine.page.getByTestId("mcp-connect").click();
  await machine.page.getByTestId("mcp-search").fill("size director");
  await call("list_directory_with_sizes");
  // The path is missing, and empty: the server has the last word.
  await machine.page.getByLabel("path").fill("/root");
  await machine.page.getByLabel("sortBy").selectOption({ label: "size" });
  await machine.page.getByTestId("mcp-call").click();
  await outcome("done").waitFor();
  await expect.poll(() => machine.page.getByTestId("mcp-text").first().textContent()).toContain("[DIR] Desktop");
  await looksRight(machine.page);

  await machine.page.getByRole("radiogroup", { name: "Arguments" }).getByText("JSON").click();
  await machine.page.getByTestId("mcp-json").fill('{"path": ');
  await machine.page.getByTestId("mcp-call").click();
  await machine.page.getByTestId("mcp-form").getByRole("alert").waitFor();
  await machine.page.getByTestId("mcp-json").fill('{"path": 7}');
  await machine.page.getByTestId("mcp-form").getByText("/path").waitFor();
}, SLOW_MS);

test("a server is added, asks the person, has a model think, and tells how far it is", async () => {
  writeFileSync(join(machine.repo, "asker.py"), readFileSync(join(import.meta.dirname, "asker.py")));
  await machine.page.getByTestId("mcp-add").click();
  await machine.page.getByTestId("mcp-name").fill("asker");
  await machine.page.getByTestId("mcp-command").fill("/opt/mcp/linux/bin/python /repo/asker.py");
  await looksRight(machine.page);
  await machine.page.getByTestId("mcp-save").click();
  await machine.page.getByTestId("mcp-server-asker").waitFor();
  await machine.page.getByTestId("mcp-connect").click();
  await machine.page.getByLabel("Answer questions").check();

  await call("ask");
  await machine.page.getByTestId("mcp-question").getByLabel("colour").fill("green");
  await looksRight(machine.page);
  await machine.page.getByTestId("mcp-accept").click();
  await machine.page.getByText("accept: green").first().waitFor();
  await call("ask");
  await machine.page.getByTestId("mcp-decline").click();
  await machine.page.getByText("decline: None").first().waitFor();
  await call("think");
  await machine.page.getByTestId("mcp-words").fill("42");
  await machine.page.getByTestId("mcp-accept").click();
  await machine.page.getByText("It says 42").first().waitFor();

  await machine.page.getByTestId("mcp-offer-slow").click();
  await machine.page.getByLabel("steps").fill("500");
  await machine.page.getByTestId("mcp-call").click();
  await machine.page.getByText("of 500").first().waitFor();
  await machine.page.getByTestId("mcp-cancel").click();
  await outcome("going").waitFor({ state: "detached" });
  await machine.page.getByLabel("steps").fill("2");
  await machine.page.getByTestId("mcp-call").click();
  await machine.page.getByText("slowly done").first().waitFor();
}, SLOW_MS);

test("calls are asked again and compared, and the trace has what was said", async () => {
  await call("count");
  await machine.page.getByText("call 1").first().waitFor();
  await pick("History");
  await machine.page.getByRole("button", { name: /^Call again: count/ }).first().click();
  await expect.poll(() => machine.page.getByRole("button", { name: /^Compare/ }).first().isEnabled()).toBe(true);
  await looksRight(machine.page);
  await machine.page.getByRole("button", { name: /^Compare/ }).nth(0).click();
  await machine.page.getByRole("button", { name: /^Compare/ }).nth(1).click();
  await expect.poll(() => machine.page.getByTestId("mcp-diff").textContent()).toContain("call 2");

  await pick("Trace");
  await machine.page.getByLabel("Search messages").fill("elicitation");
  await machine.page.getByText("elicitation/create").first().waitFor();
  await looksRight(machine.page);
  const [download] = await Promise.all([machine.page.waitForEvent("download"), machine.page.getByLabel("Save messages to a file").click()]);
  const lines = readFileSync(await download.path(), "utf8").trim().split("\n");
  expect(lines.map((line) => (JSON.parse(line) as { server: string }).server)).toContain("asker");
}, SLOW_MS);

test("the copied configuration is one that lets in", async () => {
  await machine.page.getByTestId("mcp-server-all").click();
  await machine.page.getByTestId("mcp-copy").click();
  await machine.page.getByTestId("mcp-copy-cursor").click();
  const read = () => machine.page.evaluate(() => navigator.clipboard.readText());
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
  await machine.page.getByTestId("mcp-add").click();
  await machine.page.getByTestId("mcp-name").fill("elsewhere");
  await machine.page.getByTestId("mcp-server-dialog").getByText("Address", { exact: true }).click();
  // The machine's own endpoint, as if it were somebody else's.
  await machine.page.getByTestId("mcp-url").fill("http://127.0.0.1:8765/servers/filesystem/mcp");
  await machine.page.getByTestId("mcp-headers").fill(`Authorization: ${letIn}`);
  await looksRight(machine.page);
  await machine.page.getByTestId("mcp-save").click();
  await machine.page.getByTestId("mcp-server-elsewhere").waitFor();
  await pick("Tools");
  await machine.page.getByTestId("mcp-connect").click();
  await machine.page.getByTestId("mcp-search").fill("size director");
  await machine.page.getByTestId("mcp-offer-list_directory_with_sizes").click();
  await machine.page.getByLabel("path").fill("/root");
  await machine.page.getByTestId("mcp-call").click();
  await outcome("done").waitFor();
  await looksRight(machine.page);

  await machine.page.getByTestId("mcp-edit").click();
  await expect.poll(() => machine.page.getByTestId("mcp-headers").inputValue()).toBe("Authorization: •••");
  await machine.page.keyboard.press("Escape");
  await machine.page.getByTestId("mcp-remove").click();
  await machine.page.getByTestId("mcp-remove-yes").click();
  await machine.page.getByTestId("mcp-server-elsewhere").waitFor({ state: "detached" });
}, SLOW_MS);

test("a server is turned off, on, and removed", async () => {
  await machine.page.getByTestId("mcp-server-asker").click();
  await machine.page.getByTestId("mcp-disable").click();
  await state(machine.page, "mcp-server-asker", "disabled");
  await machine.page.getByTestId("mcp-enable").click();
  await machine.page.locator("[data-testid=mcp-server-asker]:not([data-state=disabled])").waitFor();
  await machine.page.getByTestId("mcp-remove").click();
  await machine.page.getByTestId("mcp-remove-yes").click();
  await machine.page.getByTestId("mcp-server-asker").waitFor({ state: "detached" });
});

test("no error was met on the way", () => {
  // A container's start changes the network.
  expect(machine.errors.filter((error) => !/ERR_NETWORK_CHANGED|409|502|503/.test(error))).toEqual([]);
});
