// The pages of agents: every state of them, what the keyboard does there, and what comes out of an agent,
// which is drawn and nothing else.

import { readFileSync } from "node:fs";

import type { Page } from "playwright-core";
import { expect, test } from "vitest";

import type { Command } from "../src/host";
import { development, TEST_MS, TURN_MS } from "./development";
import { looksRight } from "./support";

const pages = development("agents");
let page: Page;
let errors: string[];

async function open(scene = "running"): Promise<void> {
  ({ page, errors } = await pages.open("agents", { scene, context: { permissions: ["clipboard-read", "clipboard-write"] } }));
}

const asked = (command: Command) =>
  page.evaluate((command) => (window as unknown as { asked: { command: string; request: unknown }[] }).asked.filter((one) => one.command === command).map(({ request }) => request), command);
const row = (id: string) => page.locator(`[data-testid=agent][data-id="${id}"]`);
const tile = (id: string) => page.locator(`[data-testid=agent-tile][data-id="${id}"]`);
const terminal = (state: string) => page.locator(`[data-testid=agent-terminal][data-state=${state}]`);
const tab = (word: string) => page.getByRole("radiogroup", { name: "View" }).getByText(word, { exact: true });
const kind = (word: string) => page.getByRole("radiogroup", { name: "Which agents" }).getByText(word, { exact: true });
const layout = (word: string) => page.getByRole("radiogroup", { name: "Layout" }).getByText(word, { exact: true });
const screen = () => page.locator(".xterm-rows").textContent();

/** Opens one of the agents. */
async function detail(id = "k3f9a2mq7x", scene?: string): Promise<void> {
  await open(scene);
  await row(id).locator("button").first().click();
  await page.getByTestId("agent-detail").waitFor();
}

test("nothing, very much, and nothing that answers each have their words", async () => {
  const states = { new: "No agents", full: "agents need you", failing: "The machine is not responding" };
  for (const [scene, words] of Object.entries(states)) {
    await open(scene);
    await page.locator("main").getByText(words).first().waitFor();
    await looksRight(page);
    expect(errors).toEqual([]);
  }
}, TEST_MS);

test("the list says who needs the person, in which mode each runs, and finds one by words", async () => {
  await open();
  await page.locator("main header").getByText("4 agents need you").waitFor();
  const first = (await row("k3f9a2mq7x").textContent())!;
  for (const words of ["Fix the flaky test of the pool", "claude", "Asks permission", "vivarium", "clone", "Asks first", "4 min"]) expect(first).toContain(words);
  expect(await row("y2c7o1aw9b").textContent()).toContain("the key ANTHROPIC_API_KEY isn't set");
  expect(await row("x5h4e9ky2u").textContent()).toContain("No folder");
  await looksRight(page);
  // At every width.
  for (const width of [1280, 800]) {
    await page.setViewportSize({ width, height: 720 });
    expect(await row("b7w2p0zr4d").getByText("Decides itself").locator("visible=true").count()).toBe(1);
    expect(await row("b7w2p0zr4d").getByText("Working").locator("visible=true").count()).toBe(1);
  }
  await kind("Ended").click();
  expect(await page.getByTestId("agent").evaluateAll((rows) => rows.map((one) => (one as HTMLElement).dataset["state"]))).toEqual(["exited", "failed"]);
  await kind("All").click();
  await page.getByTestId("agent-filter").fill("importer codex");
  await row("k3f9a2mq7x").waitFor({ state: "detached" });
  expect(await page.getByTestId("agent").count()).toBe(1);
  await page.getByTestId("agent-filter").fill("nothing like that");
  await page.getByText("No agent matches.").waitFor();
  expect(errors).toEqual([]);
}, TEST_MS);

