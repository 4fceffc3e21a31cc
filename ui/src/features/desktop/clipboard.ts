// What crosses between this computer's clipboard and the machine's: text of a limited size, in both
// directions, and only while the person is at the desktop.

import { inWords } from "../../shared/advice";
import { binarySize } from "../../shared/size";
import type { Failure } from "../../wire";

/** Of UTF-8, as VNC carries it. As in TigerVNC, which the machine runs: a longer one is refused there. */
export const LIMIT_BYTES = 256 << 10;

/** Bytes of a text on its way: its lines end in CR LF, and a zero ends it. */
export function carriedBytes(text: string): number {
  // No text has fewer bytes than letters.
  if (text.length > LIMIT_BYTES) return text.length;
  return new TextEncoder().encode(text.replaceAll(/\r\n|\r|\n/g, "\r\n")).length + 1;
}

/** Why a text of this computer can't be pasted into the machine; null if it can. */
export function refusal(text: string): Failure | null {
  const bytes = carriedBytes(text);
  if (bytes <= LIMIT_BYTES) return null;
  return {
    code: "invalid",
    message: "The clipboard is too large to paste into the machine",
    cause: `It contains ${binarySize(bytes)} of text; the limit is ${binarySize(LIMIT_BYTES)}.`,
    next: inWords("Copy less, or save it as a file in a folder that is mounted in the machine."),
    detail: null,
  };
}

export const TOO_LARGE: Failure = {
  code: "invalid",
  message: "The text copied in the machine is too large for this computer's clipboard",
  cause: `The limit is ${binarySize(LIMIT_BYTES)} of text.`,
  next: inWords("Copy less, or save it as a file in a folder that is shared with this computer."),
  detail: null,
};

/**
 * The text of a packed clipboard message: its size, then itself, in zlib's format without an end.
 * Empty if there is none in it; null if it is longer than the limit, of which no more is unpacked.
 */
export async function unpackText(packed: Uint8Array<ArrayBuffer>): Promise<string | null> {
  const unpacking = new DecompressionStream("deflate");
  const writer = unpacking.writable.getWriter();
  // It waits until what it makes is read, and fails where the bytes have no end.
  void writer.write(packed).catch(() => {});
  void writer.close().catch(() => {});
  const reader = unpacking.readable.getReader();
  let bytes = new Uint8Array();
  try {
    for (;;) {
      const announced = bytes.length >= 4 ? new DataView(bytes.buffer).getUint32(0) : 0;
      if (announced > LIMIT_BYTES) return null;
      if (bytes.length >= 4 && bytes.length >= 4 + announced) return decoded(bytes.subarray(4, 4 + announced));
      const { done, value } = await reader.read();
      if (done) return "";
      const both = new Uint8Array(bytes.length + value.length);
      both.set(bytes);
      both.set(value, bytes.length);
      bytes = both;
    }
  } catch {
    return "";
  } finally {
    void reader.cancel().catch(() => {});
  }
}

const decoded = (bytes: Uint8Array) => new TextDecoder().decode(bytes).replace(/\0$/, "").replaceAll("\r\n", "\n");

/**
 * Text of the machine as it may stand on this computer's clipboard. Line ends stay, as with other
 * viewers, and so does everything that can be seen. Control characters, which a terminal that does
 * not drop them from what is pasted would take for keys, go.
 */
export function clean(text: string): string {
  return text.replaceAll(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/g, "");
}

interface Outward {
  write: (text: string) => Promise<void>;
  /** Whether the person is at the desktop now. */
  isWanted: () => boolean;
  failed: (thrown: unknown) => void;
}

/** Takes what was copied in the machine to this computer's clipboard: the newest alone, one after the other. */
export class CopiedText {
  #to: Outward;
  #next: string | null = null;
  #writing = false;

  constructor(to: Outward) {
    this.#to = to;
  }

  async take(text: string): Promise<void> {
    if (!this.#to.isWanted() || text === "") return;
    if (carriedBytes(text) > LIMIT_BYTES) return this.#to.failed(TOO_LARGE);
    this.#next = clean(text);
    if (this.#writing) return;
    this.#writing = true;
    try {
      while (this.#next !== null) {
        const now: string = this.#next;
        this.#next = null;
        if (now !== "" && this.#to.isWanted()) await this.#to.write(now);
      }
    } catch (thrown) {
      this.#to.failed(thrown);
    } finally {
      this.#writing = false;
    }
  }
}
