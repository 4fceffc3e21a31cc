// The engine behind `vivarium serve --ui`: requests and one stream of events, with a token that the
// page gets for the one-time code in the printed address, and keeps in its memory alone. What the
// browser keeps of a tab holds a code for its next load, which is good once and for ten minutes.

import type { StreamEvent } from "../wire";
import { toFailure, type Answer, type Command, type Host, type Request } from "./host";
import { download, openSocket, openTab, pageClipboard } from "./page";

const CODE = "vivarium.code";
/** A code is good for ten minutes. */
const RENEW_MS = 240_000;
const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 5000;

export class ServedHost implements Host {
  #session: Promise<string>;
  #stream = new AbortController();
  #signOut!: () => void;
  #signedOut = new Promise<void>((resolve) => (this.#signOut = resolve));

  constructor() {
    const given = /^#code=([0-9a-f]+)$/.exec(location.hash)?.[1];
    // Neither history nor bookmarks keep it.
    if (given) history.replaceState(null, "", location.pathname);
    this.#session = this.#begin(given ?? sessionStorage.getItem(CODE) ?? "");
    setInterval(() => void this.#renew(), RENEW_MS);
  }

  /** The token for a code; empty if it opens nothing. */
  async #begin(code: string): Promise<string> {
    if (code === "") return "";
    const response = await exchange(code);
    if (!response?.ok) {
      sessionStorage.removeItem(CODE);
      return "";
    }
    const session = (await response.json()) as { token: string; code: string };
    sessionStorage.setItem(CODE, session.code);
    return session.token;
  }

  /** Another code for the next load, before the one that is kept is too old. */
  async #renew(): Promise<void> {
    try {
      const response = await this.#ask("/session/code", { method: "POST" });
      if (response.ok) sessionStorage.setItem(CODE, ((await response.json()) as { code: string }).code);
    } catch {
      // The engine's process is away; with it the token goes.
    }
  }

  async call<C extends Command>(command: C, request: Request<C>, machine: string | null = null): Promise<Answer<C>> {
    const of = machine === null ? "" : `/machines/${encodeURIComponent(machine)}`;
    let response: Response;
    try {
      response = await this.#ask(`${of}/rpc/${command}`, { method: "POST", body: JSON.stringify(request) });
    } catch (thrown) {
      throw toFailure(thrown, "Vivarium's server is not responding");
    }
    if (response.headers.get("content-type")?.startsWith("application/json")) {
      const answer: unknown = await response.json();
      if (response.ok) return answer as Answer<C>;
      throw toFailure(refusal(answer), response.status === 401 ? "Not authorised" : undefined);
    }
    throw toFailure(await response.text());
  }

  onSignedOut(hear: () => void): void {
    void this.#signedOut.then(hear);
  }

  readonly clipboard = pageClipboard;
  readonly keepFile = download;
  readonly openLink = openTab;
  readonly connect = openSocket;

  async subscribe(after: number, take: (event: StreamEvent) => void): Promise<void> {
    this.#stream.abort();
    const stream = new AbortController();
    this.#stream = stream;
    void this.#hear(after, take, stream.signal);
  }

  /** Reads the stream for ever: where it breaks, it goes on after the last event that was heard. */
  async #hear(after: number, take: (event: StreamEvent) => void, signal: AbortSignal): Promise<void> {
    let wait_ms = FIRST_RETRY_MS;
    while (!signal.aborted) {
      try {
        const response = await this.#ask(`/events?after=${after}`, { signal });
        if (response.status === 401) return;
        for await (const data of messages(response)) {
          wait_ms = FIRST_RETRY_MS;
          const event = JSON.parse(data) as StreamEvent;
          after = event.seq;
          take(event);
        }
      } catch {
        // The engine's process is away, or the stream was ended: tried again below.
      }
      await new Promise((resolve) => setTimeout(resolve, wait_ms));
      wait_ms = Math.min(wait_ms * 2, LAST_RETRY_MS);
    }
  }

  async #ask(path: string, init: RequestInit): Promise<Response> {
    const token = await this.#session;
    const response = await fetch(path, { ...init, headers: { Authorization: `Bearer ${token}` } });
    if (response.status === 401) this.#signOut();
    return response;
  }
}

/** Asks for the token; again if the network changed under the question, as it does when containers start. */
async function exchange(code: string): Promise<Response | null> {
  const request = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ code }) };
  for (let tries = 0; tries < 3; tries++) {
    try {
      return await fetch("/session", request);
    } catch {
      await new Promise((resolve) => setTimeout(resolve, FIRST_RETRY_MS));
    }
  }
  return null;
}

/** The data of each server-sent event. */
async function* messages(response: Response): AsyncGenerator<string> {
  if (!response.ok || !response.body) throw new Error(`${response.status}`);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line.startsWith("data: ")) yield line.slice(6);
  }
}

/** Why access was refused, in words; any other answer as it is. */
function refusal(answer: unknown): unknown {
  if (typeof answer !== "object" || answer === null || !("error" in answer)) return answer;
  const error = answer.error;
  return typeof error === "object" && error !== null && "message" in error ? error.message : answer;
}
