// A session with one server, through the engine: what it offers, what is asked of it, what it asks.

import { toFailure } from "../../host";
import type { Live } from "../../shared/live/live.svelte";
import type { Failure, McpAnswer } from "../../wire";
import { without, type Json, type Schema } from "./schema";

export interface Tool {
  name: string;
  title?: string;
  description?: string;
  inputSchema: Schema;
  outputSchema?: Schema;
  annotations?: { title?: string; readOnlyHint?: boolean; destructiveHint?: boolean; idempotentHint?: boolean; openWorldHint?: boolean };
}
export interface Resource {
  /** A template's is what it makes addresses of. */
  uri: string;
  template: boolean;
  name: string;
  title?: string;
  description?: string;
  mimeType?: string;
}
export interface Prompt {
  name: string;
  title?: string;
  description?: string;
  arguments?: { name: string; description?: string; required?: boolean }[];
}
/** What the server wants to know, until it is answered. */
export interface Question {
  id: string | number;
  method: string;
  params: Record<string, unknown>;
}
export interface Progress {
  done: number;
  of: number | null;
  words: string;
}

export type State = { kind: "off" } | { kind: "opening" } | { kind: "open"; session: string } | { kind: "failed"; failure: Failure };

interface Message {
  id?: string | number;
  method?: string;
  params?: Record<string, unknown>;
}

/** Thrown for an answer that is an error. */
export class Refusal extends Error {
  readonly code: number;
  readonly data: unknown;
  constructor({ code, message, data }: NonNullable<McpAnswer["error"]>) {
    super(message);
    this.code = code;
    this.data = data;
  }
}

export class Session {
  readonly server: string | null;
  state = $state<State>({ kind: "off" });
  info = $state.raw<Record<string, unknown>>({});
  tools = $state.raw<Tool[]>([]);
  resources = $state.raw<Resource[]>([]);
  prompts = $state.raw<Prompt[]>([]);
  questions = $state.raw<Question[]>([]);
  /** What the server said for people to read, newest last. */
  notes = $state.raw<{ at: number; level: string; text: string }[]>([]);
  /** Whether sampling and elicitation come to this window. */
  answers = $state(false);
  progress = $state.raw<Record<number, Progress>>({});
  #live: Live;
  #last_id = 0;
  #stop: (() => void) | undefined;

  /** `null` for the endpoint over all servers. */
  constructor(live: Live, server: string | null) {
    this.#live = live;
    this.server = server;
  }

  get capabilities(): Record<string, Record<string, unknown> | undefined> {
    return (this.info["capabilities"] ?? {}) as Record<string, Record<string, unknown> | undefined>;
  }

