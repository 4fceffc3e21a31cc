// An agent of a real engine on the page that `vivarium serve` serves: started, typed into by two pages, read
// again after the server was started anew, stopped, resumed and removed.

import { join } from "node:path";

import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";

import { docker, Instance, launch, open, PROJECT, Server, SLOW_MS } from "./support";

/** The image of crates/agents/tests/image, as scripts/testing builds it. */
const IMAGE = "vivarium-test-agent";

let instance: Instance;
let server: Server;
let browser: Browser;
const opened: Page[] = [];

beforeAll(async () => {
  const architecture = process.arch === "arm64" ? "aarch64" : "x86_64";
  const init = process.env["VIVARIUM_SANDBOX_INIT"] ?? join(PROJECT, `target/${architecture}-unknown-linux-gnu/release/sandbox-init`);
  instance = await Instance.make("agents", { VIVARIUM_SANDBOX_INIT: init });
  server = await Server.start(instance);
  browser = await launch();
}, SLOW_MS);

afterAll(async () => {
  for (const page of opened) await page.context().close();
  await browser?.close();
  await server?.stop();
  instance?.vivarium("agent", "clean");
  instance?.remove();
  // The helper that agents share stays for the next one.
  for (const volume of docker("volume", "ls", "-q", "--filter", `label=vivarium.instance=${instance.name}`).split("\n")) {
    if (volume !== "") docker("volume", "rm", volume);
  }
});

async function agents(): Promise<{ page: Page; errors: string[] }> {
  const made = await open(browser, server);
  opened.push(made.page);
  await made.page.getByTestId("nav-agents").click();
  return made;
}

const terminal = (page: Page, state: string) => page.locator(`[data-testid=agent-terminal][data-state=${state}]`);
const screen = (page: Page) => page.locator(".xterm-rows").textContent();

async function type(page: Page, text: string): Promise<void> {
  await page.locator(".xterm-helper-textarea").focus();
  await page.keyboard.type(`${text}\r`);
}

test("an agent is seen live by several pages, and outlives all of them", async () => {
  const { page } = await agents();
  await page.getByText("No agents").waitFor();
  // Its image is the tests' own, which the form doesn't offer. The page hears of it.
  const id = instance.vivarium("agent", "run", "--detach", "--image", IMAGE, "--title", "Shown live").trim();
  const row = (page: Page) => page.locator(`[data-testid=agent][data-id="${id}"]`);
  await row(page).getByText("Shown live").waitFor();
  await row(page).locator("button").first().click();
  await terminal(page, "open").waitFor();
  await type(page, "echo one-$((40+2))");
  await expect.poll(() => screen(page)).toContain("one-42");

  const { page: second } = await agents();
  await row(second).locator("button").first().click();
  await terminal(second, "open").waitFor();
  await expect.poll(() => screen(second)).toContain("one-42");
  await type(second, "echo two-$((40+2))");
  await expect.poll(() => screen(page)).toContain("two-42");
  const clients = () => docker("exec", `tmux-agent-${id}`, "tmux", "list-clients").split("\n").filter((line) => line !== "").length;
  await expect.poll(clients).toBe(2);
  // The terminal takes the size of the page that is typed into.
  const width = () => docker("exec", `tmux-agent-${id}`, "tmux", "display", "-p", "-t", "=agent:", "#{window_width}");
  const before = width();
  await page.setViewportSize({ width: 900, height: 600 });
  await type(page, "");
  await expect.poll(width).not.toBe(before);

  // Leaving ends what shows it, and not the agent.
  await second.context().close();
  await page.getByTestId("agent-back").click();
  await expect.poll(clients).toBe(0);
  await page.getByRole("radiogroup", { name: "Layout" }).getByText("Grid").click();
  await page.getByTestId("agent-tile").getByText("two-42").first().waitFor();
  await page.getByTestId("agent-tile").locator("header button").click();
  await terminal(page, "open").waitFor();
  await expect.poll(() => screen(page)).toContain("one-42");

  await page.getByTestId("agent-stop").click();
  await page.getByTestId("agent-resume").first().waitFor();
  await page.getByTestId("agent-resume").click();
  await terminal(page, "open").waitFor();
  await type(page, "echo three-$((40+2))");
  await expect.poll(() => screen(page)).toContain("three-42");

  await page.getByTestId("agent-remove").click();
  await page.getByTestId("agent-remove-confirm").click();
  await page.getByText("No agents").waitFor();
  expect(docker("ps", "-aq", "--filter", `name=tmux-agent-${id}`)).toBe("");
}, SLOW_MS * 2);
