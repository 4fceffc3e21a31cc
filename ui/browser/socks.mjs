// A SOCKS proxy on the Unix socket that its argument names; it ends with whoever started it.

import { connect, createServer } from "node:net";

createServer((client) => void serve(client)).listen(process.argv[2], () => console.log("listens"));
process.stdin.on("end", () => process.exit()).resume();

/** Connects for a client, as https://www.rfc-editor.org/rfc/rfc1928 has it: no authentication, CONNECT alone. */
async function serve(client) {
  client.on("error", () => client.destroy());
  let held = Buffer.alloc(0);
  const read = async (count) => {
    while (held.length < count) {
      const more = client.read();
      if (more) held = Buffer.concat([held, more]);
      else if (client.readableEnded || client.destroyed) throw new Error("it went");
      else await new Promise((resolve) => ["readable", "end", "close"].forEach((event) => client.once(event, () => resolve())));
    }
    const taken = held.subarray(0, count);
    held = held.subarray(count);
    return taken;
  };
  try {
    const methods = await read(2);
    await read(methods[1]);
    client.write(Buffer.from([5, 0]));
    const kind = (await read(4))[3];
    const host = kind === 1 ? [...(await read(4))].join(".") : (await read((await read(1))[0])).toString();
    const server = connect((await read(2)).readUInt16BE(), host);
    const answer = (status) => client.write(Buffer.from([5, status, 0, 1, 0, 0, 0, 0, 0, 0]));
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
