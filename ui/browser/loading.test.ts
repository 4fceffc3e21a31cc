// Files of the app that fail to load once, as they do when this computer's network changes: a
// container that starts or ends is enough. No machine is needed.

import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";

import { Instance, launch, looksRight, Server } from "./support";

const PAGES = ["machine", "desktop", "notebook", "mcp", "evolve", "sandboxes", "agents", "settings"];

let instance: Instance;
let server: Server;
let browser: Browser;
let page: Page;

beforeAll(async () => {
  instance = await Instance.make("loading");
  server = await Server.start(instance);
  browser = await launch();
});

afterEach(() => page?.context().close());

afterAll(async () => {
  await browser?.close();
  await server?.stop();
  instance?.remove();
});

/** A new page whose request for a file fails if `fails` says so, which is told how often it failed before. Returns what failed. */
async function faulty(fails: (path: string, before: number) => boolean): Promise<string[]> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 820 } });
  page = await context.newPage();
  page.setDefaultTimeout(90_000);
  const failed: string[] = [];
  await page.route("**/*", (route) => {
    const path = new URL(route.request().url()).pathname;
    if (!fails(path, failed.filter((one) => one === path).length)) return route.continue();
    failed.push(path);
    return route.abort("connectionfailed");
  });
  return failed;
}

/** The script that index.html starts: if it doesn't load, nothing runs that could ask for it again. */
async function entry(): Promise<string> {
  const html = await (await fetch(`http://${server.address}/`)).text();
  return /<script [^>]*src="([^"]+)"/.exec(html)![1]!;
}

const isStyle = (path: string) => path.endsWith(".css");
const isScript = (path: string) => path.endsWith(".js");

/** Scopes of components that show, which no style sheet has a rule for. Components without styles have no scope. */
const unstyled = () =>
  page.evaluate(() => {
    const rules = [...document.styleSheets].flatMap((sheet) => [...sheet.cssRules]).map((rule) => rule.cssText).join("\n");
    const scopes = [...document.querySelectorAll("#app *")].flatMap((one) => [...one.classList]).filter((name) => name.startsWith("svelte-"));
    return [...new Set(scopes)].filter((scope) => !rules.includes(`.${scope}`));
  });

/** Goes to every page, and fails if one doesn't come or comes without its style. */
async function everyPageHasItsStyle(): Promise<void> {
  for (const id of PAGES) {
    await page.getByTestId(`nav-${id}`).click();
    await page.locator("main .held:not([hidden]) h1").waitFor();
    expect(await unstyled(), id).toEqual([]);
  }
  const looks = await page.evaluate(() => [getComputedStyle(document.body).overflow, getComputedStyle(document.querySelector("main")!.parentElement!).display]);
  expect(looks).toEqual(["hidden", "grid"]);
}

test("a style sheet that fails once is there when the pages are", async () => {
  const failed = await faulty((path, before) => isStyle(path) && before < 1);
  await page.goto(await server.url());
  await everyPageHasItsStyle();
  expect(failed).not.toEqual([]);
});

test("scripts that fail once are loaded by the next try", async () => {
  const first = await entry();
  const failed = await faulty((path, before) => isScript(path) && path !== first && before < 1);
  await page.goto(await server.url());
  await everyPageHasItsStyle();
  expect(failed.length).toBeGreaterThanOrEqual(PAGES.length);
});

test("a page whose script fails says so, and comes when it loads", async () => {
  let isAway = true;
  await faulty((path) => path.includes("/EvolvePage") && isAway);
  await page.goto(await server.url());
  await page.getByTestId("nav-evolve").click();
  await page.getByText("Vivarium tries again automatically.").waitFor();
  expect(await unstyled()).toEqual([]);
  isAway = false;
  await everyPageHasItsStyle();
});

test("without its first script the page says what to do", async () => {
  const first = await entry();
  await faulty((path) => path === first);
  await page.goto(await server.url());
  await page.getByText("If this message stays, reload the page.").waitFor();
});

test("a style sheet that never loads ends in a message, and no page without style is shown", async () => {
  await faulty(isStyle);
  await page.clock.install();
  await page.goto(await server.url());
  await expect.poll(async () => (await page.clock.fastForward(5000), page.locator("body").innerText())).toContain("could not be loaded");
  expect(await page.locator("#app > *").count()).toBe(0);
});

test("a page without a code says how to get in, and nothing of settings or machines", async () => {
  await faulty(() => false);
  for (const after of ["", "#code=00"]) {
    await page.goto(`http://${server.address}/${after}`);
    await page.getByTestId("signed-out").getByText("Press Enter in the terminal").waitFor();
    expect(await page.locator("body").innerText()).not.toMatch(/settings|machine/i);
    await looksRight(page);
  }
});

test("a page whose server was restarted says so, and keeps what was typed", async () => {
  await faulty(() => false);
  await page.goto(await server.url());
  await page.getByTestId("nav-notebook").click();
  await page.getByTestId("cell-input").fill("precious = 1");
  await page.route("**/rpc/*", (route) => route.fulfill({ status: 401, contentType: "text/plain", body: "no" }));
  await page.getByTestId("nav-machine").click();
  await page.getByTestId("signed-out").getByText("was restarted").waitFor();
  await page.getByTestId("nav-notebook").click();
  expect(await page.getByTestId("cell-input").innerText()).toContain("precious");
});
