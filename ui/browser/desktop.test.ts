// The Desktop page with a display that says what no honest one would: this computer's clipboard gets
// nothing that the person did not ask for, and the page goes on.

import type { Page } from "playwright-core";
import { expect, test } from "vitest";

import { development, TEST_MS, TURN_MS } from "./development";
import { Display, int32, NOTIFY, PROVIDE, TEXT } from "./display";
import { looksRight, state } from "./support";

const LIMIT_BYTES = 256 << 10;
const pages = development("desktop");
let page: Page;
let errors: string[];
let display: Display;

async function open(size?: { width: number; height: number }): Promise<void> {
  const context = { permissions: ["clipboard-read", "clipboard-write"] };
  const before = async (page: Page) => {
    display = Object.assign(await Display.serve(page), size);
    // Hears what is written; whether it arrives is the browser's.
    await page.addInitScript(() => {
      const written: string[] = [];
      const write = navigator.clipboard.writeText.bind(navigator.clipboard);
      navigator.clipboard.writeText = (text) => (written.push(text), write(text));
      Object.assign(window, { written });
    });
  };
  ({ page, errors } = await pages.open("desktop", { scene: "desktop", context, before }));
}

const canvas = () => page.locator("[data-testid=desktop-screen] canvas");
const written = () => page.evaluate(() => (window as unknown as { written: string[] }).written);

async function atTheDesktop(): Promise<void> {
  await open();
  await state(page, "desktop-screen", "connected");
  await canvas().focus();
}

test("what is copied in the machine reaches this computer while the person is at its desktop, and not otherwise", async () => {
  await atTheDesktop();
  display.copy("first\nÄÖ 世界");
  await expect.poll(written, { timeout: TURN_MS }).toEqual(["first\nÄÖ 世界"]);
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe("first\nÄÖ 世界");

  const elsewhere: Record<string, [() => Promise<unknown>, () => Promise<unknown>]> = {
    "the keyboard is elsewhere in the page": [() => page.getByTestId("nav-desktop").focus(), () => canvas().focus()],
    "the window is not in front": [
      () => page.evaluate(() => void (document.hasFocus = () => false)),
      () => page.evaluate(() => void delete (document as { hasFocus?: unknown }).hasFocus),
    ],
    "the window is not seen": [
      () => page.evaluate(() => void Object.defineProperty(document, "visibilityState", { value: "hidden", configurable: true })),
      () => page.evaluate(() => void delete (document as { visibilityState?: unknown }).visibilityState),
    ],
    "the person only looks": [
      () => page.getByRole("button", { name: "View only" }).click().then(() => canvas().focus()),
      () => page.getByRole("button", { name: "Take control" }).click().then(() => canvas().focus()),
    ],
  };
  for (const [at, [what, [leave, come]]] of Object.entries(elsewhere).entries()) {
    await leave();
    display.cutText(6, Buffer.from("secret"));
    await display.heard();
    await come();
    display.copy(`back ${at}`);
    await expect.poll(async () => (await written()).at(-1), { timeout: TURN_MS, message: what }).toBe(`back ${at}`);
    expect(await written(), what).not.toContain("secret");
  }
  expect(errors).toEqual([]);
}, TEST_MS);

test("of what is copied there only text of a limited size comes, without control characters", async () => {
  await atTheDesktop();
  display.copy("ls\u001b[201~\u0003\u0000; echo\nowned\u009b");
  await expect.poll(written, { timeout: TURN_MS }).toEqual(["ls[201~; echo\nowned"]);
  display.cutText(9, Buffer.from("latin \u00e9\u001b.", "latin1"));
  await expect.poll(written, { timeout: TURN_MS }).toHaveLength(2);
  expect((await written())[1]).toBe("latin é.");

  const tooLarge = page.getByText("too large for this computer's clipboard");
  for (const say of [
    () => display.copy("x".repeat(LIMIT_BYTES + 1)),
    () => display.cutText(LIMIT_BYTES + 1, Buffer.alloc(LIMIT_BYTES + 1, "x")),
    // 64 MiB in 64 KiB; and one that says that it has 4 GiB.
    () => display.copy("0".repeat(64 << 20)),
    () => display.copy("short", -1),
  ]) {
    say();
    await tooLarge.waitFor();
    await page.getByRole("button", { name: "Dismiss" }).click();
    await tooLarge.waitFor({ state: "detached" });
    await canvas().focus();
  }
  expect(await written()).toHaveLength(2);
  // A flood of them is as many as there was time for, and the last one counts.
  for (let at = 0; at < 500; at++) display.copy(`${at}`);
  await expect.poll(async () => (await written()).at(-1), { timeout: TURN_MS }).toBe("499");
  display.copy("x".repeat(LIMIT_BYTES + 1));
  await tooLarge.waitFor();
  await looksRight(page);
  expect(display.connections).toBe(1);
  expect(errors).toEqual([]);
}, TEST_MS);

