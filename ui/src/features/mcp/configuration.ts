// How other programs are told of this endpoint: each client's own form.

import type { TokenCreateRequest } from "../../wire";
import { shellLine } from "./entry";

export interface Target {
  id: string;
  word: string;
  /** Where the text goes. */
  where: string;
  text: (url: string, token: string, name: string) => string;
}

/** A name that is taken for neither an option nor anything else. */
const clean = (name: string) => name.replaceAll(/[^\w.-]/g, "_").replace(/^-+/, "") || "vivarium";

const pretty = (value: unknown) => JSON.stringify(value, null, 2);
const header = (token: string) => ({ Authorization: `Bearer ${token}` });

export const TARGETS: Target[] = [
  {
    id: "claude-code",
    word: "Claude Code",
    where: "a terminal",
    // A server's name comes from inside, and a shell reads this.
    text: (url, token, name) => shellLine(["claude", "mcp", "add", "--transport", "http", clean(name), url, "--header", `Authorization: Bearer ${token}`]),
  },
  {
    id: "claude-desktop",
    word: "Claude Desktop",
    where: "claude_desktop_config.json",
    // It starts programs only: this one carries its messages to the address.
    text: (url, token, name) =>
      pretty({ mcpServers: { [name]: { command: "npx", args: ["-y", "mcp-remote", url, "--header", "Authorization:${VIVARIUM_AUTH}"], env: { VIVARIUM_AUTH: `Bearer ${token}` } } } }),
  },
  {
    id: "cursor",
    word: "Cursor",
    where: "~/.cursor/mcp.json",
    text: (url, token, name) => pretty({ mcpServers: { [name]: { url, headers: header(token) } } }),
  },
  {
    id: "vscode",
    word: "VS Code",
    where: ".vscode/mcp.json",
    text: (url, token, name) => pretty({ servers: { [name]: { type: "http", url, headers: header(token) } } }),
  },
  { id: "url", word: "Address with token", where: "anything else", text: (url, token) => `${url}?token=${token}` },
];

/** The token of a client's own: named after it, for what it is told of, at this machine. */
export function tokenFor({ id }: Target, server: string | null, machine: string | null): TokenCreateRequest {
  return {
    name: id === "url" ? "address" : id,
    scopes: [server === null ? "mcp:*" : `mcp:${server}`],
    machines: machine === null ? null : [machine],
    numbered: true,
  };
}
