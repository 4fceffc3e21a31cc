// Where the keyboard is after something was done: on what the person looks at, never on a button
// whose next Enter or Space does it again, or does something that nobody meant.

import type { Locator, Page } from "playwright-core";
import { expect, test } from "vitest";

import type { Command } from "../src/host";
import { development, TEST_MS, TURN_MS } from "./development";
import { looksRight } from "./support";

const pages = development("keyboard");
let page: Page;
let errors: string[];

async function open(view: string, scene = "running"): Promise<void> {
  ({ page, errors } = await pages.open(view, { scene }));
}

/** What the page asked of the engine with this command. */
const asked = (command: Command) =>
  page.evaluate((command) => (window as unknown as { asked: { command: string; request: Record<string, unknown> }[] }).asked.filter((one) => one.command === command).map(({ request }) => request), command);

/** Presses a button with the keyboard, and what a hasty hand presses after that: its work is asked for once. */
async function startsOnce(button: Locator, command: Command, about: (request: Record<string, unknown>) => boolean = () => true): Promise<void> {
  const times = async () => (await asked(command)).filter(about).length;
  const what = `${command} of ${await button.getAttribute("data-testid")}`;
  for (const key of ["Enter", "Space"]) {
    const before = await times();
    await button.focus();
    const handle = await button.elementHandle();
    await page.keyboard.press(key);
    await expect.poll(times, { timeout: TURN_MS, message: what }).toBe(before + 1);
    // It was disabled while that went on, and may be pressed again, or is gone.
    await expect.poll(() => handle!.evaluate((one) => !one.isConnected || !(one as HTMLButtonElement).disabled), { timeout: TURN_MS, message: what }).toBe(true);
    await expect.poll(() => page.evaluate(() => document.activeElement?.matches("[data-place], [data-home]")), { timeout: TURN_MS, message: `${what}: ${await focused()}` }).toBe(true);
    for (const after of ["Enter", "Space", "Enter"]) await page.keyboard.press(after);
    expect(await handle!.evaluate((one) => document.activeElement === one), what).toBe(false);
    expect(await times(), what).toBe(before + 1);
    if ((await button.count()) === 0) return;
  }
}

const focused = () => page.evaluate(() => (document.activeElement as HTMLElement | null)?.getAttribute("aria-label") ?? document.activeElement?.tagName ?? null);
const testid = (id: string) => page.getByTestId(id);

test("the machine is started, stopped and restarted once, and so are its services", async () => {
  await open("machine");
  await startsOnce(testid("machine-restart"), "machine_restart");
  await startsOnce(testid("service-openbox").getByLabel(/^Restart/), "service_restart");
  await startsOnce(testid("machine-stop"), "machine_down");
  await startsOnce(testid("machine-start"), "machine_up");
  expect(await asked("machine_down")).toHaveLength(1);
  await open("machine", "absent");
  await startsOnce(testid("machine-start"), "machine_up");
  await open("machine", "build-failed");
  await startsOnce(page.getByRole("button", { name: "Retry" }), "machine_up");
  await open("machine", "no-engine");
  await page.getByRole("button", { name: "Retry" }).press("Enter");
  expect(await page.evaluate(() => document.activeElement?.matches("[data-home]"))).toBe(true);
  await open("settings");
  await startsOnce(testid("engine-test"), "engine_test");
  expect(errors).toEqual([]);
}, TEST_MS);

test("a tool is called once, also by a key that is held, and the keyboard goes to its answer", async () => {
  const isCall = (request: Record<string, unknown>) => request["method"] === "tools/call";
  await open("mcp");
  await startsOnce(testid("mcp-connect"), "mcp_open");
  await testid("mcp-offer-run_shell").click();
  await testid("mcp-form").getByLabel("command").fill("rm -rf /tmp/x");
  await startsOnce(testid("mcp-call"), "mcp_request", isCall);
  expect(await focused()).toBe("Result");
  // In a field, Enter calls as well; a second one does not, nor does one that is held.
  const calls = async () => (await asked("mcp_request")).filter(isCall).length;
  const before = await calls();
  await page.getByLabel("timeout_s").focus();
  for (let times = 0; times < 20; times++) await page.keyboard.down("Enter");
  await page.keyboard.up("Enter");
  await page.locator("[data-testid=mcp-outcome][data-outcome=done]").waitFor();
  await expect.poll(focused, { timeout: TURN_MS }).toBe("Result");
  await page.keyboard.press("Enter");
  expect(await calls()).toBe(before + 1);
  // Whoever presses Ctrl+Enter stays where they write.
  await testid("mcp-form").getByLabel("command").focus();
  await page.keyboard.press("Control+Enter");
  await expect.poll(calls, { timeout: TURN_MS }).toBe(before + 2);
  await page.locator("[data-testid=mcp-outcome][data-outcome=done]").waitFor();
  expect(await testid("mcp-form").getByLabel("command").evaluate((one) => document.activeElement === one)).toBe(true);

  await page.getByRole("radiogroup", { name: "View" }).getByText("History", { exact: true }).click();
  await startsOnce(page.getByRole("button", { name: /^Call again/ }).first(), "mcp_request", isCall);
  await testid("mcp-server-weather").click();
  await startsOnce(testid("mcp-restart"), "mcp_server_order");
  await startsOnce(testid("mcp-disable"), "mcp_server_order");
  expect(errors).toEqual([]);
}, TEST_MS);

