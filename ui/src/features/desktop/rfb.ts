// noVNC, with limits on what a machine may say: its desktop is served from inside, by a program that
// whatever runs there can replace. What can't be read ends the connection, and never hangs the page.

import RFB from "@novnc/novnc";

import { LIMIT_BYTES, unpackText } from "./clipboard";

/** Bytes of a message that wait for its end: many times a part of a picture as servers cut it. */
const MOST_WAITING = 16 << 20;
/** Of a clipboard message, packed or not; noVNC would wait for as many as it says and unpack them all. */
const MOST_WAITING_CLIPBOARD = 8 << 20;
/** Pixels of a screen: more than twice those of 8K. */
const MOST_PIXELS = 1 << 26;

const PROVIDE = 1 << 28;
const ACTIONS = 0xff00_0000 | 0;
const TEXT = 1;

/** A key: what it means (an X keysym), and where it is. */
export interface Key {
  keysym: number;
  code: string;
}

export default class DesktopRfb extends RFB {
  /** Keys that the machine takes for held, whoever pressed them, in the order of their presses. */
  readonly #held = new Map<string, Key>();

  override sendKey(keysym: number, code: string | null, down?: boolean): void {
    super.sendKey(keysym, code, down);
    // A press with its release comes by here twice again.
    if (down === undefined) return;
    const place = code ?? `${keysym}`;
    if (!down) this.#held.delete(place);
    else if (keysym !== 0) this.#held.set(place, { keysym, code: place });
  }

  /**
   * Releases all keys. To be called when the keyboard goes elsewhere: their release is heard there, and
   * a key that stays held makes chords of what anybody types in the machine afterwards.
   */
  releaseKeys(): void {
    // noVNC forgets them, too, and so takes none of them for held when it is pressed again.
    this._keyboard._allKeysUp();
    for (const { keysym, code } of [...this.#held.values()]) this.sendKey(keysym, code, false);
  }

  /** Presses these keys in this order and releases them in the other, without any that is held now. */
  pressChord(keys: Key[]): void {
    const held = [...this.#held.values()];
    for (const { keysym, code } of held.toReversed()) super.sendKey(keysym, code, false);
    for (const { keysym, code } of keys) super.sendKey(keysym, code, true);
    for (const { keysym, code } of keys.toReversed()) super.sendKey(keysym, code, false);
    for (const { keysym, code } of held) super.sendKey(keysym, code, true);
  }

  override _handleMessage(): void {
    try {
      super._handleMessage();
      if (this._sock.rQlen() > MOST_WAITING) this._fail("A message from the desktop is too large");
    } catch (thrown) {
      this._fail(thrown instanceof Error ? thrown.message : "A message from the desktop can't be read");
    }
  }

  override _resize(width: number, height: number): void {
    if (width * height > MOST_PIXELS) throw new Error(`A screen of ${width} × ${height} pixels is too large`);
    super._resize(width, height);
  }

  /**
   * ServerCutText (RFC 6143, 7.6.4), and the extended one of the community's "rfbproto", whose length
   * is negative. noVNC reads what has no text in it.
   */
  override _handleServerCutText(): boolean {
    const HEAD = 7;
    const sock = this._sock;
    if (sock.rQwait("ServerCutText header", HEAD, 1)) return false;
    const length = int32(sock.rQpeekBytes(HEAD), 3);
    const size = Math.abs(length);
    if (size > MOST_WAITING_CLIPBOARD) return this._fail("The text copied in the machine is too large");
    if (sock.rQwait("ServerCutText content", HEAD + size, 1)) return false;
    if (length < 0 && size < 4) return this._fail("A message about the clipboard can't be read");
    if (length >= 0) {
      if (size <= LIMIT_BYTES) return super._handleServerCutText();
      sock.rQskipBytes(HEAD + size);
      this.#tooLarge();
      return true;
    }
    const flags = int32(sock.rQpeekBytes(HEAD + 4), HEAD);
    if ((flags & ACTIONS) !== PROVIDE) return super._handleServerCutText();
    sock.rQskipBytes(HEAD + 4);
    const packed = sock.rQshiftBytes(size - 4);
    if ((flags & TEXT) === 0 || this.viewOnly) return true;
    // What was given to the machine before is not its clipboard any more.
    this._clipboardText = null;
    void this.#provide(packed);
    return true;
  }

  async #provide(packed: Uint8Array<ArrayBuffer>): Promise<void> {
    const text = await unpackText(packed);
    if (text === null) this.#tooLarge();
    else if (text !== "") this.dispatchEvent(new CustomEvent("clipboard", { detail: { text } }));
  }

  #tooLarge(): void {
    if (!this.viewOnly) this.dispatchEvent(new CustomEvent("clipboardtoolarge"));
  }
}

const int32 = (bytes: Uint8Array, at: number) => new DataView(bytes.buffer, bytes.byteOffset).getInt32(at);