test("a permission is answered in the list, once, and a question leads to the terminal", async () => {
  await open();
  await page.getByTestId("agent-ask").getByText("cargo test --package sandbox pool::").waitFor();
  await page.getByTestId("agent-allow").focus();
  for (const key of ["Enter", "Enter", "Space"]) await page.keyboard.press(key);
  await page.getByTestId("agent-ask").waitFor({ state: "detached" });
  expect(await asked("agent_answer")).toEqual([{ id: "k3f9a2mq7x", ask: 1, allow: true, message: null }]);
  await row("k3f9a2mq7x").getByText("Working").locator("visible=true").waitFor();
  await page.getByTestId("agent-question").getByRole("button", { name: "Open the terminal" }).click();
  await terminal("open").waitFor();
  await page.locator("main nav").getByText("Rename the settings table").waitFor();

  await open("busy");
  await page.getByTestId("agent-deny").click();
  await expect.poll(() => page.getByTestId("agent-allow").isDisabled(), { timeout: TURN_MS }).toBe(true);
  expect(await asked("agent_answer")).toMatchObject([{ allow: false }]);
  expect(errors).toEqual([]);
}, TEST_MS);

test("a terminal takes keys, but for those of the window with Alt; watching types nothing", async () => {
  await detail("q1v8n5tj3c");
  await terminal("open").waitFor();
  await expect.poll(screen, { timeout: TURN_MS }).toContain("agent@tmux-agent:/workspace$");
  await page.keyboard.type("ls\r");
  await expect.poll(screen, { timeout: TURN_MS }).toContain("you pressed Enter");
  await looksRight(page);
  await page.locator(".xterm-helper-textarea").focus();
  await page.keyboard.press("Control+k");
  expect(await page.getByTestId("palette").count()).toBe(0);
  await page.keyboard.press("Control+Alt+1");
  await page.getByTestId("machine-stop").waitFor();
  await page.keyboard.press("Control+7");
  await terminal("open").waitFor();
  await page.locator(".xterm-helper-textarea").focus();
  await page.keyboard.press("Control+d");
  await terminal("ended").getByText("Detached. The agent continues.").waitFor();
  await page.getByTestId("agent-attach").click();
  await terminal("open").waitFor();
  await page.getByRole("radiogroup", { name: "Keyboard" }).getByText("Watch only").click();
  await terminal("open").waitFor();
  await page.locator(".xterm-helper-textarea").focus();
  await page.keyboard.type("rm\r");
  expect(await screen()).not.toContain("you pressed Enter");
  expect(await asked("agent_terminal_open")).toMatchObject([{ read_only: false }, { read_only: false }, { read_only: true }]);
  expect(errors).toEqual([]);
}, TEST_MS);

test("one that ended says how, and goes on where it was", async () => {
  await detail("w4x8g3fm6t");
  await page.getByText("Its tool exited with code 0.").waitFor();
  await looksRight(page);
  await page.getByTestId("agent-resume").click();
  await terminal("open").waitFor();
  await page.getByTestId("agent-pause").click();
  await page.getByText("Its processes are frozen").waitFor();
  // What it showed last can still be read.
  expect(await screen()).toContain("agent@tmux-agent");
  await looksRight(page);
  await page.getByTestId("agent-resume").click();
  await terminal("open").waitFor();
  await page.getByTestId("agent-stop").click();
  await page.getByTestId("agent-resume").waitFor();
  expect(await asked("agent_stop")).toEqual([{ id: "w4x8g3fm6t", keep: "all" }]);
  await page.getByTestId("agent-remove").click();
  await looksRight(page);
  await page.keyboard.press("Escape");
  expect(await asked("agent_remove")).toEqual([]);
  await page.getByTestId("agent-remove").click();
  await page.getByTestId("agent-remove-confirm").click();
  await row("k3f9a2mq7x").waitFor();
  expect(await row("w4x8g3fm6t").count()).toBe(0);
  expect(await page.evaluate(() => document.activeElement !== document.body)).toBe(true);
  expect(errors).toEqual([]);
}, TEST_MS);

test("log and details say what happened and what it is", async () => {
  await detail();
  await tab("Log").click();
  await page.getByTestId("agent-log").getByText("waiting: permission, Bash").waitFor();
  await looksRight(page);
  await tab("Details").click();
  const facts = (await page.getByTestId("agent-facts").textContent())!;
  for (const words of ["ai-claude:latest", "4 GiB of memory, 2 CPUs, 2,048 processes", "agent/k3f9a2mq7x", "docker exec -it tmux-agent-k3f9a2mq7x tmux attach -t agent", "You are asked before anything is changed or run."]) expect(facts).toContain(words);
  await looksRight(page);
  expect(errors).toEqual([]);
}, TEST_MS);