test("what is pasted there has the same limit, and nothing else is pasted in its place", async () => {
  await atTheDesktop();
  const copy = (text: string) => page.evaluate((text) => navigator.clipboard.writeText(text), text);
  const V = 0x76;
  await copy("to the machine\nä");
  await page.keyboard.press("Control+v");
  await expect.poll(() => display.given, { timeout: TURN_MS }).toEqual(["to the machine\r\nä"]);
  await expect.poll(() => display.pressed, { timeout: TURN_MS }).toContain(V);
  display.pressed.length = 0;
  await copy("x".repeat(LIMIT_BYTES));
  for (const paste of [() => page.keyboard.press("Control+v"), () => page.getByRole("button", { name: "Send clipboard to machine" }).click()]) {
    await canvas().focus();
    await paste();
    await page.getByText("too large to paste").waitFor();
    await page.getByRole("button", { name: "Dismiss" }).click();
  }
  await copy("short");
  await canvas().focus();
  await page.keyboard.press("Control+v");
  await expect.poll(() => display.given, { timeout: TURN_MS }).toEqual(["to the machine\r\nä", "short"]);
  expect(display.pressed.filter((key) => key === V)).toHaveLength(1);
  expect(errors).toEqual([]);
}, TEST_MS);

test("a display that says what can't be read is left, and the page goes on", async () => {
  const hostile: Record<string, () => void> = {
    "a text of 2 GiB": () => display.cutText(0x7fff_ffff, Buffer.alloc(1000)),
    "a text of -2 GiB": () => display.cutText(-0x8000_0000, Buffer.alloc(1000)),
    "a text that is too short": () => display.cutText(-2, [0, 0]),
    "an action that there is none of": () => display.extended(3 << 30),
    "a picture that can't be unpacked": () => display.send([0, 0, 0, 1], [0, 0, 0, 0, 0, 64, 0, 64], int32(6), int32(8), Buffer.alloc(8, 0xff)),
    "a picture that never ends": () => display.send([0, 0, 0, 1], [0, 0, 0, 0, 255, 255, 255, 255], int32(16), int32(0x7fff_ffff), Buffer.alloc(17 << 20)),
  };
  await atTheDesktop();
  for (const [what, say] of Object.entries(hostile)) {
    const before = display.connections;
    say();
    // The page leaves, and comes back.
    await expect.poll(() => display.connections, { timeout: TURN_MS, message: what }).toBeGreaterThan(before);
    await page.getByTestId("nav-machine").click();
    await page.getByTestId("machine-stop").waitFor();
    await page.getByTestId("nav-desktop").click();
    await state(page, "desktop-screen", "connected");
    expect(errors, what).toEqual([]);
  }
  // What has nothing in it changes nothing.
  await canvas().focus();
  display.extended(PROVIDE | TEXT, [1, 2, 3]);
  display.extended(PROVIDE, []);
  display.extended(NOTIFY, []);
  display.copy("after all that");
  await expect.poll(written, { timeout: TURN_MS }).toEqual(["after all that"]);
  expect(errors).toEqual([]);

  await open({ width: 65_535, height: 65_535 });
  await state(page, "desktop-screen", "lost");
  await page.getByText("The connection to the desktop was lost").waitFor();
  await looksRight(page);
  expect(errors).toEqual([]);
}, TEST_MS);

test("no key stays held in the machine when the keyboard goes elsewhere", async () => {
  await atTheDesktop();
  const back = async () => {
    await page.getByTestId("nav-desktop").click();
    await canvas().focus();
  };
  const elsewhere: Record<string, [() => Promise<unknown>, () => Promise<unknown>]> = {
    "another page, by its key": [() => page.keyboard.press("1"), back],
    "the palette": [() => page.keyboard.press("k"), () => page.keyboard.press("Escape").then(() => canvas().focus())],
    "a button": [() => page.getByRole("button", { name: "Save screenshot" }).focus(), () => canvas().focus()],
    "view only": [
      () => page.getByRole("button", { name: "View only" }).evaluate((button) => (button as HTMLElement).click()),
      () => page.getByRole("button", { name: "Take control" }).click().then(() => canvas().focus()),
    ],
    "the window out of sight": [() => page.evaluate(() => void document.dispatchEvent(new Event("visibilitychange"))), () => canvas().focus()],
  };
  for (const [what, [leave, come]] of Object.entries(elsewhere)) {
    await page.keyboard.down("Control");
    await page.keyboard.down("Alt");
    await expect.poll(() => display.held.size, { timeout: TURN_MS, message: what }).toBe(2);
    await leave();
    await expect.poll(() => [...display.held], { timeout: TURN_MS, message: what }).toEqual([]);
    await page.keyboard.up("Alt");
    await page.keyboard.up("Control");
    await come();
    display.pressed.length = 0;
    await page.keyboard.type("abc");
    await expect.poll(() => display.pressed, { timeout: TURN_MS, message: what }).toEqual([0x61, 0x62, 0x63]);
  }
  // Which of two keys was held doesn't matter either, nor that it was released while the clipboard was read.
  await page.evaluate(() => navigator.clipboard.writeText("pasted"));
  await page.keyboard.down("ControlRight");
  await page.keyboard.press("v");
  await expect.poll(() => display.pressed, { timeout: TURN_MS }).toContain(0x76);
  await page.keyboard.up("ControlRight");
  await expect.poll(() => [...display.held], { timeout: TURN_MS }).toEqual([]);
  expect(errors).toEqual([]);
}, TEST_MS);