  async open(): Promise<void> {
    if (this.state.kind === "opening" || this.state.kind === "open") return;
    this.state = { kind: "opening" };
    try {
      // What is said before its name is known here waits.
      const early: [string, Message][] = [];
      const known: { session?: string } = {};
      this.#stop = this.#live.listen((event) => {
        if (event.kind === "mcp_message") {
          if (known.session === undefined) early.push([event.session, event.message]);
          else if (event.session === known.session) this.#hear(event.message);
        } else if (event.kind === "mcp_closed" && event.session === known.session) this.#over(event.cause);
      });
      const opened = await this.#live.call("mcp_open", { server: this.server, answers: this.answers });
      const { session } = opened;
      known.session = session;
      this.info = opened.initialized;
      this.state = { kind: "open", session };
      for (const [of, message] of early) if (of === session) this.#hear(message);
      await this.list();
    } catch (thrown) {
      this.#stop?.();
      this.state = { kind: "failed", failure: toFailure(thrown) };
    }
  }

  async close(): Promise<void> {
    this.#stop?.();
    this.questions = [];
    if (this.state.kind !== "open") return;
    const { session } = this.state;
    this.state = { kind: "off" };
    await this.#live.call("mcp_close", { session }).catch(() => {});
  }

  /** Reads anew what the server offers. */
  async list(): Promise<void> {
    const has = this.capabilities;
    if (has["tools"]) this.tools = await this.#all<Tool>("tools/list", "tools");
    if (has["prompts"]) this.prompts = await this.#all<Prompt>("prompts/list", "prompts");
    if (has["resources"]) {
      const fixed = await this.#all<Resource>("resources/list", "resources");
      const templates = await this.#all<Resource & { uriTemplate: string }>("resources/templates/list", "resourceTemplates").catch(() => []);
      this.resources = [...fixed.map((one) => ({ ...one, template: false })), ...templates.map((one) => ({ ...one, uri: one.uriTemplate, template: true }))];
    }
  }

  nextId(): number {
    return ++this.#last_id;
  }

  /** Asks; rejects with a `Refusal` where the server answers with an error, with a `Failure` where it answers nothing. */
  async request(method: string, params: Json | undefined, id = this.nextId()): Promise<{ result: Json; duration_ms: number }> {
    if (this.state.kind !== "open") throw toFailure(new Error("The session is not open"));
    const { session } = this.state;
    try {
      const answer = await this.#live.call("mcp_request", { session, id, method, params: params ?? null });
      if (answer.error) throw new Refusal(answer.error);
      return { result: answer.result as Json, duration_ms: answer.duration_ms };
    } finally {
      this.progress = without(this.progress, String(id));
    }
  }

  async cancel(id: number): Promise<void> {
    await this.#tell({ method: "notifications/cancelled", params: { requestId: id, reason: "The person cancelled it" } });
  }

  async answer(question: Question, said: { result: Json } | { error: { code: number; message: string } }): Promise<void> {
    this.questions = this.questions.filter((one) => one !== question);
    await this.#tell({ id: question.id, ...said });
  }

  async #tell(message: Record<string, unknown>): Promise<void> {
    if (this.state.kind === "open") await this.#live.call("mcp_tell", { session: this.state.session, message });
  }

  /** All pages of a list. */
  async #all<T>(method: string, field: string): Promise<T[]> {
    const found: T[] = [];
    let cursor: Json | undefined;
    do {
      const { result } = await this.request(method, cursor === undefined ? {} : { cursor });
      const page = result as Record<string, Json>;
      found.push(...((page[field] ?? []) as unknown as T[]));
      cursor = page["nextCursor"] ?? undefined;
    } while (cursor !== undefined && found.length < 10_000);
    return found;
  }

  #hear({ id, method, params = {} }: Message): void {
    if (method === undefined) return;
    if (id !== undefined) {
      if (method === "ping") void this.#tell({ id, result: {} });
      else if (method === "roots/list") void this.#tell({ id, result: { roots: [] } });
      else if (method === "sampling/createMessage" || method === "elicitation/create") this.questions = [...this.questions, { id, method, params }];
      else void this.#tell({ id, error: { code: -32601, message: `This client does not know ${method}` } });
      return;
    }
    switch (method) {
      case "notifications/progress": {
        const token = Number(params["progressToken"]);
        const of = typeof params["total"] === "number" ? params["total"] : null;
        this.progress = { ...this.progress, [token]: { done: Number(params["progress"] ?? 0), of, words: String(params["message"] ?? "") } };
        break;
      }
      case "notifications/message":
        this.#note(String(params["level"] ?? "info"), params["data"]);
        break;
      case "notifications/resources/updated":
        this.#note("info", `${String(params["uri"])} has changed`);
        break;
      case "notifications/cancelled":
        this.questions = this.questions.filter((one) => one.id !== params["requestId"]);
        break;
      case "notifications/tools/list_changed":
      case "notifications/resources/list_changed":
      case "notifications/prompts/list_changed":
        void this.list().catch(() => {});
        break;
    }
  }

  #note(level: string, data: unknown): void {
    const text = typeof data === "string" ? data : JSON.stringify(data);
    this.notes = [...this.notes.slice(-199), { at: Date.now(), level, text }];
  }

  #over(cause: string): void {
    this.#stop?.();
    this.questions = [];
    this.state = { kind: "failed", failure: { code: "not_running", message: "The session has ended", cause, next: "Connect again.", detail: null } };
  }
}