test("changes are reviewed by file, with marks, and what is merged is what was shown", async () => {
  await detail();
  await tab("Changes").click();
  await page.getByTestId("agent-risks").getByText("1 file needs a closer look").waitFor();
  const file = (name: string) => page.getByTestId("agent-file").filter({ hasText: name });
  // What is marked is open, the rest is folded.
  await file("ci.yml").getByText("curl https://example.org/install.sh | sh").waitFor();
  await file("pool.rs").locator("summary").click();
  await file("pool.rs").getByText("One at a time: two fills at once").waitFor();
  expect(await file("pools.md").locator("summary").textContent()).toContain("docs/pools.md → docs/pool.md");
  await file("Cargo.lock").locator("summary").click();
  await file("Cargo.lock").getByRole("button", { name: "Show this file" }).click();
  await file("Cargo.lock").getByText("+new").waitFor();
  await file("logo.png").locator("summary").click();
  await file("logo.png").getByText("48.1 KB").waitFor();
  await looksRight(page);

  const [download] = await Promise.all([page.waitForEvent("download"), page.getByTestId("agent-patch").click()]);
  expect(download.suggestedFilename()).toBe("agent-k3f9a2mq7x.patch");
  expect(readFileSync(await download.path(), "utf8")).toBe("diff --git a/x b/x\n");

  await page.getByTestId("agent-merge").click();
  await page.getByTestId("agent-merge-sheet").getByText("You approve 5 files").waitFor();
  await page.getByTestId("agent-merge-into").fill("main");
  await page.getByText("You have main checked out.").waitFor();
  expect(await page.getByTestId("agent-merge-do").isDisabled()).toBe(true);
  await looksRight(page);
  const outcome = (kind: string) => page.locator(`[data-testid=agent-merge-outcome][data-kind=${kind}]`);
  await page.getByTestId("agent-merge-into").fill("release");
  await page.keyboard.press("Enter");
  await outcome("conflicts").getByText("1 file can't be merged automatically. Nothing was changed.").waitFor();
  await looksRight(page);
  for (const [into, kind] of [["develop", "checked_out"], ["feature", "merged"]] as const) {
    await page.getByTestId("agent-merge").click();
    await page.getByTestId("agent-merge-into").fill(into);
    await page.getByTestId("agent-merge-do").click();
    await outcome(kind).waitFor();
  }
  await looksRight(page);
  expect(await asked("agent_merge")).toMatchObject(["release", "develop", "feature"].map((into) => ({ id: "k3f9a2mq7x", into, reviewed: "9c41f6d0aa".repeat(4) })));
  await page.getByTestId("agent-merge-undo").click();
  await outcome("merged").waitFor({ state: "detached" });

  await page.getByTestId("agent-discard").click();
  await looksRight(page);
  await page.keyboard.press("Escape");
  expect(await asked("agent_discard")).toEqual([]);
  await page.getByTestId("agent-discard").click();
  await page.getByTestId("agent-discard-confirm").click();
  await row("b7w2p0zr4d").waitFor();
  expect(await row("k3f9a2mq7x").count()).toBe(0);
  expect(errors).toEqual([]);
}, TEST_MS);

test("no changes, very many, and changes that are being read", async () => {
  await detail("q1v8n5tj3c");
  await tab("Changes").click();
  await page.getByText("No changes").waitFor();
  await looksRight(page);
  await detail("k3f9a2mq7x", "full");
  await tab("Changes").click();
  await page.getByText("And 4,600 more files, which can't be reviewed here.").waitFor();
  await looksRight(page);
  await detail("k3f9a2mq7x", "busy");
  await tab("Changes").click();
  await page.getByText("Fetching the agent's work…").waitFor();
  expect(errors).toEqual([]);
}, TEST_MS);

