//! The servers that a machine has of itself. Where one's program is not in the image, it is shown
//! as missing and never tried.

use std::collections::BTreeMap;

use wire::mcp::McpServerEntry;

fn entry(command: &str, args: &[&str]) -> McpServerEntry {
    McpServerEntry {
        command: Some(command.to_owned()),
        args: args.iter().map(|word| (*word).to_owned()).collect(),
        ..McpServerEntry::default()
    }
}

/// All of them, by name.
pub fn servers() -> BTreeMap<String, McpServerEntry> {
    let browser = McpServerEntry {
        env: [("BROWSER_USE_HEADLESS", "${BROWSER_USE_HEADLESS:-false}")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        ..entry("/opt/mcp/browser-use/bin/browser-use", &["--mcp"])
    };
    // Off until the machine's owner allows it: the host turns it on then.
    let sandbox = McpServerEntry {
        disabled: true,
        ..entry("/usr/local/bin/body", &["sandbox"])
    };
    [
        ("browser-use", browser),
        ("linux", entry("/opt/mcp/linux/bin/linux-mcp-server", &[])),
        (
            "filesystem",
            entry(
                "/usr/local/bin/node",
                &[
                    "/opt/mcp/filesystem/dist/index.js",
                    "${FILESYSTEM_ROOT:-/root}",
                ],
            ),
        ),
        ("computer", entry("/usr/local/bin/body", &["computer"])),
        ("sandbox", sandbox),
    ]
    .map(|(name, entry)| (name.to_owned(), entry))
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sandboxes_are_off_until_the_owner_allows_them_and_all_else_is_on() {
        let off: Vec<_> = servers()
            .into_iter()
            .filter(|(_, entry)| entry.disabled)
            .map(|(name, _)| name)
            .collect();
        assert_eq!(off, ["sandbox"]);
    }
}
