// An agent's terminal over the app's bridge: bytes both ways, and what else there is to say as texts. It is a
// view: closing it leaves the agent as it is.

import { toFailure, type Host, type Socket } from "../../host";
import { asRecord, isRecord } from "../../shared/untrusted";
import type { Failure, TerminalControl } from "../../wire";

export type TerminalState =
  | { kind: "opening" }
  | { kind: "open" }
  /** The connection broke; it is tried again. */
  | { kind: "lost" }
  | { kind: "ended" }
  | { kind: "failed"; failure: Failure };

/** Where the output goes. */
export interface Screen {
  /** Calls back when it has drawn that. */
  write(bytes: Uint8Array, drawn: () => void): void;
  /** What was drawn is void: all of it comes again. */
  reset(): void;
}

export interface Size {
  cols: number;
  rows: number;
}

/** So much is drawn before the app is told: a part of the window that it sends at once. */
const TOLD_BYTES = 64 << 10;
/** What is pasted goes in pieces of this size: the bridge takes no long message. */
const PIECE_BYTES = 64 << 10;
const AGAIN_MS = 1000;
/** So often a connection that broke is tried again. */
const TRIES = 10;

const LOST: Failure = { code: "internal", message: "The connection to the terminal was lost", cause: null, next: null, detail: null };

export class AgentTerminal {
  state = $state.raw<TerminalState>({ kind: "opening" });
  #host: Host;
  #id: string;
  #screen: Screen;
  #size: Size;
  #readOnly: boolean;
  #socket: Socket | null = null;
  #drawn = 0;
  #tries = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(host: Host, id: string, screen: Screen, size: Size, readOnly: boolean) {
    this.#host = host;
    this.#id = id;
    this.#screen = screen;
    this.#size = size;
    this.#readOnly = readOnly;
  }

  async open(): Promise<void> {
    let isOver = false;
    // It may be another one by the time the connection is there.
    const size = this.#size;
    try {
      const { url } = await this.#host.call("agent_terminal_open", { id: this.#id, ...size, read_only: this.#readOnly });
      if (this.#closed) return;
      this.#drawn = 0;
      this.#socket = this.#host.connect(url, {
        opened: () => {
          this.state = { kind: "open" };
          if (size !== this.#size) this.#say({ kind: "resize", ...this.#size });
        },
        bytes: (bytes) => {
          this.#tries = 0;
          this.#screen.write(bytes, () => this.#taken(bytes.length));
        },
        text: (text) => {
          isOver = true;
          this.#end(text);
        },
        closed: () => {
          if (!isOver) this.#again(LOST);
        },
      });
    } catch (thrown) {
      const failure = toFailure(thrown);
      if (this.#closed) return;
      // A server that is started again has the agent too.
      if (this.#tries > 0 && failure.code === "internal") this.#again(failure);
      else this.state = { kind: "failed", failure };
    }
  }

  /** Looks no more. The agent goes on. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#socket?.close();
  }

  /** What is typed. */
  type(text: string): void {
    if (this.#readOnly || this.state.kind !== "open") return;
    const bytes = new TextEncoder().encode(text);
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) this.#socket?.send(bytes.slice(at, at + PIECE_BYTES));
  }

  resize(size: Size): void {
    if (size.cols === this.#size.cols && size.rows === this.#size.rows) return;
    this.#size = size;
    this.#say({ kind: "resize", ...size });
  }

  #say(control: TerminalControl): void {
    if (this.state.kind === "open") this.#socket?.send(JSON.stringify(control));
  }

  #taken(bytes: number): void {
    this.#drawn += bytes;
    if (this.#drawn < TOLD_BYTES) return;
    this.#say({ kind: "taken", bytes: this.#drawn });
    this.#drawn = 0;
  }

  /** The app's last word. */
  #end(text: string): void {
    let said: unknown;
    try {
      said = JSON.parse(text);
    } catch {
      said = null;
    }
    const { failure } = asRecord(said);
    this.state = isRecord(failure) ? { kind: "failed", failure: toFailure(failure) } : { kind: "ended" };
    this.#socket?.close();
  }

  #again(failure: Failure): void {
    if (this.#closed) return;
    if (++this.#tries > TRIES) {
      this.state = { kind: "failed", failure };
      return;
    }
    this.state = { kind: "lost" };
    this.#timer = setTimeout(() => {
      this.#screen.reset();
      void this.open();
    }, AGAIN_MS);
  }
}
