// The list of long work in the status line: what it says in each state, and what the keyboard does there.

import type { Page } from "playwright-core";
import { expect, test } from "vitest";

import type { Command } from "../src/host";
import { development, TEST_MS, TURN_MS } from "./development";
import { looksRight } from "./support";

const pages = development("jobs");
let page: Page;
let errors: string[];

async function open(scene: string, view = "desktop"): Promise<void> {
  ({ page, errors } = await pages.open(view, { scene }));
}

const trigger = () => page.getByTestId("jobs");
const list = () => page.getByTestId("jobs-list");
const job = (kind: string, state: string) => list().locator(`[data-testid=job-${kind}][data-state=${state}]`);
const asked = (command: Command) =>
  page.evaluate((command) => (window as unknown as { asked: { command: string; request: unknown }[] }).asked.filter((one) => one.command === command).map(({ request }) => request), command);

test("the status line counts what goes on, and its list can be used with the keyboard alone", async () => {
  await open("jobs");
  await expect.poll(() => trigger().textContent(), { timeout: TURN_MS }).toBe("3 running, 1 queued, 2 failed");
  await trigger().focus();
  await page.keyboard.press("Enter");
  await job("cell", "running").getByText("model.fit(frame)").waitFor();
  await looksRight(page);
  const cancel = job("command", "running").getByTestId("job-cancel");
  await cancel.focus();
  await page.keyboard.press("Enter");
  await job("command", "cancelled").waitFor();
  expect(await asked("job_cancel")).toEqual([{ id: "command-running-pytest -q tests" }]);
  await page.keyboard.press("Escape");
  await list().waitFor({ state: "detached" });
  await expect.poll(() => page.evaluate(() => document.activeElement?.getAttribute("data-testid")), { timeout: TURN_MS }).toBe("jobs");
  // What failed was seen.
  await expect.poll(() => trigger().textContent(), { timeout: TURN_MS }).toBe("2 running, 1 queued");
  expect(errors).toEqual([]);
}, TEST_MS);

test("what a job printed is shown in the list, and hidden again", async () => {
  await open("jobs");
  await trigger().click();
  await job("evolve", "failed").getByTestId("job-show-log").click();
  await list().getByTestId("job-log").getByText("collected 12 items").waitFor();
  await expect.poll(() => list().getByTestId("job-log").evaluate((log) => {
    const [inner, outer] = [log.getBoundingClientRect(), log.closest("[data-testid=jobs-list]")!.getBoundingClientRect()];
    return inner.bottom <= outer.bottom + 1;
  }), { timeout: TURN_MS }).toBe(true);
  await looksRight(page);
  await job("evolve", "failed").getByTestId("job-show-log").click();
  await list().getByTestId("job-log").waitFor({ state: "detached" });
  expect(errors).toEqual([]);
}, TEST_MS);

test("a failed build is built again, a failed start started, and a failed evolve is looked at", async () => {
  await open("jobs");
  await trigger().click();
  await job("evolve", "failed").getByRole("button", { name: "Open Evolve" }).click();
  await page.locator("main .held:not([hidden]) h1").getByText("Evolve").waitFor();
  expect(await asked("machine_up")).toEqual([]);
  await trigger().click();
  await job("build", "failed").getByRole("button", { name: "Retry" }).click();
  await expect.poll(() => asked("machine_build"), { timeout: TURN_MS }).toEqual([{ rebuild: false }]);
  expect(await asked("machine_up")).toEqual([]);

  await open("build-failed");
  await trigger().click();
  await job("start", "failed").getByRole("button", { name: "Retry" }).click();
  await expect.poll(() => asked("machine_up"), { timeout: TURN_MS }).toEqual([{ rebuild: false, recreate: false }]);
  expect(await asked("machine_build")).toEqual([]);
  expect(errors).toEqual([]);
}, TEST_MS);

test("an approval can be reviewed or declined", async () => {
  await open("asked");
  await expect.poll(() => trigger().textContent(), { timeout: TURN_MS }).toBe("1 awaiting approval");
  await trigger().click();
  await job("evolve", "awaits_approval").getByRole("button", { name: "Review" }).click();
  await page.getByTestId("evolve-asks").waitFor();
  await trigger().click();
  await job("evolve", "awaits_approval").getByTestId("job-cancel").click();
  await expect.poll(() => asked("job_cancel"), { timeout: TURN_MS }).toEqual([{ id: "r6" }]);
  expect(errors).toEqual([]);
}, TEST_MS);

test("nothing, very much, nothing yet and nothing at all each have their words", async () => {
  const states = { new: "Nothing is running", full: "earlier jobs not shown", "jobs-reading": "Loading…", "jobs-failing": "Some jobs can't be listed" };
  for (const [scene, words] of Object.entries(states)) {
    await open(scene);
    await trigger().click();
    await list().getByText(words).first().waitFor();
    await looksRight(page);
    expect(errors).toEqual([]);
  }
}, TEST_MS);

test("a machine's words neither leave their row nor hide what they are", async () => {
  await open("hostile");
  await trigger().click();
  await job("command", "failed").getByText("⟨U+202E⟩reversed").waitFor();
  await list().getByText("⟨U+202E⟩ic").waitFor();
  await looksRight(page);
  expect(errors).toEqual([]);
}, TEST_MS);
