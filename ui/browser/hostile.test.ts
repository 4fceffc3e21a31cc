// What a machine's inside can do to the pages: nothing of it hangs, fools or breaks them. The
// development server with the fake host is enough, under the policy that the real pages have.

import type { Page } from "playwright-core";
import { expect, test } from "vitest";

import { development, TEST_MS, TURN_MS } from "./development";
import { looksRight } from "./support";

const pages = development("hostile");
let page: Page;
let errors: string[];

async function open(view: string): Promise<void> {
  ({ page, errors } = await pages.open(view, { scene: "hostile" }));
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
    if (name === "self") await page.getByRole("button", { name: "Call anyway" }).click();
    await expect.poll(() => outcome("done").textContent(), { timeout: TURN_MS }).toContain(`called ${name} `);
    expect(await page.getByTestId("mcp-result").textContent()).not.toContain("typed for safe");
  }
  expect(await page.getByRole("list", { name: "tools" }).textContent()).toContain("⟨U+202E⟩exe");
  expect(await page.getByRole("list", { name: "tools" }).textContent()).toContain("is endless");
  await looksRight(page);
  expect(errors).toEqual([]);
}, TEST_MS);

test("neither a pattern nor an answer holds up the page", async () => {
  await connect();
  await tool("pattern");
  await page.getByTestId("mcp-call").click();
  // The page answers while the pattern is tried.
  await page.getByTestId("mcp-search").fill("a");
  await page.getByTestId("mcp-search").fill("");
  await outcome("done").waitFor();
  await page.getByText("takes too long to check").waitFor();

  for (const [name, kind, words] of [["odd", "done", "the end"], ["deep", "done", "deep"], ["wide", "done", "k59"], ["broken", "broken", "Unexpected response"]] as const) {
    await tool(name);
    await page.getByTestId("mcp-call").click();
    await outcome(kind).waitFor();
    await expect.poll(() => outcome(kind).textContent(), { timeout: TURN_MS }).toContain(words);
    expect(await page.evaluate("document.querySelectorAll('*').length")).toBeLessThan(4000);
  }
  expect(errors).toEqual([]);
}, TEST_MS);

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
  expect(await question.textContent()).toContain("requests a model response");
  await looksRight(page);
  await page.getByTestId("mcp-decline").click();
  await page.getByText("second ⟨U+202E⟩question").waitFor();
  await page.getByTestId("mcp-accept").click();
  await expect.poll(() => question.textContent(), { timeout: TURN_MS }).not.toContain("second");
  expect(errors).toEqual([]);
}, TEST_MS);

test("the review before an evolve shows every file's own lines", async () => {
  await open("evolve");
  const diff = page.getByTestId("evolve-diff");
  await diff.waitFor();
  for (const summary of await diff.locator("summary").all()) if ((await summary.locator("..").getAttribute("open")) === null) await summary.click();
  const lines = async (name: string) => diff.locator("li").filter({ has: page.getByText(name, { exact: true }) }).textContent();
  // A file's lines are drawn once it has opened, which the browser tells a moment later.
  const shown = { "body/Dockerfile": "+RUN evil", "z b/body/Dockerfile": "+innocent", 'na"me': "+quoted", "rtl⟨U+202E⟩gpj.sh": "+echo ⟨U+202E⟩reversed", lost: "could not be read" };
  for (const [name, words] of Object.entries(shown)) await expect.poll(() => lines(name), { timeout: TURN_MS }).toContain(words);
  expect(await diff.textContent()).not.toContain("No lines changed");
  await looksRight(page);
  expect(errors).toEqual([]);
}, TEST_MS);

test("logs and services are text", async () => {
  await open("machine");
  const log = page.getByRole("log").last();
  await expect.poll(() => log.textContent(), { timeout: TURN_MS }).toContain("a⟨U+202E⟩b");
  expect(await log.textContent()).not.toContain("owned");
  expect(await page.getByTestId("services").textContent()).toContain("constructor");
  expect(await page.getByTestId("services").textContent()).not.toContain("native code");
  await looksRight(page);
  expect(errors).toEqual([]);
}, TEST_MS);

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
}, TEST_MS);

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
}, TEST_MS);

test("outputs of any shape and number are drawn", async () => {
  await cell("odd");
  await expect.poll(() => page.getByTestId("cell-outputs").textContent(), { timeout: TURN_MS }).toContain("visible ⟨U+202E⟩end");
  expect(await page.getByTestId("cell-outputs").textContent()).not.toContain("owned");
  await cell("many");
  await page.getByText("4,800 outputs hidden").waitFor();
  await page.getByRole("button", { name: "Show more" }).click();
  await page.getByText("3,000 outputs hidden").waitFor();
  expect(errors).toEqual([]);
}, TEST_MS);

test("an output that lies in the machine comes when it is seen, and one that is gone is said", async () => {
  await cell("lying");
  const outputs = page.getByTestId("cell-outputs");
  await outputs.getByText("came from the machine").waitFor();
  const gone = page.getByTestId("output-reference");
  await gone.getByText("The output is no longer in the machine (image/png, text/⟨U+202E⟩html, 3.0 MB). Run the cell again.").waitFor();
  expect(await gone.count()).toBe(1);
  // What was kept of its text is drawn as text, with what can't be seen made visible.
  expect(await outputs.textContent()).toContain("<Figure> ⟨U+001B⟩]0;owned⟨U+0007⟩");
  expect(await outputs.textContent()).not.toMatch(/[\u0007\u001b\u202e]/u);
  await outputs.getByText("Output that can't be shown (reference)").waitFor();
  await looksRight(page);
  expect(errors).toEqual([]);
}, TEST_MS);
