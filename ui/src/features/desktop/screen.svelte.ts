// One view of the machine's display: connects with a ticket of the engine's, and again by itself
// when the connection is lost, until it is told to leave.

import { toFailure } from "../../host";
import type { Live } from "../../shared/live/live.svelte";
import type { Failure } from "../../wire";
import { CopiedText, refusal, TOO_LARGE } from "./clipboard";
import { Latency } from "./latency";
import { pasteKeys } from "./pasting";
import RFB, { type Key } from "./rfb";

export type ScreenState =
  | { kind: "off" }
  | { kind: "connecting" }
  | { kind: "connected" }
  | { kind: "lost"; failure: Failure; retry_at: number };

/** `fit` scales the picture, `exact` shows its pixels, `match` gives the display the window's size. */
export type Fit = "fit" | "exact" | "match";

const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 5000;

export class Screen {
  state = $state<ScreenState>({ kind: "off" });
  fit = $state<Fit>("fit");
  viewOnly = $state(false);
  /** From a key to the picture's answer; null until there was one. */
  latency_ms = $state<number | null>(null);
  /** Why the clipboard did not cross. */
  trouble = $state<Failure | null>(null);
  #live: Live;
  #target: HTMLElement;
  #copied: CopiedText;
  #rfb: RFB | null = null;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #wait_ms = FIRST_RETRY_MS;
  #wanted = false;

  constructor(live: Live, target: HTMLElement) {
    this.#live = live;
    this.#target = target;
    this.#copied = new CopiedText({
      write: (text) => live.host.clipboard.write(text),
      isWanted: () => this.#isAttended(),
      failed: (thrown) => (this.trouble = toFailure(thrown, "Could not write to this computer's clipboard")),
    });
    // The keyboard goes to the palette, another page's button, or nowhere.
    target.addEventListener("focusout", () => this.releaseKeys());
    pasteKeys(target, { give: () => this.#give(), rfb: () => this.#rfb });
  }

  /** Connects, and stays connected. */
  enter(): void {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#wait_ms = FIRST_RETRY_MS;
    void this.#connect();
  }

  /** Disconnects, and stays so. */
  leave(): void {
    this.#wanted = false;
    clearTimeout(this.#retry);
    this.releaseKeys();
    this.#rfb?.disconnect();
    this.#rfb = null;
    this.state = { kind: "off" };
  }

  /** Tries again now. */
  again(): void {
    this.leave();
    this.enter();
  }

  /** Takes on `fit` and `viewOnly`. */
  apply(): void {
    const rfb = this.#rfb;
    const { fit, viewOnly } = this;
    if (!rfb) return;
    rfb.scaleViewport = fit === "fit";
    rfb.clipViewport = fit === "exact";
    rfb.resizeSession = fit === "match";
    // Nothing is sent after that, not even a release.
    if (viewOnly) rfb.releaseKeys();
    rfb.viewOnly = viewOnly;
  }

  focus(): void {
    this.#rfb?.focus({ preventScroll: true });
  }

  /** Keys by their X keysyms, pressed in this order and released in the other. */
  sendKeys(keys: Key[]): void {
    this.#rfb?.pressChord(keys);
    this.focus();
  }

  /** Releases every key that the machine takes for held. */
  releaseKeys(): void {
    this.#rfb?.releaseKeys();
  }

  /** Puts this computer's clipboard on the machine's. */
  async giveClipboard(): Promise<void> {
    await this.#give();
    this.focus();
  }

  /** False if it is too large, so that what the machine's clipboard holds is something else. */
  async #give(): Promise<boolean> {
    try {
      const text = await this.#live.host.clipboard.read();
      const refused = refusal(text);
      if (refused) {
        this.trouble = refused;
        return false;
      }
      this.#rfb?.clipboardPasteFrom(text);
    } catch (thrown) {
      this.trouble = toFailure(thrown, "Could not read this computer's clipboard");
    }
    return true;
  }

  /** The picture as a PNG. */
  picture(): Promise<Blob | null> {
    return new Promise((resolve) => (this.#rfb ? this.#rfb.toBlob(resolve, "image/png") : resolve(null)));
  }

  async #connect(): Promise<void> {
    this.state = { kind: "connecting" };
    let ticket;
    try {
      ticket = await this.#live.call("desktop_open", {});
    } catch (thrown) {
      this.#lose(toFailure(thrown));
      return;
    }
    if (!this.#wanted) return;
    const socket = new WebSocket(ticket.url, "binary");
    new Latency(socket, (median_ms) => (this.latency_ms = median_ms));
    const rfb = new RFB(this.#target, socket, { credentials: { password: ticket.password }, shared: true });
    this.#rfb = rfb;
    rfb.background = "transparent";
    // Loopback: pictures as they are cost less than squeezing them.
    rfb.qualityLevel = 9;
    rfb.compressionLevel = 0;
    this.apply();
    let refused: string | null = null;
    rfb.addEventListener("connect", () => {
      if (this.#rfb !== rfb) return;
      this.#wait_ms = FIRST_RETRY_MS;
      this.state = { kind: "connected" };
      // A connection that comes back takes the keyboard from nothing: what is typed elsewhere is not for the machine.
      if (free()) this.focus();
    });
    rfb.addEventListener("clipboard", (event) => void this.#copied.take(event.detail.text));
    rfb.addEventListener("clipboardtoolarge", () => {
      if (this.#isAttended()) this.trouble = TOO_LARGE;
    });
    rfb.addEventListener("securityfailure", (event) => (refused = event.detail.reason ?? "The desktop rejected the password"));
    rfb.addEventListener("disconnect", () => {
      if (this.#rfb !== rfb) return;
      this.#rfb = null;
      this.latency_ms = null;
      this.#lose({
        code: "not_running",
        message: "The connection to the desktop was lost",
        cause: refused,
        next: null,
        detail: null,
      });
    });
  }

  /** Whether the person is at the desktop: an idle machine, or one in the background, changes nothing on this computer. */
  #isAttended(): boolean {
    return !this.viewOnly && document.visibilityState === "visible" && document.hasFocus() && this.#target.contains(document.activeElement);
  }

  #lose(failure: Failure): void {
    if (!this.#wanted) return;
    this.state = { kind: "lost", failure, retry_at: Date.now() + this.#wait_ms };
    this.#retry = setTimeout(() => void this.#connect(), this.#wait_ms);
    this.#wait_ms = Math.min(this.#wait_ms * 2, LAST_RETRY_MS);
  }
}

/** Whether nothing has the keyboard that somebody types into. */
function free(): boolean {
  const active = document.activeElement;
  return active === null || active === document.body || active.matches("main > .held");
}
