//! `body`: what runs inside a machine. One static binary, a few words:
//! `init` is PID 1 (a process table), `supervise` its child (the policy, the
//! HTTP API and the MCP endpoint), `mcp` the MCP endpoint alone, `computer` an MCP
//! server about the machine itself; `call` and `evolve` are clients of the HTTP API,
//! `prove` tries out what runs here, `version` says which one this is.

mod atomic_file;
mod changes;
mod clock;
mod computer;
mod cryo;
mod desktop;
mod evolve;
mod http;
mod init;
mod kernel;
mod mcp;
mod memory;
mod paths;
mod proc;
mod secrets;
mod shell;
mod supervisor;
mod takeover;
mod terminal;
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
        "version" => {
            println!("{}", wire::VERSION);
            std::process::ExitCode::SUCCESS
        }
        _ => {
            eprintln!("usage: body init|supervise|mcp|computer|call|evolve|prove|version");
            std::process::ExitCode::from(2)
        }
    }
}
