// The access tokens that were made. A new one is shown once, and forgotten when its note is closed.

import type { Host } from "../../host";
import { name as asName } from "../../shared/untrusted";
import type { TokenCreateRequest, TokenEntry, TokenList } from "../../wire";
import { Stored } from "./stored.svelte";

/** What a token may do, for a person who chooses. */
export const SCOPES = [
  { scope: "read", hint: "See state, logs and results" },
  { scope: "exec", hint: "Run code and commands, use the desktop and every MCP server" },
  { scope: "admin", hint: "Everything" },
  { scope: "mcp:*", hint: "Use every MCP server" },
] as const;

export class Tokens extends Stored<TokenList> {
  /** The token that was made last, until it is dismissed. */
  made = $state.raw<{ name: string; token: string } | null>(null);
  #host: Host;

  constructor(host: Host) {
    super();
    this.#host = host;
  }

  load(): Promise<void> {
    return this.read(() => this.#host.call("token_list", {}));
  }

  create(request: Omit<TokenCreateRequest, "numbered">): Promise<boolean> {
    return this.change(async () => {
      const { token, entry } = await this.#host.call("token_create", { ...request, numbered: false });
      this.made = { name: entry.name, token };
      return this.#host.call("token_list", {});
    });
  }

  remove(name: string): Promise<boolean> {
    return this.change(async () => {
      const list = await this.#host.call("token_remove", { name });
      if (this.made?.name === name) this.made = null;
      return list;
    });
  }
}

/** The scopes of a form: those that are ticked, and MCP servers by name, with commas or blanks between. */
export function scopesOf(ticked: string[], servers: string): string[] {
  const named = servers.split(/[\s,]+/).filter((name) => name !== "");
  return [...ticked, ...named.map((name) => `mcp:${name}`)];
}

/** For which machines a token is, in words. */
export function reach({ machines }: TokenEntry): string {
  if (machines === null) return "all machines and the API";
  return machines.length === 0 ? "no machine" : machines.join(", ");
}

/** What a token may do, in one line. */
export function scopeWords({ scopes }: TokenEntry): string {
  return scopes.map((scope) => asName(scope)).join(" ");
}
