// What a machine's inside can do to the pages: nothing of it hangs, fools or breaks them. The
// development server with the fake host is enough, under the policy that the real pages have.

import { join } from "node:path";

import type { Browser, Page } from "playwright-core";
import { createServer, type ViteDevServer } from "vite";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";

import { launch, looksRight } from "./support";

const POLICY = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self'; frame-src 'self'; object-src 'none'; base-uri 'none'; connect-src 'self' ws:";
const TURN_MS = 20_000;

let server: ViteDevServer;
let browser: Browser;
let page: Page;
let errors: string[] = [];

beforeAll(async () => {
  const root = join(import.meta.dirname, "..");
  // All that pages need is found before: what is found later loads them again.
  const optimizeDeps = { entries: ["index.html", "src/**/*.svelte", "src/**/*.ts", "!src/**/*.test.ts"] };
  server = await createServer({ root, cacheDir: join(root, "node_modules/.vite-hostile"), optimizeDeps, server: { port: 0, strictPort: false, hmr: false, headers: { "Content-Security-Policy": POLICY } }, logLevel: "error" });
  await server.listen();
  browser = await launch();
  // The first page waits until the server has found and made everything.
  await open("mcp", "running", 240_000);
  await page.getByTestId("mcp-connect").waitFor({ timeout: 240_000 });
  await page.context().close();
}, 600_000);

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

afterEach(async () => {
  await page?.context().close();
});

async function open(view: string, scene = "hostile", limit_ms = TURN_MS * 3): Promise<void> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 820 } });
  page = await context.newPage();
  page.setDefaultTimeout(limit_ms);
  errors = [];
  page.on("pageerror", (error) => errors.push(error.message));
  await page.goto(`${server.resolvedUrls!.local[0]}?scene=${scene}#${view}`);
  await page.locator("#app > *").first().waitFor();
}

async function tool(name: string): Promise<void> {
  await page.getByTestId(`mcp-offer-${name}`).click();
  await page.locator(`[data-testid=mcp-form][data-offer="${name}"]`).waitFor();
}

async function connect(): Promise<void> {
  await open("mcp");
  await page.getByTestId("mcp-connect").click();
  await page.getByTestId("mcp-offer-safe").waitFor();
}

const outcome = (kind: string) => page.locator(`[data-testid=mcp-outcome][data-outcome=${kind}]`);

test("each tool has its own form, whatever its schema", async () => {
  await connect();
  await expect(page.getByTestId("mcp-offer-safe").count()).resolves.toBe(1);
  await page.getByTestId("mcp-form").getByLabel("path").fill("typed for safe");
  for (const name of ["payload", "nothing", "self"]) {
    await tool(name);
    expect(await page.locator(".offer h2").textContent()).toBe(name);
    expect(await page.getByTestId("mcp-form").getByLabel("path").count()).toBe(0);
    await page.getByTestId("mcp-call").click();
    // No value is right for a schema that needs itself: the form says so.
    if (name === "self") await page.getByRole("button", { name: "Call all the same" }).click();
    await expect.poll(() => outcome("done").textContent(), { timeout: TURN_MS }).toContain(`called ${name} `);
    expect(await page.getByTestId("mcp-result").textContent()).not.toContain("typed for safe");
  }
  expect(await page.getByRole("list", { name: "tools" }).textContent()).toContain("⟨U+202E⟩exe");
  expect(await page.getByRole("list", { name: "tools" }).textContent()).toContain("has no end");
  await looksRight(page);
  expect(errors).toEqual([]);
}, 300_000);

test("neither a pattern nor an answer holds up the page", async () => {
  await connect();
  await tool("pattern");
  await page.getByTestId("mcp-call").click();
  // The page answers while the pattern is tried.
  await page.getByTestId("mcp-search").fill("a");
  await page.getByTestId("mcp-search").fill("");
  await outcome("done").waitFor();
  await page.getByText("takes too long to check").waitFor();

  for (const [name, kind, words] of [["odd", "done", "the end"], ["deep", "done", "deep"], ["wide", "done", "k59"], ["broken", "broken", "unexpected shape"]] as const) {
    await tool(name);
    await page.getByTestId("mcp-call").click();
    await outcome(kind).waitFor();
    await expect.poll(() => outcome(kind).textContent(), { timeout: TURN_MS }).toContain(words);
    expect(await page.evaluate("document.querySelectorAll('*').length")).toBeLessThan(4000);
  }
  expect(errors).toEqual([]);
}, 300_000);

