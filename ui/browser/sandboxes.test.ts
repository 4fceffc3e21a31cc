// The page of sandboxes: every state of it, what the keyboard does there, and what comes out of a
// sandbox, which is drawn and nothing else.

import type { Page } from "playwright-core";
import { expect, test } from "vitest";

import type { Command } from "../src/host";
import { development, TEST_MS, TURN_MS } from "./development";
import { looksRight } from "./support";

const pages = development("sandboxes");
let page: Page;
let errors: string[];

async function open(scene = "running"): Promise<void> {
  ({ page, errors } = await pages.open("sandboxes", { scene, context: { permissions: ["clipboard-read", "clipboard-write"] } }));
}

const asked = (command: Command) =>
  page.evaluate((command) => (window as unknown as { asked: { command: string; request: unknown }[] }).asked.filter((one) => one.command === command).map(({ request }) => request), command);
const rows = (state: string) => page.locator(`[data-testid=sandbox][data-state=${state}]`);
const console_ = (state: string) => page.locator(`[data-testid=sandbox-console][data-state=${state}]`);
const tab = (word: string) => page.getByRole("radiogroup", { name: "View" }).getByText(word, { exact: true });
const screen = () => page.locator(".xterm-rows").textContent();

/** Opens the first sandbox that runs. */
async function detail(scene?: string): Promise<void> {
  await open(scene);
  await rows("running").first().locator("button").first().click();
  await page.getByTestId("sandbox-detail").waitFor();
}

test("nothing, very much, nothing that serves and nothing that answers each have their words", async () => {
  const states = { new: "No sandboxes", full: "Show 2 that ended in the last hour", "sandboxes-off": "Sandboxes are turned off", failing: "The machine is not responding" };
  for (const [scene, words] of Object.entries(states)) {
    await open(scene);
    await page.locator("main").getByText(words).first().waitFor();
    await looksRight(page);
    expect(errors).toEqual([]);
  }
}, TEST_MS);

test("the lines for E2B's clients are copied as a whole, and sandboxes can be turned on", async () => {
  await open("sandboxes-off");
  await page.getByTestId("sandbox-clients-copy").click();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(
    "export E2B_API_KEY=$(vivarium token create agents --scope exec)\nexport E2B_API_URL=http://127.0.0.1:8000\nexport E2B_SANDBOX_URL=http://127.0.0.1:8000",
  );
  await page.getByTestId("sandbox-turn-on").click();
  await rows("running").first().waitFor();
  expect(await asked("sandbox_serve")).toHaveLength(1);
  expect(errors).toEqual([]);
}, TEST_MS);

test("the list has what is running and its use; what is gone is told with its reason", async () => {
  await open();
  const first = (await rows("running").first().textContent())!;
  for (const words of ["k3f9a2mq7x", "from the pool", "aios-sandbox", "38 %", "184", "512 MiB", "in 5"]) expect(first).toContain(words);
  expect(await rows("running").nth(1).textContent()).toMatch(/Internet/);
  expect(await page.getByTestId("sandbox-pool").textContent()).toContain("41 hits, 3 misses");
  await page.getByTestId("sandbox-gone").click();
  await rows("lost").getByText("Its container was removed outside of Vivarium.").waitFor();
  await looksRight(page);
  // What has a way to the internet is told at every width.
  for (const width of [1280, 800]) {
    await page.setViewportSize({ width, height: 720 });
    expect(await rows("running").nth(1).getByText("Internet").locator("visible=true").count()).toBe(1);
  }
  expect(errors).toEqual([]);
}, TEST_MS);

test("one click creates a sandbox with a console, and the form one that is different", async () => {
  await open("new");
  await page.getByTestId("sandbox-new").click();
  await console_("open").waitFor();
  expect(await asked("sandbox_create")).toMatchObject([{ image: null, network: null, memory_mb: null }]);
  await page.getByTestId("sandbox-back").click();

  await open();
  await page.getByTestId("sandbox-options").click();
  const sheet = page.getByTestId("sandbox-sheet");
  await sheet.getByText("Internet", { exact: true }).click();
  await sheet.getByText("can send anything it reads to anybody").waitFor();
  await page.getByTestId("sandbox-memory").fill("8");
  await sheet.getByText("Enter at least 16 MiB of memory.").waitFor();
  expect(await page.getByTestId("sandbox-create").isDisabled()).toBe(true);
  await looksRight(page);
  await page.getByTestId("sandbox-memory").fill("1024");
  await page.getByTestId("sandbox-image").fill("python:3.13");
  await page.keyboard.press("Enter");
  await page.getByTestId("sandbox-facts").getByText("python:3.13").waitFor();
  expect(await asked("sandbox_create")).toMatchObject([{ image: "python:3.13", network: "internet", memory_mb: 1024, cpus: 1, ttl_s: 3600, on_timeout: "kill" }]);
  expect(errors).toEqual([]);
}, TEST_MS);

