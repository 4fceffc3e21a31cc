// What goes wrong outside while the page is open. None of it needs a restart of the app.

import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server as NetServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";

import { docker, Instance, launch, looksRight, open, PROJECT, Server, SLOW_MS, state } from "./support";

/** Where the engine really listens. */
const ENGINE = (process.env["DOCKER_HOST"] ?? "unix:///var/run/docker.sock").replace("unix://", "");

/** A socket before the engine's that can go away and come back. */
class EngineDoor {
  readonly folder = mkdtempSync(join(tmpdir(), "vivarium-door-"));
  readonly path = join(this.folder, "docker.sock");
  #server: NetServer | null = null;
  #open = new Set<Socket>();

  async up(): Promise<void> {
    const server = createServer((socket) => {
      const engine = connect(ENGINE);
      for (const [one, other] of [[socket, engine], [engine, socket]] as const) {
        this.#open.add(one);
        one.pipe(other);
        one.on("error", () => other.destroy());
        one.on("close", () => (this.#open.delete(one), other.destroy()));
      }
    });
    await new Promise<void>((resolve) => server.listen(this.path, resolve));
    this.#server = server;
  }

  /** Gone at once, with everything that goes on. */
  async down(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    for (const socket of this.#open) socket.destroy();
    if (server) await new Promise((resolve) => server.close(resolve));
  }

  async remove(): Promise<void> {
    await this.down();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

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

async function appOn(instance: Instance): Promise<Page> {
  const server = await Server.start(instance);
  after.push(() => server.stop());
  const { page } = await open(browser, server);
  after.push(() => page.context().close());
  return page;
}

async function made(name: string, environment?: NodeJS.ProcessEnv): Promise<Instance> {
  const instance = await Instance.make(name, environment);
  after.push(() => instance.remove());
  return instance;
}

async function start(page: Page): Promise<void> {
  await page.getByTestId("machine-start").click();
  await state(page, "machine-state", "running", SLOW_MS);
}

test("the engine is away, comes, goes and comes back", async () => {
  const door = new EngineDoor();
  after.push(() => door.remove());
  const instance = await made("door");
  const page = await appOn(Object.assign(Object.create(instance) as Instance, { environment: { ...instance.environment, DOCKER_HOST: `unix://${door.path}` } }));
  await page.getByText("No container engine is running").waitFor();
  await looksRight(page);
  // Another can be chosen, and tried first.
  await page.getByText("Choose another engine").click();
  await page.getByTestId("engine-choice").selectOption("address");
  await page.getByTestId("engine-address").fill("tcp://127.0.0.1:1");
  await page.getByTestId("engine-test").click();
  await page.getByTestId("failure").waitFor();
  await looksRight(page);
  await page.getByTestId("engine-address").fill(`unix://${ENGINE}`);
  await page.getByTestId("engine-test").click();
  await page.getByTestId("engine-works").waitFor();
  await page.getByTestId("nav-machine").click();
  await door.up();
  await start(page);
  await page.getByTestId("nav-desktop").click();
  await state(page, "desktop-screen", "connected");
  await page.getByTestId("nav-machine").click();
  await door.down();
  await page.getByText("No container engine is running").waitFor();
  await door.up();
  await state(page, "machine-state", "running");
  await page.getByTestId("machine-stop").waitFor();
}, SLOW_MS);

test("the display dies in the middle of a picture, and the container is taken away", async () => {
  const instance = await made("outside");
  const page = await appOn(instance);
  await start(page);
  await page.getByTestId("nav-desktop").click();
  await state(page, "desktop-screen", "connected");
  // Something that keeps drawing, so that there is a picture on its way.
  instance.vivarium("shell", "(DISPLAY=:99 setsid xterm -fullscreen -e sh -c 'while :; do date +%N; done' >/dev/null 2>&1 &)");
  await page.evaluate(() => document.querySelector<HTMLElement>("[data-testid=desktop-screen]")!.setAttribute("data-before", "yes"));
  docker("exec", instance.container, "pkill", "-9", "Xvnc");
  await expect.poll(() => page.locator("[data-testid=desktop-screen]").getAttribute("data-state")).not.toBe("connected");
  await state(page, "desktop-screen", "connected", SLOW_MS);

  docker("rm", "-f", instance.container);
  await state(page, "machine-state", "absent");
  await page.getByText("No desktop to show").waitFor();
  await looksRight(page);
  await page.getByTestId("nav-machine").click();
  await start(page);
}, SLOW_MS);

test("two apps at once: one starts the machine, both see it, neither harms the other", async () => {
  const instance = await made("two");
  const [one, two] = [await appOn(instance), await appOn(instance)];
  await Promise.all([one, two].map((page) => page.getByTestId("machine-start").waitFor()));
  await one.getByTestId("machine-start").click();
  await state(two, "machine-state", "running", SLOW_MS);
  await state(one, "machine-state", "running", SLOW_MS);
  await two.getByTestId("machine-stop").click();
  await state(one, "machine-state", "stopped");
}, SLOW_MS);

test("a page whose files did not come says so, and comes when they do", async () => {
  const page = await appOn(await made("files"));
  let away = true;
  await page.route(/SettingsPage.*\.js/, (route) => (away ? route.abort() : route.continue()));
  await page.reload();
  await page.getByTestId("nav-settings").click();
  await page.getByText("This page could not be loaded").waitFor();
  await looksRight(page);
  away = false;
  await page.getByTestId("engine-choice").waitFor();
});

test("a settings file damaged by hand is told of, the defaults hold, and it is kept aside by a change", async () => {
  const instance = await made("settings");
  const folder = join(instance.home, "config/instances", instance.name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "settings.toml"), "theme = \"da");
  const page = await appOn(instance);
  await page.getByTestId("settings-trouble").click();
  await page.getByText("can't be read; using the default settings").waitFor();
  await looksRight(page);
  expect(readFileSync(join(folder, "settings.toml"), "utf8")).toBe("theme = \"da");
  await page.getByRole("radio", { name: "Dark" }).check({ force: true });
  await expect.poll(() => existsSync(join(folder, "settings.toml.damaged-1"))).toBe(true);
  expect(readFileSync(join(folder, "settings.toml.damaged-1"), "utf8")).toBe("theme = \"da");
  await expect.poll(() => existsSync(join(folder, "settings.toml"))).toBe(true);
  expect(readdirSync(folder).filter((name) => name.startsWith("settings"))).toHaveLength(2);
});

test("a machine's spec that can't be read says where", async () => {
  const instance = await made("spec");
  const folder = join(instance.home, "config/instances", instance.name);
  mkdirSync(join(folder, "machines"), { recursive: true });
  const spec = join(folder, "machines/os-host.toml");
  writeFileSync(spec, "[limits]\nmemory = \"lots\"\n");
  after.push(() => rmSync(spec));
  const page = await appOn(instance);
  await page.getByText("os-host.toml").first().waitFor();
  await page.getByText("line 2").first().waitFor();
  await looksRight(page);
});

test("a build that fails shows its last lines, and can be tried again", async () => {
  const template = mkdtempSync(join(tmpdir(), "vivarium-template-"));
  after.push(() => rmSync(template, { recursive: true, force: true }));
  cpSync(join(PROJECT, "body"), join(template, "body"), { recursive: true });
  writeFileSync(join(template, "body/Dockerfile"), "FROM debian:trixie-slim\nRUN echo nearly there && sh -c 'echo the disk is made of cheese >&2; exit 3'\n");
  const instance = await made("broken", { VIVARIUM_TEMPLATE: template });
  delete instance.environment["VIVARIUM_IMAGE"];
  const page = await appOn(instance);
  await page.getByTestId("machine-start").click();
  await page.getByText("the disk is made of cheese").first().waitFor();
  await page.getByTestId("failure").waitFor();
  await looksRight(page);
  expect(await page.getByRole("button", { name: "Retry" }).isEnabled()).toBe(true);
}, SLOW_MS);
