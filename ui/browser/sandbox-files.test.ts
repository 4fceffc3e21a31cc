// A file that a sandbox made, at an address of `vivarium serve` that anybody may open: no browser makes a
// page, a script or a picture of it, and another site's page reads nothing there.

import { spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer, type Server as Site } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";

import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";

import { Instance, launch, SLOW_MS } from "./support";

/** Says that it ran to whoever shows it, and takes what it can. */
const HOSTILE = `<!doctype html><title>owned</title><script>
  (window.opener ?? window.parent).postMessage("owned", "*");
  document.title = "owned";
  window.owned = true;
  fetch("/sessions").then((answer) => answer.text()).then((text) => { document.title = text; });
</script>`;

let instance: Instance;
let server: ChildProcess;
let browser: Browser;
/** Another site, whose pages are anybody's. */
let site: Site;
let api: string;
let sandbox: string;

const file = (name: string) => `${api}/sessions/${sandbox}/files/content?path=${encodeURIComponent(`/workspace/${name}`)}`;

beforeAll(async () => {
  instance = await Instance.make("sandbox-files");
  const config = join(instance.home, "config/instances", instance.name);
  mkdirSync(config, { recursive: true });
  writeFileSync(join(config, "settings.toml"), '[sandboxes]\nimage = "debian:trixie-slim"\npool = 0\n');
  server = spawn(join(import.meta.dirname, "../../target/debug/vivarium"), ["--json", "serve", "--port", "0", "--no-token"], {
    env: instance.environment,
    stdio: ["ignore", "pipe", "inherit"],
  });
  for await (const line of createInterface({ input: server.stdout! })) {
    api = `http://${(JSON.parse(line) as { address: string }).address}`;
    break;
  }
  const made = await fetch(`${api}/sessions`, { method: "POST" });
  sandbox = ((await made.json()) as { sandbox_id: string }).sandbox_id;
  for (const name of ["page.html", "code.js", "image.svg"]) {
    const content = name === "code.js" ? "window.owned = true" : HOSTILE;
    expect((await fetch(file(name), { method: "PUT", body: content })).status).toBe(200);
  }
  site = createServer((_, answer) => answer.setHeader("Content-Type", "text/html").end("<!doctype html><title>site</title>"));
  await new Promise<void>((resolve) => site.listen(0, "127.0.0.1", resolve));
  browser = await launch();
}, SLOW_MS);

afterAll(async () => {
  await browser?.close();
  site?.close();
  if (sandbox !== undefined) await fetch(`${api}/sessions/${sandbox}`, { method: "DELETE" });
  const ended = new Promise((resolve) => server?.once("exit", resolve));
  server?.kill("SIGTERM");
  await ended;
  instance?.remove();
}, SLOW_MS);

test("an address of a file is a download, and never a page", async () => {
  const page = await browser.newPage();
  for (const name of ["page.html", "image.svg", "code.js"]) {
    const downloads = page.waitForEvent("download");
    await page.goto(file(name)).catch(() => {});
    const download = await downloads;
    expect(download.suggestedFilename()).toBe(name);
    await download.cancel();
    expect(await page.title()).toBe("");
  }
  await page.close();
}, SLOW_MS);

test("another site's page can neither run, show nor read it", async () => {
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${(site.address() as AddressInfo).port}/`);
  await page.evaluate(() => addEventListener("message", ({ data }) => ((window as unknown as { said: unknown }).said = data)));
  const failed = (tag: string, attribute: string, url: string) =>
    page.evaluate(
      ([tag, attribute, url]) =>
        new Promise((resolve) => {
          const element = document.createElement(tag!);
          element.addEventListener("load", () => resolve("load"));
          element.addEventListener("error", () => resolve("error"));
          element.setAttribute(attribute!, url!);
          document.head.append(element);
        }),
      [tag, attribute, url],
    );
  expect(await failed("script", "src", file("code.js"))).toBe("error");
  expect(await failed("img", "src", file("image.svg"))).toBe("error");
  const read = await page.evaluate((url) => fetch(url).then((answer) => answer.text(), () => "refused"), file("page.html"));
  expect(read).toBe("refused");
  const listed = await page.evaluate((url) => fetch(url).then((answer) => answer.text(), () => "refused"), `${api}/sessions`);
  expect(listed).toBe("refused");

  const downloads = page.waitForEvent("download");
  await page.evaluate((url) => document.body.append(Object.assign(document.createElement("iframe"), { src: url })), file("page.html"));
  await (await downloads).cancel();
  expect(await page.evaluate(() => ["said" in window, "owned" in window])).toEqual([false, false]);
  await page.close();
}, SLOW_MS);
