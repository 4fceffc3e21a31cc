// A part of a page that can't be drawn: it says so in its place and can be tried again, and nothing
// else of the page is lost.

import type { Page } from "playwright-core";
import { expect, test } from "vitest";

import { development, TEST_MS, TURN_MS } from "./development";
import { looksRight } from "./support";

const pages = development("views");
let page: Page;

/** Opens a page on which these components throw when they are drawn, until `mend` is called. */
async function open(view: string, broken: string[], scene = "running"): Promise<void> {
  const before = (page: Page) => page.addInitScript((broken) => void (window.broken = broken), broken);
  ({ page } = await pages.open(view, { scene, before }));
}

const mend = () => page.evaluate(() => void (window.broken = []));
const failed = (what: string) => page.getByTestId("view-failed").filter({ hasText: `${what} can't be shown` });

/** Each of them has failed, nothing else has, and each is there when it is tried again. */
async function eachComesBack(...parts: string[]): Promise<void> {
  for (const what of parts) await failed(what).first().waitFor();
  expect(await page.getByTestId("view-failed").filter({ visible: true }).allTextContents()).toHaveLength(parts.length);
  await looksRight(page);
  await mend();
  for (const what of parts) {
    await failed(what).getByTestId("view-retry").press("Enter");
    await failed(what).waitFor({ state: "detached" });
    // Nobody looks for the keyboard on a button that is gone.
    expect(await page.evaluate(() => document.activeElement !== document.body)).toBe(true);
  }
}

test("a page that can't be drawn leaves the others, the side bar and the status line", async () => {
  const broken = ["MachinePage", "DesktopPage", "NotebookPage", "McpPage", "EvolvePage", "SandboxesPage", "AgentsPage", "SettingsPage"];
  await open("machine", broken);
  const words = { machine: "The machine's page", desktop: "The desktop", notebook: "The notebook", mcp: "The MCP page", evolve: "The Evolve page", sandboxes: "The Sandboxes page", agents: "The Agents page", settings: "The settings" };
  for (const [id, what] of Object.entries(words)) {
    await page.getByTestId(`nav-${id}`).click();
    await failed(what).waitFor();
    await page.getByRole("contentinfo").getByText("Docker").waitFor();
  }
  await looksRight(page);
  await mend();
  for (const [id, what] of Object.entries(words)) {
    await page.getByTestId(`nav-${id}`).click();
    await failed(what).getByTestId("view-retry").click();
    await page.locator("main .held:not([hidden]) h1").waitFor();
  }
  await expect.poll(() => page.getByTestId("view-failed").count(), { timeout: TURN_MS }).toBe(0);
}, TEST_MS);

test("neither the side bar nor the status line takes the page along", async () => {
  await open("machine", ["Sidebar", "StatusLine"]);
  await page.getByTestId("machine-stop").waitFor();
  await eachComesBack("The sidebar", "The status line");
  await page.getByTestId("nav-machine").waitFor();
}, TEST_MS);

test("parts of the machine's page", async () => {
  await open("machine", ["Resources", "Services", "LogLines"]);
  await page.getByTestId("machine-stop").waitFor();
  await eachComesBack("The list of resources", "The list of services", "The log");
  await page.getByTestId("service-openbox").waitFor();

  await open("machine", ["Overview"]);
  await page.getByTestId("machine-stop").waitFor();
  await eachComesBack("The machine's state");
  await open("machine", ["RunView"], "build-failed");
  await page.getByTestId("failure").getByRole("button", { name: "Retry" }).waitFor();
  await eachComesBack("This run");
}, TEST_MS);

test("parts of the notebook", async () => {
  await open("notebook", ["FileMenu", "Snapshots"]);
  await page.getByTestId("variables-toggle").click();
  await page.getByText("DataFrame").first().waitFor();
  await eachComesBack("The file menu", "The list of snapshots");

  await open("notebook", ["Variables", "OutputView", "StreamText"]);
  await page.getByTestId("variables-toggle").click();
  await failed("The list of variables").waitFor();
  await page.evaluate(() => void (window.broken = ["StreamText"]));
  await page.getByTestId("cell-input").fill("print('hello')");
  await page.keyboard.press("Control+Enter");
  await failed("This output").waitFor();
  await eachComesBack("The list of variables", "This output");
  await page.getByText("hello", { exact: true }).waitFor();

  await open("notebook", ["Editor"]);
  await page.getByTestId("run-all").waitFor();
  await eachComesBack("Cell 1");
}, TEST_MS);

test("parts of the MCP page", async () => {
  await open("mcp", ["ServerList", "CopyMenu", "Offers"]);
  await page.getByTestId("mcp-connect").click();
  await eachComesBack("The list of servers", "The configuration", "This view");

  await open("mcp", ["ServerHead", "ResultView", "SchemaField"]);
  await page.getByTestId("mcp-server-computer").click();
  await page.getByTestId("mcp-connect").click();
  // What the form can't show can be written as JSON.
  await page.getByRole("button", { name: "Write the arguments as JSON" }).click();
  await page.getByTestId("mcp-json").fill("{}");
  await page.getByTestId("mcp-call").click();
  await eachComesBack("This server", "The answer");
}, TEST_MS);