test("a question without content holds up no other, and keys meant for something else answer none", async () => {
  await connect();
  await page.getByLabel("Answer questions").check();
  await page.getByTestId("mcp-offer-ask").waitFor();
  await tool("ask");
  await page.getByTestId("mcp-call").click();
  const question = page.getByTestId("mcp-question");
  await question.waitFor();
  await page.keyboard.press("Enter");
  await page.keyboard.press("Space");
  expect(await question.textContent()).toContain("wants a model's answer");
  await looksRight(page);
  await page.getByTestId("mcp-decline").click();
  await page.getByText("second ⟨U+202E⟩question").waitFor();
  await page.getByTestId("mcp-accept").click();
  await expect.poll(() => question.textContent(), { timeout: TURN_MS }).not.toContain("second");
  expect(errors).toEqual([]);
}, 300_000);

test("the review before an evolve shows every file's own lines", async () => {
  await open("evolve");
  const diff = page.getByTestId("evolve-diff");
  await diff.waitFor();
  for (const summary of await diff.locator("summary").all()) if ((await summary.locator("..").getAttribute("open")) === null) await summary.click();
  const lines = async (name: string) => diff.locator("li").filter({ has: page.getByText(name, { exact: true }) }).textContent();
  expect(await lines("body/Dockerfile")).toContain("+RUN evil");
  expect(await lines("z b/body/Dockerfile")).toContain("+innocent");
  expect(await lines('na"me')).toContain("+quoted");
  expect(await lines("rtl⟨U+202E⟩gpj.sh")).toContain("+echo ⟨U+202E⟩reversed");
  expect(await lines("lost")).toContain("could not be read");
  expect(await diff.textContent()).not.toContain("No lines changed");
  await looksRight(page);
  expect(errors).toEqual([]);
}, 300_000);

test("logs and services are text", async () => {
  await open("machine");
  const log = page.getByRole("log").last();
  await expect.poll(() => log.textContent(), { timeout: TURN_MS }).toContain("a⟨U+202E⟩b");
  expect(await log.textContent()).not.toContain("owned");
  expect(await page.getByTestId("services").textContent()).toContain("constructor");
  expect(await page.getByTestId("services").textContent()).not.toContain("native code");
  await looksRight(page);
  expect(errors).toEqual([]);
}, 300_000);

/** Runs a cell of the hostile machine. */
async function cell(source: string): Promise<void> {
  await open("notebook");
  await page.getByTestId("cell-input").first().fill(source);
  await page.keyboard.press("Control+Enter");
  await page.locator("[data-testid=cell][data-state=completed]").waitFor();
}

test("a formula covers no other cell, and a link says where it leads", async () => {
  await cell("rule");
  const math = page.getByTestId("markdown");
  await math.locator("math").waitFor({ state: "attached" });
  const covered = await page.evaluate(() => {
    const box = document.querySelector("[data-testid=markdown]")!.getBoundingClientRect();
    return [box.right <= window.innerWidth, document.elementFromPoint(box.left + 20, box.bottom + 30)?.closest("math") === null];
  });
  expect(covered).toEqual([true, true]);
  expect(await math.locator("a").getAttribute("title")).toBe("https://evil.example");
  expect(errors).toEqual([]);
}, 300_000);

test("what is typed into an output stays in it, and named elements break nothing", async () => {
  await cell("form");
  const frame = page.frameLocator("iframe");
  await frame.getByText("named elements").waitFor();
  await expect.poll(() => page.locator("iframe").evaluate((one) => one.getBoundingClientRect().height), { timeout: TURN_MS }).toBeGreaterThan(40);
  for (const target of [frame.locator("#edit"), frame.locator("input")]) {
    await target.click();
    await page.waitForTimeout(600);
    await page.keyboard.type("bddaay");
    await page.keyboard.press("Enter");
    expect(await page.getByTestId("cell").count()).toBe(1);
  }
  await frame.locator("button").click();
  await page.keyboard.type("dd");
  expect(await page.getByTestId("cell").count()).toBe(1);
  // A click on what takes no keys is one on the cell.
  await frame.getByText("named elements").click();
  await page.keyboard.type("b");
  await expect.poll(() => page.getByTestId("cell").count(), { timeout: TURN_MS }).toBe(2);
  expect(errors).toEqual([]);
}, 300_000);

test("outputs of any shape and number are drawn", async () => {
  await cell("odd");
  await expect.poll(() => page.getByTestId("cell-outputs").textContent(), { timeout: TURN_MS }).toContain("visible ⟨U+202E⟩end");
  expect(await page.getByTestId("cell-outputs").textContent()).not.toContain("owned");
  await page.context().close();
  await cell("many");
  await page.getByText("4,800 outputs are not shown").waitFor();
  expect(errors).toEqual([]);
}, 300_000);

const focused = () => page.evaluate(() => (document.activeElement as HTMLElement | null)?.getAttribute("aria-label") ?? document.activeElement?.tagName ?? null);

test("Enter after a notebook was opened runs nothing", async () => {
  await open("notebook");
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
}, 300_000);
