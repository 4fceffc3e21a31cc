// Checks arguments against a tool's schema within a time limit: a schema from inside may hold a
// pattern, or references, that no computer gets done with.

import type { Json } from "../../shared/untrusted";
import type { Complaint } from "./complaints";
import type { Schema } from "./schema";

export type Verdict =
  | { kind: "fine" }
  | { kind: "wrong"; complaints: Complaint[] }
  /** It could not be found out; the server checks for itself. */
  | { kind: "unknown"; words: string };

/** What is needed of a Worker. */
export type Thread = Pick<Worker, "postMessage" | "terminate" | "onmessage" | "onerror">;

/** Beginning to work counts, which takes a while on a busy computer. */
const LIMIT_MS = 3000;

const begin = (): Thread => new Worker(new URL("./check.worker.ts", import.meta.url), { type: "module" });

export class Checker {
  #thread: Thread | null = null;
  #last: Promise<unknown> = Promise.resolve();
  #begin: () => Thread;
  #limit_ms: number;

  constructor(make = begin, limit_ms = LIMIT_MS) {
    this.#begin = make;
    this.#limit_ms = limit_ms;
  }

  /** One after the other. */
  check(value: Json, schema: Schema): Promise<Verdict> {
    const checked = this.#last.then(() => this.#check(value, schema));
    this.#last = checked;
    return checked;
  }

  /** Ends the thread; the next check begins another. */
  end(): void {
    this.#thread?.terminate();
    this.#thread = null;
  }

  #check(value: Json, schema: Schema): Promise<Verdict> {
    return new Promise((resolve) => {
      const fail = (words: string) => {
        clearTimeout(timer);
        this.end();
        resolve({ kind: "unknown", words });
      };
      const timer = setTimeout(() => fail("The tool's schema takes too long to check. The arguments were not validated."), this.#limit_ms);
      try {
        const thread = (this.#thread ??= this.#begin());
        thread.onmessage = ({ data }: MessageEvent<Complaint[]>) => {
          clearTimeout(timer);
          resolve(data.length === 0 ? { kind: "fine" } : { kind: "wrong", complaints: data });
        };
        thread.onerror = () => fail("The arguments could not be validated.");
        thread.postMessage({ value, schema });
      } catch {
        fail("The arguments could not be validated.");
      }
    });
  }
}
