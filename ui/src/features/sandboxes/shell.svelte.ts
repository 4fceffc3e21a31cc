// A shell in a sandbox: its terminal's output as it comes, and what is typed, in order. It goes on
// without this page; one that is opened again is found by its command.

import { toFailure, type Host } from "../../host";
import type { ExecRequest, ExecView, Failure, PtySize } from "../../wire";
import { decode, encode } from "../../shared/base64";

export type ShellState = { kind: "starting" } | { kind: "open" } | { kind: "ended"; exit_code: number | null } | { kind: "failed"; failure: Failure };

/** Where the output goes. */
export interface Screen {
  /** Calls back when it has taken that in: until then no more is asked for. */
  write(bytes: Uint8Array, taken: () => void): void;
  /** Output before this place is lost. */
  gap(): void;
}

/** Shells that are tried, the best first: not every image has them all. */
const SHELLS = [["bash", "-l"], ["sh"]];
const AGAIN_MS = 1000;
/** So often a server that doesn't answer is asked again. */
const TRIES = 5;

export class Shell {
  state = $state.raw<ShellState>({ kind: "starting" });
  #host: Host;
  #sandbox_id: string;
  #exec_id: string | null = null;
  #screen: Screen;
  #typed: Promise<unknown> = Promise.resolve();
  #waiting: string[] = [];
  #size: PtySize;
  #closed = false;

  constructor(host: Host, sandbox_id: string, screen: Screen, size: PtySize) {
    this.#host = host;
    this.#sandbox_id = sandbox_id;
    this.#screen = screen;
    this.#size = size;
  }

  /** Opens the shell that is there, or a new one, and follows it to its end. */
  async open(): Promise<void> {
    try {
      const exec_id = await this.#find();
      if (this.#closed) return;
      this.#exec_id = exec_id;
      this.state = { kind: "open" };
      void this.#resized();
      await this.#follow(exec_id);
    } catch (thrown) {
      if (!this.#closed) this.state = { kind: "failed", failure: toFailure(thrown) };
    }
  }

  /** Follows it no more. It goes on in the sandbox. */
  close(): void {
    this.#closed = true;
  }

  /** What is typed. */
  type(text: string): void {
    if (this.state.kind !== "open") return;
    this.#waiting.push(text);
    // What is typed while the last keys are on their way goes together.
    this.#typed = this.#typed.then(async () => {
      const base64 = encode(new TextEncoder().encode(this.#waiting.splice(0).join("")));
      const exec_id = this.#exec_id;
      if (base64 === "" || exec_id === null || this.#closed) return;
      await this.#host.call("sandbox_input", { sandbox_id: this.#sandbox_id, exec_id, base64 }).catch(() => {
        // Its end is told with its output.
      });
    });
  }

  resize(size: PtySize): void {
    if (size.cols === this.#size.cols && size.rows === this.#size.rows) return;
    this.#size = size;
    void this.#resized();
  }

  async #resized(): Promise<void> {
    if (this.#exec_id === null || this.state.kind !== "open") return;
    const request = { sandbox_id: this.#sandbox_id, exec_id: this.#exec_id, size: this.#size };
    await this.#host.call("sandbox_resize", request).catch(() => {
      // Its end is told with its output.
    });
  }

  async #find(): Promise<string> {
    const { execs } = await this.#host.call("sandbox_execs", { sandbox_id: this.#sandbox_id });
    const open = execs.filter(isShell).at(-1);
    if (open) return open.exec_id;
    let failure: unknown;
    for (const command of SHELLS) {
      try {
        const request = { ...EXEC, command, pty: this.#size };
        return (await this.#host.call("sandbox_exec", { sandbox_id: this.#sandbox_id, request })).exec_id;
      } catch (thrown) {
        // What the first one failed with says most.
        failure ??= thrown;
        if (toFailure(thrown).code !== "invalid") break;
      }
    }
    throw failure;
  }

  async #follow(exec_id: string): Promise<void> {
    let after = 0;
    let failed = 0;
    while (!this.#closed) {
      try {
        const told = await this.#host.call("sandbox_output", { sandbox_id: this.#sandbox_id, exec_id, after });
        failed = 0;
        if (this.#closed) return;
        if (told.dropped) this.#screen.gap();
        if (told.base64 !== "") await new Promise<void>((taken) => this.#screen.write(decode(told.base64), taken));
        after = told.last;
        if (!told.ended) continue;
        this.state = { kind: "ended", exit_code: told.exit_code };
        return;
      } catch (thrown) {
        // A server that is started again takes the sandbox over.
        if (++failed === TRIES || toFailure(thrown).code === "not_found") throw thrown;
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      }
    }
  }
}

const EXEC: ExecRequest = { command: "", timeout_s: 0, stdin: null, keep_stdin: null, cwd: null, env: { TERM: "xterm-256color" }, background: true, pty: null };

/** Whether it is a shell of a console, and runs. */
function isShell({ command, pty, exit_code }: ExecView): boolean {
  return pty && exit_code === null && SHELLS.some((shell) => JSON.stringify(shell) === JSON.stringify(command));
}
