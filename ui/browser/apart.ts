// Chromium in a network of its own. In that of this computer each container that starts or ends, of
// whichever test, is a change of the network to Chromium, and it drops what it is about to load.
// What it asks for goes through a socket to a process that connects for it: not this one, since a test
// that waits for a command would hold up what the command waits for.

import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

export const CHROMIUM = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
/** In its network; nobody else is there. */
const PORT = 1080;

/** Runs in that network: passes each connection on to the socket. */
const DOOR = `
const net = require("node:net");
const server = net.createServer((near) => {
  const far = net.connect(process.argv[1]);
  for (const [one, other] of [[near, far], [far, near]]) {
    one.pipe(other);
    one.on("error", () => other.destroy());
    one.on("close", () => other.destroy());
  }
});
server.listen(${PORT}, "127.0.0.1", () => console.log("listens"));
process.stdin.on("end", () => process.exit()).resume();
`;

export class Apart {
  readonly chromium: string;
  readonly args = [`--proxy-server=socks5://127.0.0.1:${PORT}`, "--proxy-bypass-list=<-loopback>"];
  readonly #folder: string;
  readonly #proxy: ChildProcess;
  readonly #door: ChildProcess;

  private constructor(folder: string, proxy: ChildProcess, door: ChildProcess) {
    this.#folder = folder;
    this.#proxy = proxy;
    this.#door = door;
    this.chromium = join(folder, "chromium");
    writeFileSync(this.chromium, `#!/bin/sh\nexec nsenter --net=/proc/${door.pid}/ns/net ${CHROMIUM} "$@"\n`, { mode: 0o755 });
  }

  /** None if this user can't make one. */
  static async make(): Promise<Apart | null> {
    if (process.platform !== "linux" || process.getuid?.() !== 0) return null;
    const folder = mkdtempSync(join(tmpdir(), "vivarium-apart-"));
    const socket = join(folder, "socket");
    // Both end with this process, whose pipes they read.
    const proxy = await listening(process.execPath, [join(import.meta.dirname, "socks.mjs"), socket]);
    const script = 'ip link set lo up && exec "$0" -e "$1" "$2"';
    const door = await listening("unshare", ["--net", "sh", "-c", script, process.execPath, DOOR, socket]);
    return new Apart(folder, proxy, door);
  }

  end(): void {
    this.#door.kill("SIGKILL");
    this.#proxy.kill("SIGKILL");
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Starts a program, and waits until it says that it listens. */
async function listening(program: string, args: string[]): Promise<ChildProcess> {
  const started = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
  for await (const _ of createInterface({ input: started.stdout })) return started;
  throw new Error(`no network of its own for Chromium: ${program} failed`);
}
