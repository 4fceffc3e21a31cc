// A session with one server, through the engine: what it offers, what is asked of it, what it asks.

import { toFailure } from "../../host";
import type { Live } from "../../shared/live/live.svelte";
import type { Failure, McpAnswer } from "../../wire";
import { asJson, asRecord, asText, clip, isRecord, maybeNumber, maybeText } from "../../shared/untrusted";
import { readAll, readPages, readPrompt, readResource, readTool, type Prompt, type Resource, type Tool } from "./offered";
import { hasLarge, parseExact, stringifyExact } from "../../shared/exact";
import { without, type Json } from "./schema";

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

/** What a server hears whose question for a model is not answered. */
export const refused = { error: { code: -1, message: "The person declined" } };

export type State = { kind: "off" } | { kind: "opening" } | { kind: "open"; session: string } | { kind: "failed"; failure: Failure };

/** Questions that may wait for the person; more are refused. */
const QUESTIONS = 10;
const NOTES = 200;
const LONGEST_NOTE = 10_000;
/** However often a server says that its lists have changed, they are read so often. */
const LIST_EVERY_MS = 1000;

/** Thrown for an answer that is an error. */
export class Refusal extends Error {
  readonly code: number;
  readonly data: unknown;
  constructor({ code, message, data }: NonNullable<McpAnswer["error"]>) {
    super(asText(message, "The server returned an error"));
    this.code = maybeNumber(code) ?? 0;
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
  /** Lists of which only the beginning was read. */
  cut = $state.raw<string[]>([]);
  #waiting = new Set<number>();
  #listing: ReturnType<typeof setTimeout> | undefined;
  #live: Live;
  #last_id = 0;
  #stop: (() => void) | undefined;

  /** `null` for the endpoint over all servers. */
  constructor(live: Live, server: string | null) {
    this.#live = live;
    this.server = server;
  }

  get capabilities(): Record<string, unknown> {
    return asRecord(this.info["capabilities"]);
  }

  async open(): Promise<void> {
    if (this.state.kind === "opening" || this.state.kind === "open") return;
    this.state = { kind: "opening" };
    try {
      // What is said before its name is known here waits.
      const early: [string, unknown][] = [];
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
      this.info = asRecord(opened.initialized);
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

  /** Reads what the server offers. */
  async list(): Promise<void> {
    const has = this.capabilities;
    const cut: string[] = [];
    const all = async (method: string, field: string): Promise<unknown[]> => {
      const read = await readPages(field, async (cursor) => (await this.request(method, cursor === undefined ? {} : { cursor })).result);
      if (read.cut) cut.push(method);
      return read.entries;
    };
    if (has["tools"]) this.tools = readAll(await all("tools/list", "tools"), readTool, ({ name }) => name);
    if (has["prompts"]) this.prompts = readAll(await all("prompts/list", "prompts"), readPrompt, ({ name }) => name);
    if (has["resources"]) {
      const fixed = await all("resources/list", "resources");
      const templates = await all("resources/templates/list", "resourceTemplates").catch(() => []);
      const read = [...readAll(fixed, (one) => readResource(one, false), ({ uri }) => uri), ...readAll(templates, (one) => readResource(one, true), ({ uri }) => uri)];
      this.resources = readAll(read, (one) => one as Resource, ({ uri }) => uri);
    }
    this.cut = cut;
  }

  nextId(): number {
    return ++this.#last_id;
  }

  /** Asks; rejects with a `Refusal` where the server answers with an error, with a `Failure` where it answers nothing. */
  async request(method: string, params: Json | undefined, id = this.nextId()): Promise<{ result: Json; duration_ms: number }> {
    if (this.state.kind !== "open") throw toFailure(new Error("The session is not open"));
    const { session } = this.state;
    this.#waiting.add(id);
    try {
      // As text: numbers of JavaScript don't hold every integer.
      const large = hasLarge(params) ? { params: null, params_text: stringifyExact(params) ?? null } : { params: params ?? null, params_text: null };
      const told: unknown = await this.#live.call("mcp_request", { session, id, method, ...large, as_text: true });
      const answer = isRecord(told) && typeof told["text"] === "string" ? { ...asRecord(parseExact(told["text"])), duration_ms: told["duration_ms"] } : told;
      if (!isRecord(answer)) throw unexpected(answer);
      if (answer["error"] != null) throw isRecord(answer["error"]) ? new Refusal(answer["error"] as unknown as NonNullable<McpAnswer["error"]>) : unexpected(answer["error"]);
      return { result: (answer["result"] ?? null) as Json, duration_ms: maybeNumber(answer["duration_ms"]) ?? 0 };
    } finally {
      this.#waiting.delete(id);
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

  #hear(message: unknown): void {
    if (!isRecord(message)) return;
    const method = maybeText(message["method"]);
    const params = asRecord(message["params"]);
    const { id } = message;
    if (method === undefined) return;
    if (id !== undefined && id !== null) {
      if (typeof id !== "string" && typeof id !== "number") return;
      if (method === "ping") void this.#reply({ id, result: {} });
      else if (method === "roots/list") void this.#reply({ id, result: { roots: [] } });
      else if (method === "sampling/createMessage" || method === "elicitation/create") this.#ask({ id, method, params });
      else void this.#reply({ id, error: { code: -32601, message: `This client does not support ${clip(method, 200)}` } });
      return;
    }
    switch (method) {
      case "notifications/progress": {
        const token = Number(params["progressToken"]);
        if (!this.#waiting.has(token)) return;
        const words = clip(asText(params["message"]), 500);
        this.progress = { ...this.progress, [token]: { done: maybeNumber(params["progress"]) ?? 0, of: maybeNumber(params["total"]) ?? null, words } };
        break;
      }
      case "notifications/message":
        this.#note(asText(params["level"], "info"), params["data"]);
        break;
      case "notifications/resources/updated":
        this.#note("info", `${asText(params["uri"], "A resource")} has changed`);
        break;
      case "notifications/cancelled":
        this.questions = this.questions.filter((one) => one.id !== params["requestId"]);
        break;
      case "notifications/tools/list_changed":
      case "notifications/resources/list_changed":
      case "notifications/prompts/list_changed":
        this.#listing ??= setTimeout(() => {
          void this.list()
            .catch(() => {})
            .finally(() => (this.#listing = undefined));
        }, LIST_EVERY_MS);
        break;
    }
  }

  /** Whoever is gone meanwhile hears nothing. */
  async #reply(message: Record<string, unknown>): Promise<void> {
    await this.#tell(message).catch(() => {});
  }

  #ask(question: Question): void {
    if (this.questions.some(({ id }) => id === question.id)) return;
    if (this.questions.length < QUESTIONS) this.questions = [...this.questions, question];
    else void this.#reply({ id: question.id, error: { code: -1, message: "Too many questions are waiting for the person" } });
  }

  #note(level: string, data: unknown): void {
    const text = clip(typeof data === "string" ? data : asJson(data), LONGEST_NOTE);
    this.notes = [...this.notes.slice(1 - NOTES), { at: Date.now(), level: clip(level, 20), text }];
  }

  #over(cause: string): void {
    this.#stop?.();
    this.questions = [];
    this.state = { kind: "failed", failure: { code: "not_running", message: "The session has ended", cause, next: { kind: "open_session" }, detail: null } };
  }
}

function unexpected(answer: unknown): Failure {
  return { code: "internal", message: "Unexpected response from the server", cause: clip(asJson(answer), 500), next: null, detail: null };
}
