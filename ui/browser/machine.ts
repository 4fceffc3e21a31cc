// A machine that runs, and a page on it: for a file whose tests are one story.

import { join } from "node:path";

import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll } from "vitest";

import { Instance, launch, open, Server, SLOW_MS } from "./support";

export interface Running {
  instance: Instance;
  page: Page;
  errors: string[];
  /** The machine's `/repo` on this computer. */
  repo: string;
}

/** Starts a machine and opens the page before the tests of a file, and removes all of it after them. */
export function running(name: string): Running {
  const machine = {} as Running;
  let server: Server | undefined;
  let browser: Browser | undefined;

  beforeAll(async () => {
    machine.instance = await Instance.make(name);
    machine.instance.vivarium("up");
    machine.repo = join(machine.instance.home, "data/instances", machine.instance.name, "machines/os-host/repo");
    server = await Server.start(machine.instance);
    browser = await launch();
    Object.assign(machine, await open(browser, server));
  }, SLOW_MS);

  afterAll(async () => {
    await browser?.close();
    await server?.stop();
    machine.instance?.remove();
  });

  return machine;
}
