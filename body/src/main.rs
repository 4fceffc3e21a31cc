//! `body`: what runs inside a machine. One static binary, four words:
//! `init` is PID 1 (a process table), `supervise` its child (the policy, the
//! HTTP API and the MCP endpoint), `mcp` the MCP endpoint alone, `version` says
//! which one this is.

mod changes;
mod cryo;
mod desktop;
mod http;
mod init;
mod kernel;
mod mcp;
mod paths;
mod secrets;
mod shell;
mod supervisor;
mod terminal;

fn main() -> std::process::ExitCode {
    let word = std::env::args().nth(1).unwrap_or_default();
    match word.as_str() {
        "init" => init::run(),
        "supervise" => supervisor::run(),
        "mcp" => mcp::run::alone(),
        "version" => {
            println!("{}", wire::VERSION);
            std::process::ExitCode::SUCCESS
        }
        _ => {
            eprintln!("usage: body init|supervise|mcp|version");
            std::process::ExitCode::from(2)
        }
    }
}
