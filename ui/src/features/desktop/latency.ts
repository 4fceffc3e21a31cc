// How long the display takes to answer: from a key or a move of the pointer on its way out to the
// next bytes of a picture. Listens only; nothing is sent for its sake.

const KEY = 4;
const POINTER = 5;
/** Later pictures have other reasons. */
const LONGEST_MS = 1000;
const KEPT = 15;

export class Latency {
  #sent_at: number | null = null;
  #last: number[] = [];

  /** Listens to a connection that is not in use yet. */
  constructor(socket: WebSocket, told: (median_ms: number) => void) {
    const send = socket.send.bind(socket);
    socket.send = (data: string | ArrayBufferLike | Blob | ArrayBufferView<ArrayBufferLike>) => {
      const kind = ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, 1)[0] : undefined;
      if (kind === KEY || kind === POINTER) this.#sent_at ??= performance.now();
      send(data as ArrayBufferView<ArrayBuffer>);
    };
    socket.addEventListener("message", () => {
      if (this.#sent_at === null) return;
      const took = performance.now() - this.#sent_at;
      this.#sent_at = null;
      if (took > LONGEST_MS) return;
      this.#last = [...this.#last.slice(1 - KEPT), took];
      told(this.#last.toSorted((one, other) => one - other)[this.#last.length >> 1]!);
    });
  }
}
