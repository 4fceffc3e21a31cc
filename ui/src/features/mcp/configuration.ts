// Programs that can be made clients of this endpoint. The app has each one's form, and a token for it.

import type { McpClient } from "../../wire";

export interface Target {
  client: McpClient;
  word: string;
  /** Where the text goes. */
  where: string;
}

export const TARGETS: Target[] = [
  { client: "claude-code", word: "Claude Code", where: "a terminal" },
  { client: "claude-desktop", word: "Claude Desktop", where: "claude_desktop_config.json" },
  { client: "codex", word: "Codex", where: "~/.codex/config.toml" },
  { client: "cursor", word: "Cursor", where: "~/.cursor/mcp.json" },
  { client: "gemini-cli", word: "Gemini CLI", where: "~/.gemini/settings.json" },
  { client: "vscode", word: "VS Code", where: ".vscode/mcp.json" },
  { client: "windsurf", word: "Windsurf", where: "~/.codeium/windsurf/mcp_config.json" },
  { client: "zed", word: "Zed", where: "settings.json" },
  { client: "address", word: "Address with token", where: "anything else" },
];
