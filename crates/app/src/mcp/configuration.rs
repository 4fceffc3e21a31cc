//! How other programs are told of the endpoint: each client's own form, with a token of its own.

use serde_json::{Value, json};
use wire::inspector::McpClient;

/// Where a client's configuration goes.
pub(super) fn place(client: McpClient) -> &'static str {
    match client {
        McpClient::ClaudeCode => "a terminal",
        McpClient::ClaudeDesktop => "claude_desktop_config.json",
        McpClient::Codex => "~/.codex/config.toml",
        McpClient::Cursor => "~/.cursor/mcp.json",
        McpClient::GeminiCli => "~/.gemini/settings.json",
        McpClient::Vscode => ".vscode/mcp.json",
        McpClient::Windsurf => "~/.codeium/windsurf/mcp_config.json",
        McpClient::Zed => "Zed's settings.json",
        McpClient::Address => "any other client",
    }
}

/// The name of a client's token.
pub(super) fn token_name(client: McpClient) -> &'static str {
    match client {
        McpClient::ClaudeCode => "claude-code",
        McpClient::ClaudeDesktop => "claude-desktop",
        McpClient::Codex => "codex",
        McpClient::Cursor => "cursor",
        McpClient::GeminiCli => "gemini-cli",
        McpClient::Vscode => "vscode",
        McpClient::Windsurf => "windsurf",
        McpClient::Zed => "zed",
        McpClient::Address => "address",
    }
}

/// What a client is given. The name comes from inside a machine: in a file it is a name and nothing
/// else, and a shell reads it as one word.
pub(super) fn text(client: McpClient, url: &str, token: &str, name: &str) -> String {
    let bearer = format!("Bearer {token}");
    let headers = json!({ "Authorization": bearer });
    match client {
        McpClient::ClaudeCode => shell_line(&[
            "claude",
            "mcp",
            "add",
            "--transport",
            "http",
            &clean(name, "-_."),
            url,
            "--header",
            &format!("Authorization: {bearer}"),
        ]),
        // It starts programs only: this one carries its messages to the address.
        McpClient::ClaudeDesktop => servers(
            "mcpServers",
            name,
            json!({
                "command": "npx",
                "args": ["-y", "mcp-remote", url, "--header", "Authorization:${VIVARIUM_AUTH}"],
                "env": {"VIVARIUM_AUTH": bearer},
            }),
        ),
        McpClient::Codex => {
            // Strings of JSON are strings of TOML.
            let (url, bearer) = (json!(url), json!(bearer));
            let name = clean(name, "-_");
            format!(
                "[mcp_servers.{name}]\nurl = {url}\nhttp_headers = {{ \"Authorization\" = {bearer} }}"
            )
        }
        McpClient::Cursor => servers("mcpServers", name, json!({"url": url, "headers": headers})),
        McpClient::GeminiCli => servers(
            "mcpServers",
            name,
            json!({"httpUrl": url, "headers": headers}),
        ),
        McpClient::Vscode => servers(
            "servers",
            name,
            json!({"type": "http", "url": url, "headers": headers}),
        ),
        McpClient::Windsurf => servers(
            "mcpServers",
            name,
            json!({"serverUrl": url, "headers": headers}),
        ),
        McpClient::Zed => servers(
            "context_servers",
            name,
            json!({"url": url, "headers": headers}),
        ),
        McpClient::Address => format!("{url}?token={token}"),
    }
}

fn servers(place: &str, name: &str, entry: Value) -> String {
    let file = json!({ place: { name: entry } });
    // A value that was just made can be written.
    serde_json::to_string_pretty(&file).unwrap_or_default()
}

/// A name that is taken for neither an option nor anything else.
fn clean(name: &str, allowed: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || allowed.contains(letter);
    let letters = name.chars();
    let letters = letters.map(|letter| if plain(letter) { letter } else { '_' });
    let clean: String = letters.collect();
    match clean.trim_start_matches('-') {
        "" => "vivarium".to_owned(),
        clean => clean.to_owned(),
    }
}

