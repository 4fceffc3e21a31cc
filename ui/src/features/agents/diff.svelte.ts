// What an agent changed, as the page shows it, and what becomes of it. Whoever approves a change approves the
// commit that was shown: the app merges no other.

import { toFailure, type Host } from "../../host";
import { decode } from "../../shared/base64";
import type { AgentDiff, AgentFileDiff, AgentMerge, AgentMergeOutcome, AgentMergeStyle, Failure } from "../../wire";

export type DiffLook = { kind: "loading" } | { kind: "known"; diff: AgentDiff } | { kind: "failing"; failure: Failure };

export interface MergeWish {
  into: string;
  create: boolean;
  style: AgentMergeStyle;
  message: string;
}

export class Changes {
  look = $state.raw<DiffLook>({ kind: "loading" });
  /** What is being done. */
  doing = $state<"reading" | "merging" | "saving" | "undoing" | null>(null);
  trouble = $state.raw<Failure | null>(null);
  /** What became of the last merge. */
  outcome = $state.raw<AgentMergeOutcome | null>(null);
  /** Files that were asked for alone, by path. */
  alone = $state.raw<Record<string, AgentFileDiff>>({});
  #host: Host;
  #id: string;

  constructor(host: Host, id: string) {
    this.#host = host;
    this.#id = id;
  }

  /** Fetches the agent's work and compares it with what it was given. */
  async read(): Promise<void> {
    await this.#do("reading", async () => {
      try {
        this.look = { kind: "known", diff: await this.#host.call("agent_diff", { id: this.#id, path: null }) };
        this.alone = {};
      } catch (thrown) {
        if (this.look.kind === "known") throw thrown;
        this.look = { kind: "failing", failure: toFailure(thrown) };
      }
    });
  }

  /** Asks for more of one file. */
  async open(path: string): Promise<void> {
    await this.#do("reading", async () => {
      const { reviewed, files } = await this.#host.call("agent_diff", { id: this.#id, path });
      if (this.look.kind !== "known") return;
      // The agent went on meanwhile: a part of another commit is never shown as one of this.
      if (reviewed !== this.look.diff.reviewed) throw CHANGED;
      const file = files.find((one) => one.path === path);
      if (file) this.alone = { ...this.alone, [path]: file };
    });
  }

  /** Merges the commit that is shown. */
  async merge({ into, create, style, message }: MergeWish): Promise<void> {
    if (this.look.kind !== "known") return;
    const { reviewed } = this.look.diff;
    await this.#do("merging", async () => {
      this.outcome = null;
      const text = (words: string) => (words.trim() === "" ? null : words.trim());
      this.outcome = await this.#host.call("agent_merge", { id: this.#id, into: text(into), reviewed, create, style, message: text(message) });
    });
  }

  async undo(merge: AgentMerge): Promise<void> {
    await this.#do("undoing", async () => {
      await this.#host.call("agent_merge_undo", { id: this.#id, merge });
      this.outcome = null;
    });
  }

  /** Keeps the patch where the person wants it. */
  async save(): Promise<void> {
    await this.#do("saving", async () => {
      const { base64 } = await this.#host.call("agent_patch", { id: this.#id });
      await this.#host.keepFile(`agent-${this.#id}.patch`, new Blob([decode(base64)], { type: "text/x-diff" }));
    });
  }

  dismiss(): void {
    this.trouble = null;
  }

  async #do(doing: typeof this.doing, work: () => Promise<void>): Promise<void> {
    if (this.doing !== null) return;
    this.trouble = null;
    this.doing = doing;
    try {
      await work();
    } catch (thrown) {
      this.trouble = toFailure(thrown);
    } finally {
      this.doing = null;
    }
  }
}

const CHANGED: Failure = { code: "changed", message: "The agent changed files meanwhile", cause: "what is shown is from before", next: { kind: "text", text: "Refresh the changes and review them again." }, detail: null };
