//! The router: made of [`wire::for_each_command!`], so that a command without a
//! handler does not compile.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use wire::{
    commands::*,
    failure::{Failure, FailureCode},
    machine::{EngineInfo, MachineStatus},
};

use crate::Engine;

macro_rules! router {
    ($($name:ident: $request:ident => $answer:ident, $doc:literal;)*) => {
        /// Names of all commands.
        pub const COMMANDS: &[&str] = &[$(stringify!($name)),*];

        /// One handler per command.
        trait Handlers {
            $(#[doc = $doc] async fn $name(&self, request: $request) -> Result<$answer, Failure>;)*
        }

        /// Reads the request, calls the handler, writes the answer.
        pub(crate) async fn dispatch(engine: &Engine, command: &str, params: Value) -> Result<Value, Failure> {
            match command {
                $(stringify!($name) => answer(engine.$name(request(command, params)?).await?),)*
                _ => Err(Failure::new(FailureCode::NotFound, format!("There is no command named {command}"))),
            }
        }
    };
}
wire::for_each_command!(router);

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

fn answer<T: Serialize>(answer: T) -> Result<Value, Failure> {
    serde_json::to_value(answer).map_err(|error| {
        Failure::new(
            FailureCode::Internal,
            "An answer could not be written as JSON",
        )
        .because(error.to_string())
    })
}

fn not_yet<T>() -> Result<T, Failure> {
    Err(Failure::new(FailureCode::Internal, "This is not built yet"))
}

impl Handlers for Engine {
    async fn app_info(&self, _: Nothing) -> Result<AppInfo, Failure> {
        not_yet()
    }
    async fn engine_info(&self, _: Nothing) -> Result<EngineInfo, Failure> {
        not_yet()
    }
    async fn machine_status(&self, _: Nothing) -> Result<MachineStatus, Failure> {
        not_yet()
    }
    async fn machine_up(&self, _: UpRequest) -> Result<RunStarted, Failure> {
        not_yet()
    }
    async fn machine_down(&self, _: Nothing) -> Result<MachineStatus, Failure> {
        not_yet()
    }
    async fn machine_restart(&self, _: Nothing) -> Result<MachineStatus, Failure> {
        not_yet()
    }
    async fn machine_remove(&self, _: RemoveRequest) -> Result<MachineStatus, Failure> {
        not_yet()
    }
    async fn machine_logs(&self, _: LogsRequest) -> Result<LogLines, Failure> {
        not_yet()
    }
    async fn run_cancel(&self, _: RunCancelRequest) -> Result<Nothing, Failure> {
        not_yet()
    }
    async fn desktop_open(&self, _: Nothing) -> Result<DesktopTicket, Failure> {
        not_yet()
    }
    async fn kernel_exec(&self, _: KernelExecRequest) -> Result<Nothing, Failure> {
        not_yet()
    }
    async fn kernel_interrupt(&self, _: Nothing) -> Result<Nothing, Failure> {
        not_yet()
    }
}
