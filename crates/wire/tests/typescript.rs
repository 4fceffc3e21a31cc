//! The UI's types are those of this crate. `UPDATE_WIRE=1` (or `just wire`)
//! writes them; without it the test fails where the committed file is older.
#![cfg(feature = "ts")]

use std::{any::TypeId, collections::BTreeMap, fmt::Write as _, fs, path::Path};

use ts_rs::{Config, TS, TypeVisitor};
use wire::{
    agent::*,
    body::*,
    commands::*,
    evolve::*,
    inspector::*,
    job::{JobId, JobList, JobLog, JobLogRequest},
    log::{LogLines, LogsRequest},
    machine::{EngineInfo, MachineDisk, MachineStats, MachineStatus},
    machines::{MachineCreateRequest, MachineDeleteRequest, MachineList, MachineRenameRequest},
    mcp::*,
    sandbox::{CreateRequest, ExecView, FileEntry, PoolView, SandboxView},
    sandbox_call::{SandboxAccess, SandboxAccessState},
    sandbox_commands::*,
    secrets::{SecretHandRequest, SecretList, SecretName, SecretSetRequest},
    settings::{Settings, SettingsState},
    stream::StreamEvent,
    tokens::{
        CredentialRequest, CredentialText, TokenCreateRequest, TokenCreated, TokenList, TokenName,
    },
};

const HEAD: &str = "// Made from crates/wire by `just wire`. Changes belong there.\n";

/// Every type that the commands and the stream need, by name.
struct Declarations {
    config: Config,
    seen: Vec<TypeId>,
    found: BTreeMap<String, String>,
}

impl TypeVisitor for Declarations {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        if self.seen.contains(&TypeId::of::<T>()) {
            return;
        }
        self.seen.push(TypeId::of::<T>());
        // Only types of our own have a file to be written to.
        if T::output_path().is_some() {
            let docs = T::docs().unwrap_or_default();
            let declaration = format!("{docs}export {}\n", T::decl(&self.config));
            self.found.insert(T::name(&self.config), declaration);
        }
        T::visit_dependencies(self);
        T::visit_generics(self);
    }
}

fn generated() -> String {
    let mut types = Declarations {
        config: Config::default(),
        seen: Vec::new(),
        found: BTreeMap::new(),
    };
    let mut commands = String::new();
    macro_rules! list {
        ($head:literal; $($name:ident: $request:ty => $answer:ty, $what:literal;)*) => {
            commands.push_str($head);
            $(
                types.visit::<$request>();
                types.visit::<$answer>();
                writeln!(
                    commands,
                    "  /** {} */\n  {}: {{ request: {}; answer: {} }};",
                    $what,
                    stringify!($name),
                    <$request>::name(&types.config),
                    <$answer>::name(&types.config),
                )
                .expect("a string takes it");
            )*
            commands.push_str("}\n");
        };
    }
    macro_rules! of_app {
        ($($list:tt)*) => { list! { "/** Every command about the app: what it is asked with, what it answers. */\nexport interface AppCommands {\n"; $($list)* } };
    }
    macro_rules! of_machine {
        ($($list:tt)*) => { list! { "\n/** Every command about one machine. */\nexport interface MachineCommands {\n"; $($list)* } };
    }
    wire::for_each_app_command!(of_app);
    wire::for_each_machine_command!(of_machine);
    types.visit::<StreamEvent>();
    // What a terminal's WebSocket carries beside bytes.
    types.visit::<TerminalControl>();
    types.visit::<TerminalEnd>();
    let declarations: Vec<_> = types.found.into_values().collect();
    tidy(&format!("{HEAD}\n{}\n{commands}", declarations.join("\n")))
}

/// Comments of one line on one line, and no spaces at the ends.
fn tidy(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(str::trim_end).collect();
    let mut out = String::new();
    let mut at = 0;
    while at < lines.len() {
        match lines[at..] {
            ["/**", comment, " */", ..] => {
                writeln!(out, "/**{} */", comment.trim_start_matches(" *"))
                    .expect("a string takes it");
                at += 3;
            }
            _ => {
                writeln!(out, "{}", lines[at]).expect("a string takes it");
                at += 1;
            }
        }
    }
    out
}

#[test]
fn the_types_of_the_ui_are_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ui/src/wire/index.ts");
    let generated = generated();
    if std::env::var_os("UPDATE_WIRE").is_some() {
        fs::write(&path, &generated).expect("ui/src/wire/index.ts can be written");
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == generated,
        "ui/src/wire/index.ts is older than crates/wire: run `just wire` (UPDATE_WIRE=1 cargo test -p wire --features ts)"
    );
}