test("a new agent gets what the form says, with its mode in view", async () => {
  await open();
  await page.getByTestId("agent-new").click();
  const sheet = page.getByTestId("agent-sheet");
  await page.getByTestId("agent-image").getByText("Version 2.1.332, 907 MB. Version 2.1.340 is available.").waitFor();
  expect(await page.getByTestId("agent-start").isDisabled()).toBe(true);
  await looksRight(page);
  await page.getByTestId("agent-path").fill("/home/ada/projects/shop");
  await page.getByTestId("agent-untracked").check();
  await page.getByTestId("agent-prompt").fill("Fix the tests.\nThen run them. 👩‍💻");
  expect(await sheet.getByLabel("ANTHROPIC_API_KEY").isChecked()).toBe(true);
  await page.getByTestId("agent-mode-choice").selectOption("bypassPermissions");
  await sheet.getByText("Nothing is asked: it changes and runs whatever it wants").waitFor();
  await sheet.getByText("A folder, in place").click();
  await sheet.getByText("It changes the files in this folder directly").waitFor();
  await looksRight(page);
  await sheet.getByText("Clone of a folder").click();
  await sheet.getByText("Name, limits and networks").click();
  await page.getByTestId("agent-title").fill("Tests of the shop");
  await looksRight(page);
  await page.getByTestId("agent-start").click();
  await terminal("open").waitFor();
  await page.getByTestId("agent-notes").getByText("Submodules are left out").waitFor();
  expect(await asked("agent_start")).toMatchObject([{ tool: "claude", workspace: { kind: "clone", path: "/home/ada/projects/shop", uncommitted: false, untracked: true }, prompt: "Fix the tests.\nThen run them. 👩‍💻", mode: "bypassPermissions", keys: ["ANTHROPIC_API_KEY"], title: "Tests of the shop", limits: { memory_mb: 4096, cpus: 2, pids: 2048 }, host_access: false }]);
  // The next form begins with what was used.
  await page.getByTestId("agent-back").click();
  await page.getByTestId("agent-new").click();
  await expect.poll(() => page.getByTestId("agent-path").inputValue(), { timeout: TURN_MS }).toBe("/home/ada/projects/shop");
  expect(errors).toEqual([]);
}, TEST_MS);

test("what a tool lacks is had first: an image, an approval, a folder, or it is said why not", async () => {
  await open("new");
  await page.getByTestId("agent-new").click();
  await page.getByTestId("agent-tool").selectOption("jules");
  await page.getByTestId("agent-image").getByText("Not built here, because its installation fetches whichever program is the newest from elsewhere.").waitFor();
  await page.getByTestId("agent-tool").selectOption("codebuddy");
  await page.getByText("It needs one of CODEBUDDY_API_KEY.").waitFor();
  await page.getByTestId("agent-path").fill("/home/ada/projects/shop");
  await page.getByText("CodeBuddy needs a prompt").waitFor();
  await page.getByTestId("agent-tool").selectOption("gemini");
  expect(await page.getByTestId("agent-start").isDisabled()).toBe(true);
  await looksRight(page);
  await page.getByTestId("agent-approve").click();
  await expect.poll(() => page.getByTestId("agent-start").isDisabled(), { timeout: TURN_MS }).toBe(false);
  expect(await asked("agent_image_approve")).toEqual([{ tool: "gemini", digest: `sha256:${"3f9a".repeat(16)}` }]);
  await page.getByTestId("agent-tool").selectOption("codex");
  await page.getByTestId("agent-path").fill("/home/ada/secret");
  await page.getByTestId("agent-start").click();
  await page.getByTestId("agent-building").waitFor();
  await page.getByTestId("agent-allow-folder").waitFor();
  await looksRight(page);
  await page.getByTestId("agent-allow-folder").click();
  await terminal("open").waitFor();
  expect(await asked("agent_folder_add")).toEqual([{ path: "/home/ada/secret" }]);
  expect(await asked("agent_image_build")).toEqual([{ tool: "codex", rebuild: false }]);
  expect(errors).toEqual([]);
}, TEST_MS);

