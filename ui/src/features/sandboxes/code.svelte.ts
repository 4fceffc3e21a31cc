// Code that was run in a sandbox from this page, with what it put out.

import { toFailure, type Host } from "../../host";
import type { CodeRequest, Failure, SandboxCode } from "../../wire";

export interface CodeRun {
  number: number;
  source: string;
  outcome: { kind: "running"; since_ms: number } | { kind: "done"; code: SandboxCode } | { kind: "failed"; failure: Failure };
}

/** How many of them are kept. */
const KEPT = 50;

export class CodeRuns {
  /** Oldest first. */
  runs = $state.raw<CodeRun[]>([]);
  #host: Host;
  #sandbox_id: string;
  #count = 0;

  constructor(host: Host, sandbox_id: string) {
    this.#host = host;
    this.#sandbox_id = sandbox_id;
  }

  get busy(): boolean {
    return this.runs.at(-1)?.outcome.kind === "running";
  }

  /** Runs it behind what ran before; variables stay. */
  async run(source: string): Promise<void> {
    if (this.busy || source.trim() === "") return;
    const number = ++this.#count;
    this.runs = [...this.runs.slice(1 - KEPT), { number, source, outcome: { kind: "running", since_ms: Date.now() } }];
    try {
      const request: CodeRequest = { code: source, language: null, context: null, timeout_s: null, env: {} };
      this.#end(number, { kind: "done", code: await this.#host.call("sandbox_code", { sandbox_id: this.#sandbox_id, request }) });
    } catch (thrown) {
      this.#end(number, { kind: "failed", failure: toFailure(thrown) });
    }
  }

  #end(number: number, outcome: CodeRun["outcome"]): void {
    this.runs = this.runs.map((run) => (run.number === number ? { ...run, outcome } : run));
  }
}