test("parts of the Evolve page", async () => {
  await open("evolve", ["StartForm", "DiffView", "Timeline", "PastRuns", "RunSteps"]);
  await eachComesBack("The form to evolve", "The list of changes", "The list of generations", "The list of earlier runs", "The report of this run");
}, TEST_MS);

test("parts of the Sandboxes page", async () => {
  await open("sandboxes", ["SandboxTable", "PoolTable"]);
  await page.getByTestId("sandbox-new").waitFor();
  await eachComesBack("The list of sandboxes", "The pool");

  await open("sandboxes", ["Facts", "ConsolePane"]);
  await page.locator("[data-testid=sandbox][data-state=running] button").first().click();
  await eachComesBack("What it uses", "The console");
  await page.locator("[data-testid=sandbox-console][data-state=open]").waitFor();
}, TEST_MS);

test("parts of the Agents page", async () => {
  await open("agents", ["AgentTable"]);
  await page.getByTestId("agent-new").waitFor();
  await eachComesBack("The list of agents");

  await open("agents", ["AskCards", "TerminalPane"]);
  // Each that asks has its own place in the list.
  await expect.poll(() => failed("What it asks for").count(), { timeout: TURN_MS }).toBe(2);
  await page.locator("[data-testid=agent] button").first().click();
  await eachComesBack("What it asks for", "The terminal");
  await page.locator("[data-testid=agent-terminal][data-state=open]").waitFor();

  await open("agents", ["FileChanges", "LogPane"]);
  await page.locator("[data-testid=agent] button").first().click();
  const tab = (word: string) => page.getByRole("radiogroup", { name: "View" }).getByText(word).click();
  await tab("Changes");
  await failed("The changes of this file").first().waitFor();
  await page.getByTestId("agent-merge").waitFor();
  await tab("Log");
  await eachComesBack("The log");
}, TEST_MS);

test("the choice of the engine", async () => {
  await open("settings", ["EngineChoice"]);
  await page.getByTestId("about").waitFor();
  await eachComesBack("The choice of the engine");
  await page.getByTestId("engine-choice").waitFor();
}, TEST_MS);

test("a dialog that can't be drawn is told of on its page, and can be opened again", async () => {
  const told = (words: string) => page.getByTestId("failure").filter({ hasText: `${words} can't be shown` });
  await open("mcp", ["ServerDialog"]);
  await page.getByTestId("mcp-add").click();
  await told("The server's settings").waitFor();
  await mend();
  await page.getByTestId("mcp-add").click();
  await page.getByTestId("mcp-name").waitFor();

  await open("evolve", ["BackDialog"]);
  await page.getByTestId("generation-menu-3").click();
  await page.getByTestId("generation-back").click();
  await told("The confirmation to roll back").waitFor();
  await looksRight(page);

  await open("machine", ["AskRecreate"], "recreate");
  await page.getByTestId("machine-rebuild").click();
  await told("The confirmation to recreate the machine").waitFor();
  await mend();
  await page.getByTestId("machine-rebuild").click();
  await page.getByTestId("machine-recreate-confirm").waitFor();
}, TEST_MS);

test("without an engine the page says where it was looked for, and what to do, within its frame", async () => {
  await open("machine", [], "no-engine");
  const shown = page.locator("main .held:not([hidden])");
  await shown.getByText("/home/ada/.colima/default/docker.sock (Colima): Connection refused").waitFor();
  await shown.getByText("no socket at /var/run/docker.sock (Docker)").waitFor();
  for (const width of [1280, 640]) {
    await page.setViewportSize({ width, height: 720 });
    for (const command of await shown.locator("dd").all()) {
      const [box, frame] = [(await command.boundingBox())!, (await shown.locator("dl").boundingBox())!];
      expect(box.x + box.width, `${width} wide`).toBeLessThanOrEqual(frame.x + frame.width);
    }
  }
  await looksRight(page);
}, TEST_MS);

test("a service's log opens below the list, which stays where it is", async () => {
  await open("machine", []);
  const places = async () => Promise.all((await page.getByTestId("services").locator("li").all()).map((one) => one.evaluate((row) => (row as HTMLElement).offsetTop + (row as HTMLElement).offsetLeft * 10_000)));
  await page.getByTestId("service-openbox").waitFor();
  const before = await places();
  await page.getByTestId("service-openbox").getByRole("button", { name: "Log of" }).click();
  await page.getByTestId("service-log").getByText("Log of Window manager").waitFor();
  expect(await places()).toEqual(before);
  await looksRight(page);
  await page.getByRole("button", { name: "Close the log" }).click();
  await page.getByTestId("service-log").waitFor({ state: "detached" });
}, TEST_MS);
