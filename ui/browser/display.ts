// A VNC server (RFC 6143) for tests of the Desktop page, in place of the machine's: a black screen,
// and a clipboard that says whatever a test wants.

import { constants, deflateSync, inflateSync } from "node:zlib";

import type { Page, WebSocketRoute } from "playwright-core";

/** Where the fake host says that the desktop is; nobody listens there. */
const ADDRESS = /^ws:\/\/127\.0\.0\.1:9\/vnc/;

/** Of the extended clipboard, as the community's "rfbproto" has it. */
export const TEXT = 1;
export const CAPS = 1 << 24;
export const REQUEST = 1 << 25;
export const NOTIFY = 1 << 27;
export const PROVIDE = 1 << 28;

export class Display {
  /** Texts that were pasted into the machine. */
  readonly given: string[] = [];
  /** Keysyms of the keys that were pressed. */
  readonly pressed: number[] = [];
  /** Keysyms of the keys that are held now. */
  readonly held = new Set<number>();
  /** How often somebody has connected. */
  connections = 0;
  width = 640;
  height = 480;
  #route: WebSocketRoute | undefined;
  #heard: (() => void) | undefined;

  /** Answers for the machine's desktop in this page. */
  static async serve(page: Page): Promise<Display> {
    const display = new Display();
    await page.routeWebSocket(ADDRESS, (route) => display.#connect(route));
    // noVNC looks for a channel's members in its own prototype, and Playwright's has them in the one above.
    await page.addInitScript(() => {
      const own = WebSocket.prototype as object;
      const above = Object.getOwnPropertyDescriptors(Object.getPrototypeOf(own) as object) as PropertyDescriptorMap;
      for (const [name, member] of Object.entries(above)) if (!Object.hasOwn(own, name)) Object.defineProperty(own, name, member);
    });
    return display;
  }

  send(...parts: (Uint8Array | number[])[]): void {
    this.#route?.send(Buffer.concat(parts.map((part) => Buffer.from(part))));
  }

  /** ServerCutText of this length, negative for an extended one. */
  cutText(length: number, content: Uint8Array | number[]): void {
    this.send([3, 0, 0, 0], int32(length), content);
  }

  /** Says that this was copied in the machine, as a server does that was asked for it. `announced`: a wrong size. */
  copy(text: string, announced?: number): void {
    const bytes = Buffer.from(`${text.replaceAll("\n", "\r\n")}\0`);
    const packed = deflateSync(Buffer.concat([int32(announced ?? bytes.length), bytes]), { finishFlush: constants.Z_SYNC_FLUSH });
    this.extended(PROVIDE | TEXT, packed);
  }

  extended(flags: number, content: Uint8Array | number[] = []): void {
    this.cutText(-(4 + content.length), Buffer.concat([int32(flags), Buffer.from(content)]));
  }

  /** Resolves when the page has read all that was sent before (ServerFence, and its echo). */
  heard(): Promise<void> {
    const BLOCK_BEFORE = 1;
    return new Promise((resolve) => {
      this.#heard = resolve;
      this.send([248, 0, 0, 0], int32((1 << 31) | BLOCK_BEFORE), [0]);
    });
  }

  #connect(route: WebSocketRoute): void {
    this.#route = route;
    this.connections += 1;
    const steps = this.#conversation();
    let queue = Buffer.alloc(0);
    let wanted = steps.next().value as number;
    route.onMessage((message) => {
      queue = Buffer.concat([queue, Buffer.from(message as Buffer)]);
      while (queue.length >= wanted) {
        const taken = queue.subarray(0, wanted);
        queue = queue.subarray(wanted);
        wanted = steps.next(taken).value as number;
      }
    });
  }

  /** Yields how many bytes it waits for, and gets them. */
  *#conversation(): Generator<number, never, Buffer> {
    this.send(Buffer.from("RFB 003.008\n"));
    yield 12;
    // One kind of security: none.
    this.send([1, 1]);
    yield 1;
    this.send(int32(0));
    yield 1;
    const format = [32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0];
    this.send(int16(this.width), int16(this.height), format, int32(4), Buffer.from("fake"));
    this.extended(CAPS | REQUEST | NOTIFY | PROVIDE | TEXT, int32(0));
    for (;;) {
      const [kind] = yield 1;
      switch (kind) {
        case 0:
          yield 19;
          break;
        case 2: {
          const head = yield 3;
          yield head.readUInt16BE(1) * 4;
          break;
        }
        case 3:
          yield 9;
          break;
        case 4: {
          const key = yield 7;
          const keysym = key.readUInt32BE(3);
          if (key[0] === 1) this.pressed.push(keysym);
          this.held[key[0] === 1 ? "add" : "delete"](keysym);
          break;
        }
        case 5:
          yield 5;
          break;
        case 6: {
          const length = (yield 7).readInt32BE(3);
          const content = yield Math.abs(length);
          if (length < 0) this.#clipboard(content.readInt32BE(0), content.subarray(4));
          else this.given.push(content.toString("latin1"));
          break;
        }
        case 248: {
          const fence = yield 8;
          yield fence[7]!;
          this.#heard?.();
          break;
        }
        default:
          throw new Error(`unexpected message ${kind}`);
      }
    }
  }

  /** What the page says of its clipboard: it has something, which is asked for, or here it is. */
  #clipboard(flags: number, content: Buffer): void {
    // What the page can.
    if ((flags & CAPS) !== 0) return;
    if ((flags & NOTIFY) !== 0) this.extended(REQUEST | TEXT);
    if ((flags & PROVIDE) === 0) return;
    const unpacked = inflateSync(content, { finishFlush: constants.Z_SYNC_FLUSH });
    this.given.push(unpacked.subarray(4, 4 + unpacked.readUInt32BE(0)).toString().replace(/\0$/, ""));
  }
}

export function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value | 0);
  return bytes;
}

export function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}
