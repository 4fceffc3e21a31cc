// The Evolve page in a browser, with a real machine.

import { appendFileSync } from "node:fs";
import { join } from "node:path";

import { afterAll, expect, test } from "vitest";

import { running } from "./machine";
import { docker, looksRight, SLOW_MS } from "./support";

// Generations outlive their machine; what is asked for first is done last.
afterAll(() => {
  const tags = docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", `${machine.instance.name}-os`).split("\n");
  for (const tag of tags.filter(Boolean)) docker("image", "rm", tag);
});
const machine = running("evolve");

test("a change of the repo becomes a new generation, and goes again", async () => {
  machine.instance.vivarium("exec", "kept = 41");
  appendFileSync(join(machine.repo, "body/rootfs/usr/share/vivarium/hello.txt"), "Hello from the repo\n");
  await machine.page.getByTestId("nav-evolve").click();
  await expect.poll(() => machine.page.getByTestId("evolve-diff").textContent()).toContain("hello.txt");
  await looksRight(machine.page);
  await machine.page.getByTestId("evolve-note").fill("says hello");
  await machine.page.getByTestId("evolve-start").click();
  await machine.page.locator("[data-testid=evolve-steps] [data-step=build][data-state=running]").waitFor({ state: "attached" });
  await looksRight(machine.page);
  await machine.page.locator("[data-testid=evolve-run]:not([data-state=running])").waitFor({ timeout: 3 * SLOW_MS });
  expect(await machine.page.getByTestId("evolve-run").getAttribute("data-state"), (await machine.page.getByTestId("evolve-run").textContent()) ?? "").toBe("good");
  expect(machine.instance.vivarium("exec", "print(kept + 1, open('/usr/share/vivarium/hello.txt').read())")).toContain("42 Hello");
  await looksRight(machine.page);

  await machine.page.getByTestId("generation-menu-1").click();
  await machine.page.getByTestId("generation-back").click();
  await looksRight(machine.page);
  await machine.page.getByTestId("evolve-back-yes").click();
  await expect.poll(() => machine.page.getByTestId("evolve-run").textContent(), { timeout: SLOW_MS }).toContain("Rolled back to generation 1");
  expect(machine.instance.vivarium("exec", "import os; print(kept, os.path.exists('/usr/share/vivarium/hello.txt'))")).toContain("41 False");

  // The run before it is told with its steps and its log.
  const past = machine.page.getByTestId("evolve-past");
  await past.getByRole("button", { name: /Generation 2 is current.*says hello/ }).click();
  await expect.poll(() => past.textContent()).toContain("good: the new machine is running");
  await looksRight(machine.page);
}, 5 * SLOW_MS);

test("no error was met on the way", () => {
  // The machine is away while it is swapped, and a container's start changes the network.
  expect(machine.errors.filter((error) => !/ERR_CONNECTION|ERR_SOCKS|ERR_NETWORK_CHANGED|409|502|503/.test(error))).toEqual([]);
  expect(docker("ps", "-aq", "--filter", `name=${machine.instance.name}-os-host-`)).toBe("");
});
