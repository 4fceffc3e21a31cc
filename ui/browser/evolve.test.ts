// The Evolve page in a browser, with a real machine.

import { appendFileSync } from "node:fs";
import { join } from "node:path";

import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";

import { docker, Instance, launch, looksRight, open, Server, SLOW_MS } from "./support";

let instance: Instance;
let server: Server;
let browser: Browser;
let page: Page;
let errors: string[];
let repo: string;

beforeAll(async () => {
  instance = await Instance.make("evolve");
  instance.vivarium("up");
  repo = join(instance.home, "data/instances", instance.name, "machines/os-host/repo");
  server = await Server.start(instance);
  browser = await launch();
  ({ page, errors } = await open(browser, server));
}, SLOW_MS);

afterAll(async () => {
  await browser?.close();
  await server?.stop();
  instance?.remove();
  // Generations outlive their machine.
  const tags = docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", `${instance.name}-os`).split("\n");
  for (const tag of tags.filter(Boolean)) docker("image", "rm", tag);
});

test("a change of the repo becomes a new generation, and goes again", async () => {
  instance.vivarium("exec", "kept = 41");
  appendFileSync(join(repo, "body/rootfs/usr/share/vivarium/hello.txt"), "Hello from the repo\n");
  await page.getByTestId("nav-evolve").click();
  await expect.poll(() => page.getByTestId("evolve-diff").textContent()).toContain("hello.txt");
  await looksRight(page);
  await page.getByTestId("evolve-note").fill("says hello");
  await page.getByTestId("evolve-start").click();
  await page.locator("[data-testid=evolve-steps] [data-step=build][data-state=running]").waitFor({ state: "attached" });
  await looksRight(page);
  await page.locator("[data-testid=evolve-run]:not([data-state=running])").waitFor({ timeout: 3 * SLOW_MS });
  expect(await page.getByTestId("evolve-run").getAttribute("data-state"), (await page.getByTestId("evolve-run").textContent()) ?? "").toBe("good");
  expect(instance.vivarium("exec", "print(kept + 1, open('/usr/share/vivarium/hello.txt').read())")).toContain("42 Hello");
  await looksRight(page);

  await page.getByTestId("generation-menu-1").click();
  await page.getByTestId("generation-back").click();
  await looksRight(page);
  await page.getByTestId("evolve-back-yes").click();
  await expect.poll(() => page.getByTestId("evolve-run").textContent(), { timeout: SLOW_MS }).toContain("Went back to generation 1");
  expect(instance.vivarium("exec", "import os; print(kept, os.path.exists('/usr/share/vivarium/hello.txt'))")).toContain("41 False");

  // The run before it is told with its steps and its log.
  const past = page.getByTestId("evolve-past");
  await past.getByRole("button", { name: /Generation 2 is in place.*says hello/ }).click();
  await expect.poll(() => past.textContent()).toContain("good: the new machine is in place");
  await looksRight(page);
}, 5 * SLOW_MS);

test("no error was met on the way", () => {
  // The machine is away while it is swapped, and a container's start changes the network.
  expect(errors.filter((error) => !/ERR_CONNECTION|ERR_SOCKS|ERR_NETWORK_CHANGED|409|502|503/.test(error))).toEqual([]);
  expect(docker("ps", "-aq", "--filter", `name=${instance.name}-os-host-`)).toBe("");
});
