// Two machines in one window: each page shows the one that was chosen, and the other goes on.

import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";

import { Instance, launch, looksRight, open, Server, SLOW_MS, state } from "./support";

let browser: Browser;
let after: (() => unknown)[] = [];

beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser?.close());
afterEach(async () => {
  for (const undo of after.reverse()) await undo();
  after = [];
});

async function choose(page: Page, machine: string): Promise<void> {
  await page.getByTestId("machine-switcher").click();
  await page.getByTestId(`machine-${machine}`).click();
  await expect.poll(() => page.getByTestId("machine-switcher").innerText()).toContain(machine);
}

async function start(page: Page): Promise<void> {
  await page.getByTestId("nav-machine").click();
  await page.getByTestId("machine-start").click();
  await state(page, "machine-state", "running", SLOW_MS);
}

/** Runs a cell on the Notebook page. */
async function run(page: Page, code: string): Promise<void> {
  await page.getByTestId("nav-notebook").click();
  await page.getByTestId("cell-input").first().click();
  await page.keyboard.press("Control+a");
  await page.keyboard.insertText(code);
  await page.keyboard.press("Control+Enter");
}

const outputs = (page: Page) => page.getByTestId("cell-outputs").first().innerText();

test("each page shows the machine that was chosen, while a cell runs in the other", async () => {
  const instance = await Instance.make("two");
  after.push(() => instance.remove());
  after.push(() => instance.vivarium("machine", "rm", "second", "--home-volume", "--yes"));
  const server = await Server.start(instance);
  after.push(() => server.stop());
  const { page, errors } = await open(browser, server);
  after.push(() => page.context().close());
  await start(page);
  await run(page, "import os, time\nwhile not os.path.exists('/tmp/go'): time.sleep(0.1)\nprint('the first went on')");

  // A new machine by the dialog; a wrong name and a wrong folder are told before anything is made.
  await page.getByTestId("machine-switcher").click();
  await page.getByTestId("machine-new").click();
  await page.getByTestId("new-machine-name").fill("os-host");
  await page.getByTestId("new-machine-folders").fill("here:there");
  await page.getByText("A machine named os-host already exists.").waitFor();
  await expect.poll(() => page.getByTestId("new-machine-create").isDisabled()).toBe(true);
  await looksRight(page);
  await page.getByTestId("new-machine-name").fill("second");
  await page.getByTestId("new-machine-folders").fill("");
  await page.getByTestId("new-machine-create").click();
  await expect.poll(() => page.getByTestId("machine-switcher").innerText()).toContain("second");
  await page.getByTestId("nav-machine").click();
  await state(page, "machine-state", "absent");
  await looksRight(page);
  await start(page);

  // Nothing of the first one is on any page of the second.
  await page.getByTestId("nav-notebook").click();
  expect(await page.getByTestId("cell-input").first().innerText()).not.toContain("the first");
  await run(page, "print('in the second')");
  await expect.poll(() => outputs(page), { timeout: SLOW_MS }).toContain("in the second");
  await page.getByTestId("nav-desktop").click();
  await state(page, "desktop-screen", "connected");
  await page.getByTestId("nav-mcp").click();
  await page.getByTestId("mcp-server-computer").waitFor();
  await page.getByTestId("nav-evolve").click();
  await page.getByText("Generations").first().waitFor();

  // What the command line does shows up.
  instance.vivarium("--machine", "second", "--kernel-port", "0", "--mcp-port", "0", "--vnc-port", "0", "exec", "1");
  await choose(page, "os-host");
  instance.vivarium("shell", "touch /tmp/go");
  await page.getByTestId("nav-notebook").click();
  await expect.poll(() => outputs(page), { timeout: SLOW_MS }).toContain("the first went on");
  expect(await outputs(page)).not.toContain("in the second");
  instance.vivarium("machine", "create", "third");
  after.push(() => {
    for (const name of ["third", "fourth"]) if (instance.vivarium("machine", "ls").includes(name)) instance.vivarium("machine", "rm", name, "--yes");
  });
  await page.getByTestId("machine-switcher").click();
  await page.getByTestId("machine-third").waitFor();
  await looksRight(page);
  await page.keyboard.press("Escape");

  // It is renamed and deleted in the window.
  await choose(page, "third");
  await page.getByTestId("machine-switcher").click();
  await page.getByTestId("machine-rename").click();
  await page.getByTestId("rename-machine-name").fill("second");
  await page.getByText("A machine named second already exists.").waitFor();
  await page.getByTestId("rename-machine-name").fill("fourth");
  await looksRight(page);
  await page.getByTestId("rename-machine-save").click();
  await expect.poll(() => page.getByTestId("machine-switcher").innerText()).toContain("fourth");
  expect(instance.vivarium("machine", "ls")).toContain("fourth");
  await page.getByTestId("machine-switcher").click();
  await page.getByTestId("machine-delete").click();
  await looksRight(page);
  await page.getByTestId("delete-machine-confirm").click();
  await expect.poll(() => page.getByTestId("machine-switcher").innerText()).toContain("os-host");
  expect(instance.vivarium("machine", "ls")).not.toContain("fourth");

  // Back again, it is as it was left.
  await choose(page, "second");
  await page.getByTestId("nav-notebook").click();
  await expect.poll(() => outputs(page)).toContain("in the second");
  expect(errors).toEqual([]);
}, 2 * SLOW_MS);