test("a creation that takes long says so, and a missing image can be had", async () => {
  await open("busy");
  await page.getByTestId("sandbox-new").click();
  await page.getByTestId("sandbox-doing").getByText("Creating the sandbox").waitFor();
  expect(await page.getByTestId("sandbox-options").isDisabled()).toBe(true);
  await looksRight(page);
  await open("sandboxes-no-image");
  await page.getByTestId("sandbox-new").click();
  await looksRight(page);
  await page.getByTestId("sandbox-provide").click();
  await console_("open").waitFor();
  expect(await asked("sandbox_image")).toEqual([{ image: null }]);
  expect(errors).toEqual([]);
}, TEST_MS);

test("a console takes keys, but for those of the window with Alt, and is found again", async () => {
  await detail();
  await console_("open").waitFor();
  await expect.poll(screen, { timeout: TURN_MS }).toContain("sandboxuser@k3f9a2mq7x:~$");
  await page.keyboard.type("ls\r");
  await expect.poll(screen, { timeout: TURN_MS }).toContain("you pressed Enter");
  await looksRight(page);
  await page.locator(".xterm-helper-textarea").focus();
  // The shell's own key.
  await page.keyboard.press("Control+k");
  expect(await page.getByTestId("palette").count()).toBe(0);
  await page.keyboard.press("Control+Alt+k");
  await page.getByTestId("palette").waitFor();
  await page.keyboard.press("Escape");
  await page.locator(".xterm-helper-textarea").focus();
  await page.keyboard.press("Control+Alt+1");
  await page.getByTestId("machine-stop").waitFor();
  await page.keyboard.press("Control+6");
  await console_("open").waitFor();
  await page.getByTestId("sandbox-back").click();
  await rows("running").first().locator("button").first().click();
  await console_("open").waitFor();
  expect(await asked("sandbox_exec")).toHaveLength(1);
  await page.locator(".xterm-helper-textarea").focus();
  await page.keyboard.press("Control+d");
  await console_("ended").getByText("The shell exited with code 0.").waitFor();
  await page.getByTestId("sandbox-shell-again").click();
  await console_("open").waitFor();
  expect(await asked("sandbox_exec")).toHaveLength(2);
  expect(errors).toEqual([]);
}, TEST_MS);

test("code is run with a key, and its outputs are shown", async () => {
  await detail();
  await tab("Code").click();
  await page.getByTestId("sandbox-code").fill("frame.head()");
  await page.keyboard.press("Shift+Enter");
  const run = (state: string) => page.locator(`[data-testid=sandbox-run][data-state=${state}]`);
  await run("done").getByText("loading 200,000 rows").waitFor();
  await page.frameLocator("iframe").getByText("812").waitFor();
  await page.getByTestId("sandbox-code").fill("raise ValueError");
  await page.keyboard.press("Control+Enter");
  await run("failed").getByText("no such column").waitFor();
  await looksRight(page);
  expect(errors).toEqual([]);
}, TEST_MS);

test("files go in and out, and one is deleted only after a question", async () => {
  await detail();
  await tab("Files").click();
  const file = (name: string) => page.getByTestId("sandbox-file").filter({ hasText: name });
  await file("data.csv").waitFor();
  await looksRight(page);
  await page.getByTestId("sandbox-picker").setInputFiles({ name: "in.txt", mimeType: "text/plain", buffer: Buffer.from("hello") });
  await file("in.txt").waitFor();
  expect(await asked("sandbox_file_write")).toEqual([{ sandbox_id: "k3f9a2mq7x", path: "/home/sandboxuser/in.txt", base64: "aGVsbG8=" }]);
  const [download] = await Promise.all([page.waitForEvent("download"), file("data.csv").getByRole("button", { name: "Download data.csv" }).click()]);
  expect(download.suggestedFilename()).toBe("data.csv");
  await file("train.py").getByRole("button", { name: "Delete train.py" }).click();
  await page.keyboard.press("Enter");
  await page.getByTestId("sandbox-file-delete").waitFor({ state: "detached" });
  expect(await asked("sandbox_file_remove")).toEqual([]);
  await file("train.py").getByRole("button", { name: "Delete train.py" }).click();
  await page.getByTestId("sandbox-file-delete").click();
  await file("train.py").waitFor({ state: "detached" });
  await file("results").locator("button").first().click();
  await file("loss.png").waitFor();
  await page.getByTestId("sandbox-root").selectOption("/workspace");
  await page.getByText("This folder is empty").waitFor();
  await looksRight(page);
  expect(errors).toEqual([]);
}, TEST_MS);

