// Chromium in a network of its own. In that of this computer each container that starts or ends, of
// whichever test, is a change of the network to Chromium, and it drops what it is about to load.
// What it asks for goes through a socket to this process, which connects for it.

import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
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
  readonly #server: Server;
  readonly #door: ChildProcess;

  private constructor(folder: string, server: Server, door: ChildProcess) {
    this.#folder = folder;
    this.#server = server;
    this.#door = door;
    this.chromium = join(folder, "chromium");
    writeFileSync(this.chromium, `#!/bin/sh\nexec nsenter --net=/proc/${door.pid}/ns/net ${CHROMIUM} "$@"\n`, { mode: 0o755 });
  }

  /** None if this user can't make one. */
  static async make(): Promise<Apart | null> {
    if (process.platform !== "linux" || process.getuid?.() !== 0) return null;
    const folder = mkdtempSync(join(tmpdir(), "vivarium-apart-"));
    const socket = join(folder, "socket");
    const server = createServer((client) => void serve(client)).unref();
    await new Promise<void>((resolve) => server.listen(socket, resolve));
    // It ends with this process, whose pipe it reads.
    const script = 'ip link set lo up && exec "$0" -e "$1" "$2"';
    const door = spawn("unshare", ["--net", "sh", "-c", script, process.execPath, DOOR, socket], { stdio: ["pipe", "pipe", "inherit"] });
    for await (const _ of createInterface({ input: door.stdout })) return new Apart(folder, server, door);
    throw new Error("no network of its own for Chromium: unshare or ip failed");
  }

  end(): void {
    this.#door.kill("SIGKILL");
    this.#server.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Connects for a client, as https://www.rfc-editor.org/rfc/rfc1928 has it: no authentication, CONNECT alone. */
async function serve(client: Socket): Promise<void> {
  client.on("error", () => client.destroy());
  let held = Buffer.alloc(0);
  const read = async (count: number): Promise<Buffer> => {
    while (held.length < count) {
      const more = client.read() as Buffer | null;
      if (more) held = Buffer.concat([held, more]);
      else if (client.readableEnded || client.destroyed) throw new Error("it went");
      else await new Promise<void>((resolve) => ["readable", "end", "close"].forEach((event) => client.once(event, () => resolve())));
    }
    const taken = held.subarray(0, count);
    held = held.subarray(count);
    return taken;
  };
  try {
    const methods = await read(2);
    await read(methods[1]!);
    client.write(Buffer.from([5, 0]));
    const kind = (await read(4))[3];
    const host = kind === 1 ? [...(await read(4))].join(".") : (await read((await read(1))[0]!)).toString();
    const server = connect((await read(2)).readUInt16BE(), host);
    const answer = (status: number) => client.write(Buffer.from([5, status, 0, 1, 0, 0, 0, 0, 0, 0]));
    let isConnected = false;
    server.on("connect", () => {
      isConnected = true;
      answer(0);
      server.write(held);
      client.pipe(server).pipe(client);
    });
    server.on("error", () => {
      if (isConnected) client.destroy();
      // Refused.
      else client.end(Buffer.from([5, 5, 0, 1, 0, 0, 0, 0, 0, 0]));
    });
    server.on("close", () => client.destroySoon());
    client.on("close", () => server.destroy());
  } catch {
    client.destroy();
  }
}