test("cells run once, and snapshots are stored and brought back once", async () => {
  await open("notebook");
  await testid("cell-input").fill("1 + 1");
  await startsOnce(testid("run-all"), "kernel_exec");
  await open("notebook");
  await testid("cell-input").fill("1 + 1");
  await startsOnce(testid("cell-run"), "kernel_exec");
  await testid("variables-toggle").click();
  await startsOnce(testid("snapshot-store"), "snapshot_store");
  await startsOnce(page.getByRole("button", { name: /^Restore / }), "snapshot_reload");
  await page.getByLabel(/^Delete 2026/).press("Enter");
  await testid("snapshot-remove-yes").press("Enter");
  await expect.poll(async () => (await asked("snapshot_remove")).length, { timeout: TURN_MS }).toBe(1);
  await testid("snapshot-remove-yes").waitFor({ state: "detached" });
  await page.keyboard.press("Enter");
  expect(await testid("snapshot-remove-yes").count()).toBe(0);
  expect(errors).toEqual([]);
}, TEST_MS);

test("an evolve begins once, and nothing is approved before what it changes was read", async () => {
  await open("evolve");
  await testid("evolve-note").fill("why");
  await startsOnce(testid("evolve-start"), "evolve_start");
  // Enter in the field begins it, too.
  await testid("evolve-note").fill("another");
  await testid("evolve-note").press("Enter");
  await page.keyboard.press("Enter");
  await expect.poll(async () => (await asked("evolve_start")).length, { timeout: TURN_MS }).toBe(3);
  expect((await asked("evolve_start")).map((request) => request["tree"])).toEqual(["9c1e", "9c1e", "9c1e"]);

  for (const [scene, words] of [["asked-reading", "Reading the changes"], ["asked-failing", "so they can't be approved"]] as const) {
    await open("evolve", scene);
    await testid("evolve-asks").getByText(words).waitFor();
    expect(await testid("evolve-yes").isDisabled(), scene).toBe(true);
    await testid("evolve-yes").focus();
    await page.keyboard.press("Enter");
    await testid("evolve-yes").click({ force: true });
    expect(await asked("evolve_answer"), scene).toEqual([]);
    await looksRight(page);
    // Whoever does not want it needs to read nothing.
    await testid("evolve-no").click();
    await expect.poll(() => asked("evolve_answer"), { timeout: TURN_MS }).toEqual([{ run_id: "r6", yes: false }]);
  }
  await open("evolve", "asked");
  await expect.poll(() => testid("evolve-yes").isEnabled(), { timeout: TURN_MS }).toBe(true);
  await startsOnce(testid("evolve-yes"), "evolve_answer");
  expect((await asked("evolve_answer"))[0]).toEqual({ run_id: "r6", yes: true, tree: "9c1e" });
  expect(errors).toEqual([]);
}, TEST_MS);

test("a machine that runs is recreated by whoever says so, and by no key that was pressed for something else", async () => {
  await open("machine", "recreate");
  await testid("machine-rebuild").press("Enter");
  const dialog = page.getByRole("alertdialog");
  await dialog.waitFor();
  expect(await dialog.getAttribute("aria-labelledby")).not.toBeNull();
  expect(await dialog.textContent()).toContain("Recreate os-host?");
  expect(await dialog.textContent()).toContain("its ports and its folders changed, which requires a new container.");
  expect(await dialog.textContent()).toContain("the kernel's variables, terminals, windows");
  await looksRight(page);
  // It opens by itself: a hasty Enter says no.
  await expect.poll(() => dialog.getByRole("button", { name: "Cancel" }).evaluate((one) => document.activeElement === one), { timeout: TURN_MS }).toBe(true);
  await page.keyboard.press("Enter");
  await dialog.waitFor({ state: "detached" });
  expect(await asked("machine_up")).toEqual([{ rebuild: true, recreate: false }]);
  expect(await page.evaluate(() => document.activeElement?.matches("[data-place], [data-home]"))).toBe(true);

  // The keyboard stays in the dialog; Escape closes it.
  await testid("machine-rebuild").press("Enter");
  await dialog.waitFor();
  for (let times = 0; times < 5; times++) {
    await page.keyboard.press("Tab");
    expect(await dialog.evaluate((one) => one.contains(document.activeElement))).toBe(true);
  }
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  expect((await asked("machine_up")).filter((request) => request["recreate"])).toEqual([]);

  await testid("machine-rebuild").press("Enter");
  await dialog.waitFor();
  await page.keyboard.press("Tab");
  await expect.poll(() => testid("machine-recreate-confirm").evaluate((one) => document.activeElement === one), { timeout: TURN_MS }).toBe(true);
  await page.keyboard.press("Enter");
  await dialog.waitFor({ state: "detached" });
  // What was asked for is done, not only the replacing.
  await expect.poll(async () => (await asked("machine_up")).filter((request) => request["recreate"]), { timeout: TURN_MS }).toEqual([{ rebuild: true, recreate: true }]);
  for (const key of ["Enter", "Space"]) await page.keyboard.press(key);
  expect((await asked("machine_up")).filter((request) => request["recreate"])).toHaveLength(1);
  expect(errors).toEqual([]);
}, TEST_MS);

