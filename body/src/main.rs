//! `body`: what runs inside a machine. One static binary, a few words:
//! `init` is PID 1 (a process table), `supervise` its child (the policy, the
//! HTTP API and the MCP endpoint), `mcp` the MCP endpoint alone, `computer` an MCP
//! server about the machine itself, `sandbox` one that asks the host for sandboxes;
//! `call` and `evolve` are clients of the HTTP API, `prove` tries out what runs
//! here, `version` says which one this is.
//!
//! Start reading at `init` and `supervisor`, the two processes that are always there, and at `http`, the
//! API between them and the host.
//!
//! - `init`, `supervisor`: PID 1, and its child with the policy
//! - `kernel`, `shell`, `terminal`, `cryo`, `jobs`: cells, commands, terminals, snapshots, all of them as jobs
//! - `mcp`, `computer`, `sandboxes`: the MCP endpoint, and the MCP servers of our own
//! - `tool_answer`, `tool_schema`: what tools of ours answer, and how tools are described to clients
//! - `desktop`, `takeover`: the display's services, and who has mouse and keyboard
//! - `evolve`: wishes to evolve, and the proof of a candidate
//! - `http`: the machine's API
//! - `changes`, `watch`, `clock`, `memory`, `proc`, `paths`, `secrets`, `atomic_file`: what all of them use

mod atomic_file;
mod changes;
mod clock;
mod computer;
mod cryo;
mod desktop;
mod evolve;
mod http;
mod init;
mod jobs;
mod kernel;
mod liveness;
mod mcp;
mod memory;
mod paths;
mod proc;
mod sandboxes;
mod secrets;
mod shell;
mod supervisor;
mod takeover;
mod terminal;
mod tool_answer;
mod tool_schema;
mod watch;

fn main() -> std::process::ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (word, rest) = match words.split_first() {
        Some((word, rest)) => (word.as_str(), rest),
        None => ("", &[][..]),
    };
    match word {
        "call" => evolve::call::run(rest),
        "evolve" => evolve::word::run(rest),
        "prove" => evolve::prove::run(rest),
        "init" if rest == ["home"] => init::home(),
        "init" => init::run(),
        "supervise" => supervisor::run(),
        "mcp" => mcp::run::alone(),
        "computer" => computer::run(),
        "sandbox" => sandboxes::run(),
        "version" => {
            println!("{}", wire::VERSION);
            std::process::ExitCode::SUCCESS
        }
        _ => {
            eprintln!("usage: body init|supervise|mcp|computer|sandbox|call|evolve|prove|version");
            std::process::ExitCode::from(2)
        }
    }
}