test("tiles show what terminals show, and a prompt goes to those that are chosen", async () => {
  await open();
  await layout("Grid").click();
  await tile("k3f9a2mq7x").getByText("Bash(cargo test --package sandbox pool::)").waitFor();
  await looksRight(page);
  await tile("k3f9a2mq7x").getByTestId("agent-deny").click();
  await tile("k3f9a2mq7x").getByTestId("agent-ask").waitFor({ state: "detached" });
  for (const id of ["k3f9a2mq7x", "b7w2p0zr4d", "q1v8n5tj3c"]) await tile(id).getByRole("checkbox").check();
  expect(await tile("c0d1p7vl9r").getByRole("checkbox").isDisabled()).toBe(true);
  await page.getByTestId("agent-broadcast-text").fill("Commit what you have.\nThen stop.");
  await looksRight(page);
  await page.keyboard.press("Control+Enter");
  const told = page.getByTestId("agent-broadcast");
  await told.getByText("Sent to 2 agents.").waitFor();
  await told.getByText("Not sent to Port the importer to streaming: agent w4x8 isn't running: exited.").waitFor();
  // What didn't reach all of them can be sent again.
  expect(await page.getByTestId("agent-broadcast-text").inputValue()).toContain("Commit");
  expect((await asked("agent_send")).length).toBe(3);
  await page.getByRole("button", { name: "Choose none" }).click();
  await told.waitFor({ state: "detached" });
  // The layout is kept.
  await page.reload();
  await tile("q1v8n5tj3c").locator("header button").click();
  await terminal("open").waitFor();
  expect(errors).toEqual([]);
}, TEST_MS);

test("of very many tiles those in view are followed, and a few at once", async () => {
  await open("full");
  await layout("Grid").click();
  await page.getByTestId("agent-tile").nth(50).waitFor();
  await expect.poll(async () => (await asked("agent_screen")).length, { timeout: TURN_MS }).toBeGreaterThan(0);
  const ids = new Set((await asked("agent_screen")).map((request) => (request as { id: string }).id));
  expect(ids.size).toBeLessThanOrEqual(12);
  await looksRight(page);
  expect(errors).toEqual([]);
}, TEST_MS);

test("what comes out of an agent is text, and leads nowhere", async () => {
  await open("hostile");
  await row("h0stile").getByText("<b>evil</b>⟨U+202E⟩gpj⟨U+0000⟩").waitFor();
  await page.getByTestId("agent-odd").getByText("tmux-agent-<b>x</b>⟨U+202E⟩").waitFor();
  const ask = page.getByTestId("agent-ask").first();
  await ask.getByText("Bash⟨U+202E⟩").waitFor();
  expect((await ask.textContent())!.length).toBeLessThan(20_000);
  expect(await ask.textContent()).toContain("<a href=https://evil.example>a</a>");
  await looksRight(page);
  await layout("Grid").click();
  await tile("h0stile2").getByText("<b>x</b>⟨U+202E⟩a⟨U+0007⟩").first().waitFor();
  await looksRight(page);
  await layout("List").click();

  await row("h0stile2").locator("button").first().click();
  await terminal("open").waitFor();
  await expect.poll(screen, { timeout: TURN_MS }).toContain("a link<b>bold?</b>");
  expect(await page.locator(".xterm a, .xterm b").count()).toBe(0);
  expect(await page.title()).not.toContain("owned");
  await tab("Changes").click();
  await page.getByTestId("agent-file").filter({ hasText: "gpj⟨U+202E⟩exe.sh" }).getByText("+<script>alert(1)</script>").waitFor();
  await page.getByText("+⟨U+202E⟩esrever⟨U+0007⟩").waitFor();
  await page.getByTestId("agent-file").nth(1).locator("summary").click();
  await page.getByText("8,500 more lines.").waitFor();
  await looksRight(page);
  await tab("Log").click();
  await page.getByTestId("agent-log").getByText("9999 <b>x</b>").waitFor();
  await tab("Details").click();
  await looksRight(page);
  expect(await page.locator("main a, main img, main script").count()).toBe(0);
  expect(await page.evaluate("document.querySelectorAll('*').length")).toBeLessThan(30_000);
  expect(page.context().pages()).toHaveLength(1);
  expect(new URL(page.url()).hostname).toBe("127.0.0.1");
  expect(errors).toEqual([]);
}, TEST_MS);

test("the palette starts an agent from any page", async () => {
  ({ page, errors } = await pages.open("machine"));
  await page.keyboard.press("Control+k");
  await page.keyboard.type("new agent");
  await page.keyboard.press("Enter");
  await page.getByTestId("agent-sheet").waitFor();
  await page.keyboard.press("Escape");
  await page.getByTestId("agent-sheet").waitFor({ state: "detached" });
  // It was asked for once.
  await page.keyboard.press("Control+1");
  await page.keyboard.press("Control+7");
  await row("k3f9a2mq7x").waitFor();
  expect(await page.getByTestId("agent-sheet").count()).toBe(0);
  expect(errors).toEqual([]);
}, TEST_MS);
