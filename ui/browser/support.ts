// A real engine behind a real page: `vivarium serve --ui` on an instance of its own, in headless
// Chromium. Gone when closed.

import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { chromium, type Browser, type Page } from "playwright-core";
import { afterEach, expect, vi } from "vitest";

import { Apart, CHROMIUM } from "./apart";

export const PROJECT = join(import.meta.dirname, "../..");
const VIVARIUM = join(PROJECT, "target/debug/vivarium");
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** As long as a machine may take to come up on a computer that is busy with much else. */
export const SLOW_MS = 300_000;
/** As long as a page may take there to show something. */
const PAGE_MS = 90_000;

/**
 * A port that nobody listens at, that no other test takes as long as this process lives, and that the
 * system gives to nobody by itself.
 */
async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(15_000, 32_000);
    // Tells other tests that it is taken; see tests/lib.rs.
    const mark = createSocket("udp4").unref();
    const isMarked = await new Promise<boolean>((resolve) => {
      mark.once("error", () => resolve(false));
      mark.bind(port, "127.0.0.1", () => resolve(true));
    });
    if (!isMarked) continue;
    const isFree = await new Promise<boolean>((resolve) => {
      const server = createServer();
      server.on("error", () => resolve(false));
      server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
    });
    if (isFree) return port;
  }
}

/** An instance: prefix, ports and home folder of its own. */
export class Instance {
  readonly home = mkdtempSync(join(tmpdir(), "vivarium-browser-"));
  readonly environment: NodeJS.ProcessEnv;
  readonly name: string;

  private constructor(name: string, ports: number[], environment: NodeJS.ProcessEnv) {
    this.name = name;
    const instance = process.env["VIVARIUM_TEST_INSTANCE"];
    this.environment = {
      ...process.env,
      VIVARIUM_INSTANCE: name,
      VIVARIUM_HOME: this.home,
      VIVARIUM_KEYCHAIN: "off",
      VIVARIUM_TEMPLATE: PROJECT,
      VIVARIUM_IMAGE: instance === undefined ? "os" : `${instance}-os`,
      VIVARIUM_KERNEL_PORT: String(ports[0]),
      VIVARIUM_MCP_PORT: String(ports[1]),
      VIVARIUM_VNC_PORT: String(ports[2]),
      ...environment,
    };
  }

  static async make(name: string, environment: NodeJS.ProcessEnv = {}): Promise<Instance> {
    const run = process.env["VIVARIUM_TEST_INSTANCE"] ?? "vtest";
    return new Instance(`${run}-${process.pid}-${name}`, [await freePort(), await freePort(), await freePort()], environment);
  }

  get container(): string {
    return `${this.name}-os-host`;
  }

  vivarium(...args: string[]): string {
    return execFileSync(VIVARIUM, args, { env: this.environment, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  }

  remove(): void {
    this.vivarium("rm", "--home-volume");
    // A server that was killed leaves the sandboxes that it had ready, where their image is there.
    const left = docker("ps", "-aq", "--filter", `label=vivarium.instance=${this.name}`, "--filter", "label=vivarium.kind=sandbox");
    if (left !== "") docker("rm", "-fv", ...left.split("\n"));
    rmSync(this.home, { recursive: true, force: true });
  }
}

export function docker(...args: string[]): string {
  return execFileSync("docker", args, { encoding: "utf8" }).trim();
}

/** `vivarium serve --ui`, and the address that it printed. */
export class Server {
  readonly token: string;
  readonly address: string;
  #process: ChildProcess;

  private constructor(process: ChildProcess, printed: { token: string; pages: string }) {
    this.#process = process;
    this.token = printed.token;
    this.address = printed.pages;
  }

  static async start(instance: Instance): Promise<Server> {
    const process = spawn(VIVARIUM, ["serve", "--ui", "--json", "--port", "0"], { env: instance.environment, stdio: ["ignore", "pipe", "inherit"] });
    for await (const line of createInterface({ input: process.stdout })) return new Server(process, JSON.parse(line) as { token: string; pages: string });
    throw new Error("vivarium serve ended without a word");
  }

  /** A new address, which opens one page. */
  async url(): Promise<string> {
    const headers = { Authorization: `Bearer ${this.token}` };
    const response = await fetch(`http://${this.address}/session/code`, { method: "POST", headers });
    const { code } = (await response.json()) as { code: string };
    return `http://${this.address}/#code=${code}`;
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null) return;
    const ended = new Promise((resolve) => this.#process.once("exit", resolve));
    this.#process.kill("SIGTERM");
    await ended;
  }
}

export async function launch(): Promise<Browser> {
  const apart = await Apart.make();
  const browser = await chromium.launch({
    executablePath: apart?.chromium ?? CHROMIUM,
    args: [
      ...(apart?.args ?? []),
      ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
      "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    ],
  });
  browser.on("disconnected", () => apart?.end());
  return browser;
}

const pages = new Set<Page>();

// What a failed test last saw, for people.
afterEach(async ({ task }) => {
  if (task.result?.state !== "fail") return;
  for (const [at, page] of [...pages].entries()) {
    const path = join(PROJECT, "target/screenshots", `${task.name.replaceAll(/\W+/g, "-")}-${at}.png`);
    await page.screenshot({ path }).catch(() => {});
  }
});

/** A page whose every error fails the test that asks for them. */
export async function open(browser: Browser, from: Server | string): Promise<{ page: Page; errors: string[] }> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 820 }, permissions: ["clipboard-read", "clipboard-write"] });
  const page = await context.newPage();
  page.setDefaultTimeout(PAGE_MS);
  pages.add(page);
  page.on("close", () => pages.delete(page));
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error") errors.push(`${message.text()} ${message.location().url}`);
  });
  // A container that starts or ends anywhere changes this computer's network, and Chromium then
  // drops what it is loading: also what the page asks for once it is there.
  const isDropped = () => errors.some((error) => error.includes("ERR_NETWORK_CHANGED"));
  const isThere = async () => (await page.locator("#app > *").count()) > 0;
  do {
    errors.length = 0;
    // The same address again would only be another place in the page that is there.
    await page.goto("about:blank");
    await page.goto(typeof from === "string" ? from : await from.url());
    await vi.waitUntil(async () => isDropped() || (await isThere()), { timeout: SLOW_MS });
  } while (isDropped());
  return { page, errors };
}

