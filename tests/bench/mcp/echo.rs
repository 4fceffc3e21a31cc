//! The server that is measured with: a line in, a line out.

use std::io::{BufRead, Write};

use serde_json::{Value, json};

/// The server: `echo` answers with what it was given, `large` with so many bytes.
pub fn echo() {
    let stdout = std::io::stdout();
    for line in std::io::stdin().lock().lines() {
        let Ok(line) = line else { return };
        let message: Value = serde_json::from_str(&line).expect("JSON");
        let Some(id) = message.get("id") else {
            continue;
        };
        let result = match message["method"].as_str() {
            Some("initialize") => json!({
                "protocolVersion": message["params"]["protocolVersion"],
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "echo", "version": "1"},
            }),
            Some("tools/list") => {
                json!({"tools": [{"name": "echo", "inputSchema": {"type": "object"}}]})
            }
            _ => {
                let given = &message["params"]["arguments"];
                let text = match given["bytes"].as_u64() {
                    Some(bytes) => "x".repeat(usize::try_from(bytes).expect("a size")),
                    None => given["text"].as_str().unwrap_or_default().to_owned(),
                };
                json!({"content": [{"type": "text", "text": text}]})
            }
        };
        let answer = json!({"jsonrpc": "2.0", "id": id, "result": result});
        let mut stdout = stdout.lock();
        if writeln!(stdout, "{answer}").is_err() {
            return;
        }
    }
}
