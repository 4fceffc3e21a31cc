//! The routers: made of the lists in [`wire::commands`]. A command is carried out by the method of its
//! own name, beside its feature, so that one without a method, or with another type, does not compile.

use futures_util::future::BoxFuture;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use wire::{
    agent::*,
    body::*,
    commands::*,
    evolve::*,
    failure::{Failure, FailureCode},
    inspector::*,
    job::{JobId, JobList, JobLog, JobLogRequest},
    log::{LogLines, LogsRequest},
    machine::{EngineInfo, MachineDisk, MachineStats, MachineStatus},
    machines::{MachineCreateRequest, MachineDeleteRequest, MachineList, MachineRenameRequest},
    mcp::{McpRemoved, McpServerList, McpStatus, McpTracePage},
    sandbox::{CreateRequest, ExecView, FileEntry, PoolView, SandboxView},
    sandbox_call::{SandboxAccess, SandboxAccessState},
    sandbox_commands::*,
    secrets::{SecretHandRequest, SecretList, SecretName, SecretSetRequest},
    settings::{Settings, SettingsState},
    tokens::{
        CredentialRequest, CredentialText, TokenCreateRequest, TokenCreated, TokenList, TokenName,
    },
};

use crate::{App, MachineHandle};

macro_rules! router {
    ($commands:ident, $target:ident; $($name:ident: $request:ident => $answer:ident, $doc:literal;)*) => {
        /// Names of its commands.
        pub const $commands: &[&str] = &[$(stringify!($name)),*];

        impl $target {
            /// Reads the request, calls the method of the command's name, writes the answer.
            ///
            /// Each is a future of its own: all of them in one would take minutes to compile.
            pub(crate) fn dispatch<'a>(&'a self, command: &'a str, params: Value) -> BoxFuture<'a, Result<Value, Failure>> {
                match command {
                    $(stringify!($name) => Box::pin(async move {
                        let answer: $answer = self.$name(request::<$request>(command, params)?).await?;
                        written(answer)
                    }),)*
                    _ => Box::pin(async move {
                        Err(Failure::new(FailureCode::NotFound, format!("Command not found: {command}")))
                    }),
                }
            }
        }
    };
}
macro_rules! app_router {
    ($($list:tt)*) => { router! { APP_COMMANDS, App; $($list)* } };
}
macro_rules! machine_router {
    ($($list:tt)*) => { router! { MACHINE_COMMANDS, MachineHandle; $($list)* } };
}
wire::for_each_app_command!(app_router);
wire::for_each_machine_command!(machine_router);

fn request<T: DeserializeOwned>(command: &str, params: Value) -> Result<T, Failure> {
    let params = match params {
        Value::Null => Value::Object(serde_json::Map::new()),
        other => other,
    };
    serde_json::from_value(params).map_err(|error| {
        Failure::new(
            FailureCode::Invalid,
            format!("The request of {command} is not valid"),
        )
        .because(error.to_string())
    })
}

fn written<T: Serialize>(answer: T) -> Result<Value, Failure> {
    serde_json::to_value(answer).map_err(|error| {
        Failure::new(
            FailureCode::Internal,
            "A response could not be written as JSON",
        )
        .because(error.to_string())
    })
}

#[cfg(test)]
mod tests;