test("a sandbox is paused, resumed, given an hour and destroyed after a question", async () => {
  await detail();
  await page.getByTestId("sandbox-extend").click();
  await expect.poll(async () => (await page.getByTestId("sandbox-facts").textContent())!, { timeout: TURN_MS }).toContain("in 1 h");
  await page.getByTestId("sandbox-pause").click();
  await page.getByTestId("sandbox-resume").waitFor();
  await page.getByText("its memory is kept until the container engine stops").waitFor();
  await looksRight(page);
  await page.getByTestId("sandbox-resume").click();
  await page.getByTestId("sandbox-pause").waitFor();
  await page.getByTestId("sandbox-destroy").click();
  await looksRight(page);
  await page.keyboard.press("Escape");
  expect(await asked("sandbox_destroy")).toEqual([]);
  await page.getByTestId("sandbox-destroy").click();
  await page.getByTestId("sandbox-destroy-confirm").click();
  await rows("running").first().waitFor();
  expect(await rows("running").filter({ hasText: "k3f9a2mq7x" }).count()).toBe(0);
  expect(await page.evaluate(() => document.activeElement !== document.body)).toBe(true);
  expect(errors).toEqual([]);
}, TEST_MS);

test("what comes out of a sandbox is text, and leads nowhere", async () => {
  await open("hostile");
  await rows("running").first().getByText("<b>evil</b>⟨U+202E⟩egami").waitFor();
  await looksRight(page);
  await rows("running").first().locator("button").first().click();
  await page.getByTestId("sandbox-detail").getByText("<a href=https://evil.example>note</a>").waitFor();

  await expect.poll(screen, { timeout: TURN_MS }).toContain("a link<b>bold?</b>");
  expect(await page.locator(".xterm a, .xterm b").count()).toBe(0);
  // A terminal that knew of the link would ask whether to follow it.
  const dialogs: string[] = [];
  page.on("dialog", (dialog) => (dialogs.push(dialog.message()), dialog.dismiss()));
  const box = (await page.locator(".xterm-rows").getByText("a link").boundingBox())!;
  for (const keys of [[], ["Control"]]) {
    for (const key of keys) await page.keyboard.down(key);
    // The way there is what shows a link.
    await page.mouse.move(box.x + 60, box.y + 40, { steps: 4 });
    await page.mouse.move(box.x + 10, box.y + 8, { steps: 4 });
    await page.mouse.click(box.x + 10, box.y + 8);
    for (const key of keys) await page.keyboard.up(key);
  }
  await looksRight(page);
  expect(dialogs).toEqual([]);
  expect(await page.title()).not.toContain("owned");

  await tab("Code").click();
  await page.getByTestId("sandbox-code").fill("hostile");
  await page.keyboard.press("Shift+Enter");
  await page.getByText("[leave](https://evil.example)").waitFor();
  await page.getByText("a⟨U+202E⟩b<i>no</i>").waitFor();
  const frame = page.frameLocator("iframe");
  await frame.locator("#inside").waitFor();
  await frame.locator("a").click();
  expect(await page.evaluate(() => "owned" in window)).toBe(false);
  await frame.locator("#inside").waitFor();
  await looksRight(page);

  await tab("Files").click();
  await page.getByTestId("sandbox-file").filter({ hasText: "<img src=x onerror=alert(1)>" }).waitFor();
  await page.getByTestId("sandbox-file").filter({ hasText: "gpj⟨U+202E⟩exe.sh" }).waitFor();
  expect(await page.getByRole("region", { name: "Files" }).locator("img, a").count()).toBe(0);
  expect(await page.getByTestId("sandbox-file").filter({ hasText: "not-utf8" }).locator("button").first().isDisabled()).toBe(true);
  await looksRight(page);
  expect(page.context().pages()).toHaveLength(1);
  expect(new URL(page.url()).hostname).toBe("127.0.0.1");
  expect(errors).toEqual([]);
}, TEST_MS);