/// The line that makes a shell run a program with these arguments, whichever shell it is.
fn shell_line(words: &[&str]) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "_@%+=:,./-".contains(letter);
    let quoted = words.iter().map(|word| {
        if !word.is_empty() && word.chars().all(plain) {
            (*word).to_owned()
        } else {
            format!("'{}'", word.replace('\'', "'\\''"))
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words that a shell makes of a line; anything that it runs beside stands before them.
    fn words(line: &str) -> Vec<String> {
        let script = format!("claude() {{ printf '%s\\0' \"$@\"; }}\n{line}");
        let output = std::process::Command::new("/bin/sh")
            .args(["-c", &script])
            .env("PATH", "/nowhere")
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let mut words: Vec<String> = text.split('\0').map(str::to_owned).collect();
        words.pop();
        words
    }

    #[test]
    fn the_line_for_a_terminal_adds_the_server_and_runs_nothing_else() {
        let names = [
            "weather",
            "a b",
            "$(touch /tmp/x)",
            "`id`",
            "x; id",
            "x' 'y",
            "a\"b",
            "-h",
            "--scope=user",
            "a\nid",
            "${IFS}",
            "*",
            "(x)",
            "~",
            "!!",
            "..",
            "é",
            "",
        ];
        for name in names {
            let (url, token) = ("http://127.0.0.1:8765/servers/x%20y/mcp", "to'k$(id)en");
            let line = text(McpClient::ClaudeCode, url, token, name);
            let made = words(&line);
            let safe = made.get(4).cloned().unwrap_or_default();
            let bearer = format!("Authorization: Bearer {token}");
            let expected = [
                "mcp",
                "add",
                "--transport",
                "http",
                &safe,
                url,
                "--header",
                &bearer,
            ];
            assert_eq!(made, expected, "{name:?}");
            let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
            assert!(
                !safe.is_empty() && !safe.starts_with('-') && safe.chars().all(plain),
                "{name:?}: {safe:?}"
            );
        }
    }

    #[test]
    fn files_are_json_in_which_a_name_is_only_a_name() {
        let name = "x\"}, \"evil\": {\"command\": \"id";
        for (client, place, url) in [
            (McpClient::ClaudeDesktop, "mcpServers", None),
            (McpClient::Cursor, "mcpServers", Some("url")),
            (McpClient::GeminiCli, "mcpServers", Some("httpUrl")),
            (McpClient::Vscode, "servers", Some("url")),
            (McpClient::Windsurf, "mcpServers", Some("serverUrl")),
            (McpClient::Zed, "context_servers", Some("url")),
        ] {
            let made = text(client, "http://x/mcp", "t", name);
            let made: Value = serde_json::from_str(&made).unwrap();
            let servers = made[place].as_object().unwrap();
            assert!(
                servers.len() == 1 && made.as_object().unwrap().len() == 1,
                "{made}"
            );
            let entry = &servers[name];
            assert!(entry.to_string().contains("Bearer t"), "{entry}");
            if let Some(url) = url {
                assert_eq!(entry[url], "http://x/mcp", "{made}");
            }
        }
    }

    #[test]
    fn codex_has_a_table_of_toml() {
        let made = text(
            McpClient::Codex,
            "http://x/mcp",
            "t\"\n",
            "a.b \"c\"]\n[evil",
        );
        let made: toml::Value = toml::from_str(&made).unwrap();
        let servers = made["mcp_servers"].as_table().unwrap();
        let (name, entry) = servers.iter().next().unwrap();
        assert_eq!((servers.len(), &**name), (1, "a_b__c____evil"));
        assert_eq!(entry["url"].as_str(), Some("http://x/mcp"));
        assert_eq!(
            entry["http_headers"]["Authorization"].as_str(),
            Some("Bearer t\"\n")
        );
    }
}