test("Enter after a notebook was opened runs nothing", async () => {
  await open("notebook", "hostile");
  await page.getByTestId("cell-input").first().fill("first");
  await page.getByTestId("run-all").click();
  await page.locator("[data-testid=cell][data-state=completed]").waitFor();
  expect(await focused()).toBe("Cells");
  for (const by of ["keyboard", "menu"]) {
    await page.getByTestId("run-all").focus();
    if (by === "keyboard") await page.keyboard.press("Control+o");
    else {
      await page.getByTestId("notebook-file").click();
      await page.getByTestId("file-open").click();
    }
    if (by === "keyboard") await page.getByTestId("give-up").click();
    await page.getByTestId("path").fill("/root/stranger.ipynb");
    await page.keyboard.press("Enter");
    await page.getByText("stranger").first().waitFor();
    await expect.poll(focused, { timeout: TURN_MS, message: by }).toBe("Cells");
    await page.keyboard.press("Space");
    expect(await page.locator("[data-testid=cell][data-state=completed]").count()).toBe(0);
    await page.keyboard.press("Enter");
    expect(await page.locator("[data-testid=cell][data-state=completed]").count()).toBe(0);
    await page.keyboard.press("Escape");
  }
  await page.getByTestId("kernel-restart").click();
  await page.getByTestId("kernel-restart-confirm").click();
  await expect.poll(focused, { timeout: TURN_MS }).toBe("Cells");
  // Neither does a command of the palette leave the keyboard on a button that it passed.
  await page.getByTestId("run-all").focus();
  await page.keyboard.press("Control+k");
  await page.keyboard.type("Clear outputs");
  await page.keyboard.press("Enter");
  await page.getByTestId("palette").waitFor({ state: "detached" });
  await expect.poll(focused, { timeout: TURN_MS }).toBe("Cells");
  expect(errors).toEqual([]);
}, TEST_MS);

test("the palette finds what people look for by its name", async () => {
  ({ page, errors } = await pages.open("machine", { scene: "running", context: { permissions: ["clipboard-read", "clipboard-write"] } }));
  const pick = async (words: string) => {
    await page.keyboard.press("Control+k");
    await page.getByTestId("palette").waitFor();
    await page.keyboard.type(words);
    await page.keyboard.press("Enter");
    await page.getByTestId("palette").waitFor({ state: "detached" });
  };
  const copied = () => page.evaluate(() => navigator.clipboard.readText());
  await page.getByTestId("services").or(page.locator("main")).first().waitFor();
  await pick("api key");
  await expect.poll(copied, { timeout: TURN_MS }).toBe("fake-token");
  await pick("vnc password");
  await expect.poll(copied, { timeout: TURN_MS }).toBe("fakepass");
  // A restart loses what the kernel has: it is asked for, as with its button.
  await pick("restart kernel and");
  await page.getByTestId("restart-run-all-confirm").waitFor();
  await page.keyboard.press("Escape");
  await pick("restart kernel");
  await page.getByTestId("kernel-restart-confirm").click();
  await expect.poll(() => asked("kernel_restart"), { timeout: TURN_MS }).toHaveLength(1);
  await pick("save");
  await page.getByRole("dialog").waitFor();
  await page.keyboard.press("Escape");
  await pick("help");
  await page.getByText("Keyboard", { exact: true }).first().waitFor();
  expect(errors).toEqual([]);
}, TEST_MS);

test("back and forward lead through the pages that were seen", async () => {
  await open("machine");
  const shown = () => page.locator("nav [aria-current=page]").getAttribute("data-testid");
  for (const to of ["mcp", "evolve"]) await page.getByTestId(`nav-${to}`).click();
  const turns: [() => Promise<unknown>, string][] = [[() => page.goBack(), "nav-mcp"], [() => page.goBack(), "nav-machine"], [() => page.goForward(), "nav-mcp"]];
  for (const [turn, where] of turns) {
    await turn();
    await expect.poll(shown, { timeout: TURN_MS }).toBe(where);
  }
  // One that is loaded anew begins there.
  await page.reload();
  await expect.poll(shown, { timeout: TURN_MS }).toBe("nav-mcp");
  expect(errors).toEqual([]);
}, TEST_MS);