let pictures = 0;

/** Keeps a picture of the page in the folder that `VIVARIUM_TEST_PICTURES` names, for people. */
async function keepPicture(page: Page, what: string): Promise<void> {
  const folder = process.env["VIVARIUM_TEST_PICTURES"];
  if (folder === undefined) return;
  const name = (expect.getState().currentTestName ?? "page").replaceAll(/\W+/g, "-").slice(0, 80);
  await page.screenshot({ path: join(folder, `${name}-${++pictures}-${what}.png`) });
}

/** What is wider than the window, or than the part of a page that scrolls up and down; and buttons of a page's head that lie outside of it. */
const outOfSight = (page: Page) =>
  page.evaluate(() => {
    const shown = (one: Element) => one.outerHTML.slice(0, 200);
    const all = [...document.querySelectorAll<HTMLElement>("body *")];
    const wide = document.documentElement.scrollWidth <= window.innerWidth ? [] : all.filter((one) => one.getBoundingClientRect().right > window.innerWidth);
    // Text that keeps its lines, and tables of data, scroll sideways in themselves.
    const scrolls = all.filter((one) => one.clientWidth > 0 && one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).overflowX === "auto" && !one.matches("pre, [data-wide], .cm-scroller"));
    const heads = all.filter((one) => one.matches("main .held:not([hidden]) .page > header"));
    const outside = heads.flatMap((head) => {
      const box = head.getBoundingClientRect();
      return [...head.querySelectorAll("button")].filter((button) => {
        const { left, right, top, bottom } = button.getBoundingClientRect();
        return right > left && (left < box.left || right > box.right || top < box.top || bottom > box.bottom);
      });
    });
    return [...wide, ...scrolls, ...outside].map(shown);
  });

/** Fails with what axe finds against WCAG A and AA, and with what is out of sight, also at twice the size. */
export async function looksRight(page: Page): Promise<void> {
  for (const colorScheme of ["light", "dark"] as const) {
    for (const width of [1280, 800]) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await page.setViewportSize({ width, height: 720 });
      await page.evaluate(() => Promise.allSettled(document.getAnimations().map((animation) => animation.finished)));
      await keepPicture(page, `${colorScheme}-${width}`);
      // The page's policy lets no script in: axe comes through the browser's own door.
      const found = await page.evaluate(`${AXE}; axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] }).then((result) =>
        result.violations.flatMap(({ id, nodes }) => nodes.map((node) => id + ": " + node.target + " " + node.failureSummary)))`);
      expect(found, `${colorScheme}, ${width} wide`).toEqual([]);
      // The sidebar folds in the frame after the window's change.
      await expect.poll(() => outOfSight(page), { message: `out of sight: ${colorScheme}, ${width} wide` }).toEqual([]);
    }
  }
  // A window of 1280 at 200 %.
  await page.setViewportSize({ width: 640, height: 410 });
  await keepPicture(page, "twice");
  await expect.poll(() => outOfSight(page), { message: "out of sight at 200 %" }).toEqual([]);
  await page.setViewportSize({ width: 1280, height: 820 });
}

/** Waits for an element with this `data-testid` and attribute. */
export async function state(page: Page, id: string, value: string, timeout = PAGE_MS): Promise<void> {
  await page.locator(`[data-testid="${id}"][data-state="${value}"]`).waitFor({ state: "attached", timeout });
}
