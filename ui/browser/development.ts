// The pages of the development server with its fake host, under the policy that the real pages have:
// for what needs no machine. Vite and Chromium are gone when closed.

import { readFileSync } from "node:fs";
import { join } from "node:path";

import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { createServer, type Plugin, type ViteDevServer } from "vite";
import { afterAll, afterEach, beforeAll } from "vitest";

import { launch } from "./support";

const ROOT = join(import.meta.dirname, "..");
/** As the pages have it, and with the development server's own socket. */
const POLICY = `${readFileSync(join(ROOT, "content-security-policy.txt"), "utf8").trim().replaceAll("\n", "; ")}; connect-src 'self' ws:`;
/** As long as the page may take to answer on a computer that is busy with much else. */
export const TURN_MS = 120_000;
/** And a test of many turns. */
export const TEST_MS = 900_000;

export interface Opened {
  page: Page;
  /** What the page threw and nobody caught. */
  errors: string[];
}

interface How {
  /** One of the fake host's. */
  scene?: string;
  context?: BrowserContextOptions;
  /** Before anything is loaded. */
  before?: (page: Page) => Promise<unknown>;
}

declare global {
  interface Window {
    /** Names of the components that throw when they are drawn. */
    broken?: string[];
  }
}

const breakable: Plugin = {
  name: "breakable",
  enforce: "post",
  transform(code, id) {
    const name = /(\w+)\.svelte$/.exec(id)?.[1];
    if (name === undefined) return null;
    const failing = `export default function (...given) { if (window.broken?.includes("${name}")) throw new Error("${name} is made to fail"); return ${name}(...given); }`;
    // With hot reloading the compiler exports a component by its name, without it where it is declared.
    const local = code.replace(`export default function ${name}(`, `function ${name}(`).replace(new RegExp(`export default ${name};?`), "");
    if (local === code) throw new Error(`${name} can't be made to fail: its export is written in another way`);
    return { code: `${local}\n${failing}`, map: null };
  },
};

/** Serves the pages for the tests of a file, each of which opens one: `open(view)`. */
export function development(name: string): { open: (view: string, how?: How) => Promise<Opened> } {
  let server: ViteDevServer;
  let browser: Browser;
  let last: Page | undefined;

  async function open(view: string, { scene = "running", context, before }: How = {}): Promise<Opened> {
    await last?.context().close();
    const page = (last = await (await browser.newContext({ viewport: { width: 1280, height: 820 }, ...context })).newPage());
    page.setDefaultTimeout(TURN_MS);
    const errors: string[] = [];
    page.on("pageerror", (error) => errors.push(error.message));
    await before?.(page);
    await page.goto(`${server.resolvedUrls!.local[0]}?scene=${scene}#${view}`);
    await page.locator("#app > *").first().waitFor();
    return { page, errors };
  }

  beforeAll(async () => {
    // All that pages need is found before: what is found later loads them again. What an earlier run found
    // is of the sources of that time.
    const optimizeDeps = { force: true, entries: ["index.html", "src/**/*.svelte", "src/**/*.ts", "!src/**/*.test.ts"] };
    server = await createServer({
      root: ROOT,
      cacheDir: join(ROOT, `node_modules/.vite-${name}`),
      optimizeDeps,
      plugins: [breakable],
      server: { port: 0, strictPort: false, hmr: false, headers: { "Content-Security-Policy": POLICY } },
      logLevel: "error",
    });
    await server.listen();
    browser = await launch();
    // The first page waits until the server has found and made everything.
    await open("mcp", { before: async (page) => page.setDefaultTimeout(TEST_MS) });
    await last?.getByTestId("mcp-connect").waitFor();
  }, TEST_MS);

  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });

  afterEach(async () => {
    await last?.context().close();
    last = undefined;
  });

  return { open };
}
