//! The routers: made of the lists in [`wire::commands`], so that a command without a
//! handler does not compile.

use futures_util::future::BoxFuture;
use lifecycle::UpOptions;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use wire::{
    body::*,
    commands::*,
    evolve::*,
    failure::{Failure, FailureCode},
    inspector::*,
    machine::{EngineInfo, MachineDisk, MachineStats, MachineStatus},
    machines::{MachineCreateRequest, MachineDeleteRequest, MachineList, MachineRenameRequest},
    mcp::{McpRemoved, McpServerList, McpStatus, McpTracePage},
    secrets::{SecretHandRequest, SecretList, SecretName, SecretSetRequest},
    settings::{Settings, SettingsState},
    stream::Event,
    tokens::{
        CredentialRequest, CredentialText, TokenCreateRequest, TokenCreated, TokenList, TokenName,
    },
};

use machine_client::segment;

use crate::{App, MachineHandle, notebook::file};

macro_rules! router {
    ($commands:ident, $handlers:ident, $target:ident; $($name:ident: $request:ident => $answer:ident, $doc:literal;)*) => {
        /// Names of its commands.
        pub const $commands: &[&str] = &[$(stringify!($name)),*];

        /// One handler per command.
        trait $handlers {
            $(#[doc = $doc] async fn $name(&self, request: $request) -> Result<$answer, Failure>;)*
        }

        impl $target {
            /// Reads the request, calls the handler, writes the answer.
            ///
            /// Each handler is a future of its own: all of them in one would take minutes to compile.
            pub(crate) fn dispatch<'a>(&'a self, command: &'a str, params: Value) -> BoxFuture<'a, Result<Value, Failure>> {
                match command {
                    $(stringify!($name) => Box::pin(async move { answer($handlers::$name(self, request(command, params)?).await?) }),)*
                    _ => Box::pin(async move {
                        Err(Failure::new(FailureCode::NotFound, format!("Command not found: {command}")))
                    }),
                }
            }
        }
    };
}
macro_rules! app_router {
    ($($list:tt)*) => { router! { APP_COMMANDS, AppHandlers, App; $($list)* } };
}
macro_rules! machine_router {
    ($($list:tt)*) => { router! { MACHINE_COMMANDS, MachineHandlers, MachineHandle; $($list)* } };
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

fn answer<T: Serialize>(answer: T) -> Result<Value, Failure> {
    serde_json::to_value(answer).map_err(|error| {
        Failure::new(
            FailureCode::Internal,
            "A response could not be written as JSON",
        )
        .because(error.to_string())
    })
}

impl AppHandlers for App {
    async fn app_info(&self, _: Nothing) -> Result<AppInfo, Failure> {
        Ok(AppInfo {
            version: wire::VERSION.into(),
            config_dir: self.config_dir().display().to_string(),
            data_dir: self.data_dir().display().to_string(),
        })
    }

    async fn engine_info(&self, _: Nothing) -> Result<EngineInfo, Failure> {
        Ok(self.connect().await?.info().clone())
    }

    async fn engine_list(&self, _: Nothing) -> Result<EngineList, Failure> {
        Ok(EngineList {
            engines: lifecycle::EngineChoice::candidates(),
        })
    }

    async fn engine_test(&self, request: EngineTestRequest) -> Result<EngineInfo, Failure> {
        self.test_engine(&request.engine).await
    }

    async fn settings_get(&self, _: Nothing) -> Result<SettingsState, Failure> {
        Ok(self.inner.settings.get())
    }

    async fn settings_set(&self, settings: Settings) -> Result<SettingsState, Failure> {
        let state = self.inner.settings.set(settings)?;
        self.choose_engine(state.settings.engine.clone());
        self.inner.shared.journal.publish(Event::Settings {
            state: state.clone(),
        });
        Ok(state)
    }

    async fn machine_list(&self, _: Nothing) -> Result<MachineList, Failure> {
        self.machines()
    }

    async fn machine_create(&self, request: MachineCreateRequest) -> Result<MachineList, Failure> {
        self.create_machine(request)
    }

    async fn machine_rename(&self, request: MachineRenameRequest) -> Result<MachineList, Failure> {
        self.rename_machine(&request)
    }

    async fn machine_delete(&self, request: MachineDeleteRequest) -> Result<MachineList, Failure> {
        self.delete_machine(&request.name, request.home).await
    }

    async fn secret_list(&self, _: Nothing) -> Result<SecretList, Failure> {
        self.secrets().await
    }

    async fn secret_set(&self, request: SecretSetRequest) -> Result<SecretList, Failure> {
        self.set_secret(request).await
    }

    async fn secret_hand(&self, request: SecretHandRequest) -> Result<SecretList, Failure> {
        self.hand_secret(request).await
    }

    async fn secret_remove(&self, request: SecretName) -> Result<SecretList, Failure> {
        self.remove_secret(request.name).await
    }

    async fn token_list(&self, _: Nothing) -> Result<TokenList, Failure> {
        self.tokens().await
    }

    async fn token_create(&self, request: TokenCreateRequest) -> Result<TokenCreated, Failure> {
        self.create_token(request).await
    }

    async fn token_remove(&self, request: TokenName) -> Result<TokenList, Failure> {
        self.remove_token(request.name).await
    }

    async fn run_cancel(&self, request: RunCancelRequest) -> Result<Nothing, Failure> {
        self.inner.shared.runs.cancel(&request.run_id)?;
        Ok(Nothing {})
    }

    async fn notebook_open(&self, request: NotebookPath) -> Result<NotebookFile, Failure> {
        on_disk(move || file::open(&request.path)).await
    }

    async fn notebook_stamp(&self, request: NotebookPath) -> Result<NotebookStamp, Failure> {
        let stamp = on_disk(move || file::stamp_of(&request.path)).await?;
        Ok(NotebookStamp { stamp })
    }

    async fn notebook_save(&self, request: NotebookSaveRequest) -> Result<NotebookSaved, Failure> {
        on_disk(move || file::save(&request)).await
    }
}

impl MachineHandlers for MachineHandle {
    async fn machine_status(&self, _: Nothing) -> Result<MachineStatus, Failure> {
        self.status().await
    }

    async fn machine_up(&self, request: UpRequest) -> Result<RunStarted, Failure> {
        self.up(UpOptions {
            rebuild: request.rebuild,
            recreate: request.recreate,
        })
    }

    async fn machine_down(&self, _: Nothing) -> Result<MachineStatus, Failure> {
        self.down().await
    }

    async fn machine_restart(&self, _: Nothing) -> Result<MachineStatus, Failure> {
        self.restart().await
    }

    async fn machine_remove(&self, request: RemoveRequest) -> Result<MachineStatus, Failure> {
        self.remove(request.home).await
    }

    async fn machine_logs(&self, request: LogsRequest) -> Result<LogLines, Failure> {
        let lines = self.logs(request.tail).await?;
        Ok(LogLines { lines })
    }

    async fn machine_stats(&self, _: Nothing) -> Result<MachineStats, Failure> {
        self.stats().await
    }

    async fn machine_disk(&self, _: Nothing) -> Result<MachineDisk, Failure> {
        self.disk().await
    }

    async fn machine_credential(
        &self,
        request: CredentialRequest,
    ) -> Result<CredentialText, Failure> {
        self.credential(request.credential)
    }

    async fn desktop_open(&self, _: Nothing) -> Result<DesktopTicket, Failure> {
        self.open_desktop().await
    }

    async fn takeover_get(&self, _: Nothing) -> Result<Takeover, Failure> {
        self.get("/takeover").await
    }

    async fn takeover_set(&self, request: TakeoverRequest) -> Result<Takeover, Failure> {
        self.post("/takeover", &request).await
    }

    async fn kernel_exec(&self, request: KernelExecRequest) -> Result<Nothing, Failure> {
        self.queue_cell(request)?;
        Ok(Nothing {})
    }

    async fn kernel_interrupt(&self, request: KernelInterruptRequest) -> Result<Nothing, Failure> {
        match request.execution_id {
            Some(execution_id) => self.end_cell(&execution_id).await?,
            None => self.interrupt().await?,
        }
        Ok(Nothing {})
    }

    async fn kernel_restart(&self, _: Nothing) -> Result<Nothing, Failure> {
        done(self.post("/restart", &Nothing {}).await?)
    }

    async fn kernel_input(&self, request: KernelInputRequest) -> Result<Nothing, Failure> {
        let path = format!("/executions/{}/input", segment(&request.execution_id));
        let value = request.value;
        done(self.post(&path, &InputRequest { value }).await?)
    }

    async fn kernel_complete(&self, place: KernelCursor) -> Result<CompleteAnswer, Failure> {
        self.post("/complete", &place).await
    }

    async fn kernel_inspect(&self, place: KernelCursor) -> Result<InspectAnswer, Failure> {
        self.post("/inspect", &place).await
    }

    async fn kernel_variables(&self, _: Nothing) -> Result<VariablesAnswer, Failure> {
        self.get("/variables").await
    }

    async fn kernel_cells(&self, _: Nothing) -> Result<KernelCells, Failure> {
        self.cells().await
    }

    async fn kernel_follow(&self, request: KernelFollowRequest) -> Result<Nothing, Failure> {
        self.follow_cell(request);
        Ok(Nothing {})
    }

    async fn snapshot_list(&self, _: Nothing) -> Result<SnapshotList, Failure> {
        self.get("/cryo").await
    }

    async fn snapshot_store(&self, request: SnapshotRequest) -> Result<CryoStored, Failure> {
        self.post("/cryo/store", &request).await
    }

    async fn snapshot_reload(&self, request: SnapshotRequest) -> Result<CryoReloaded, Failure> {
        self.post("/cryo/reload", &request).await
    }

    async fn snapshot_show(&self, request: SnapshotName) -> Result<Snapshot, Failure> {
        self.get(&format!("/cryo/{}", segment(&request.name))).await
    }

    async fn snapshot_remove(&self, request: SnapshotName) -> Result<Nothing, Failure> {
        done(
            self.delete(&format!("/cryo/{}", segment(&request.name)))
                .await?,
        )
    }

    async fn service_list(&self, _: Nothing) -> Result<ServiceList, Failure> {
        self.get("/services").await
    }

    async fn service_restart(&self, request: ServiceName) -> Result<Nothing, Failure> {
        let path = format!("/services/{}/restart", segment(&request.name));
        done(self.post(&path, &Nothing {}).await?)
    }

    async fn service_log(&self, request: ServiceName) -> Result<LogLines, Failure> {
        let path = format!("/services/{}/logs", segment(&request.name));
        let page: LogPage = self.get(&path).await?;
        Ok(LogLines {
            lines: page.text.lines().map(str::to_owned).collect(),
        })
    }

    async fn mcp_status(&self, _: Nothing) -> Result<McpStatus, Failure> {
        self.mcp_get_status().await
    }

    async fn mcp_servers(&self, _: Nothing) -> Result<McpServerList, Failure> {
        self.mcp_get_servers().await
    }

    async fn mcp_server_order(&self, order: McpServerOrder) -> Result<Nothing, Failure> {
        self.order_mcp_server(&order).await
    }

    async fn mcp_server_save(&self, save: McpServerSave) -> Result<Nothing, Failure> {
        self.save_mcp_server(&save).await
    }

    async fn mcp_server_remove(&self, server: McpServerName) -> Result<McpRemoved, Failure> {
        self.remove_mcp_server(&server.name).await
    }

    async fn mcp_traces(&self, query: McpTraceQuery) -> Result<McpTracePage, Failure> {
        self.read_mcp_traces(&query).await
    }

    async fn mcp_access(&self, _: Nothing) -> Result<McpAccess, Failure> {
        self.mcp_door().await
    }

    async fn mcp_open(&self, request: McpOpenRequest) -> Result<McpSession, Failure> {
        self.open_mcp(&request).await
    }

    async fn mcp_request(&self, request: McpRequest) -> Result<McpAnswer, Failure> {
        self.ask_mcp_server(request).await
    }

    async fn mcp_tell(&self, tell: McpTell) -> Result<Nothing, Failure> {
        self.tell_mcp_server(tell).await
    }

    async fn mcp_close(&self, session: McpSessionName) -> Result<Nothing, Failure> {
        self.close_mcp(&session.session).await
    }

    async fn evolve_preview(&self, _: Nothing) -> Result<RepoDiff, Failure> {
        Ok(self.machine()?.preview().await?)
    }

    async fn evolve_start(&self, request: EvolveRequest) -> Result<RunStarted, Failure> {
        self.evolve(request)
    }

    async fn evolve_status(&self, _: Nothing) -> Result<EvolveStatus, Failure> {
        self.evolve_now().await
    }

    async fn evolve_runs(&self, _: Nothing) -> Result<EvolveRunList, Failure> {
        self.all_runs().await
    }

    async fn evolve_log(&self, request: EvolveLogRequest) -> Result<EvolveLog, Failure> {
        Ok(self.machine()?.run_log(&request.run_id, request.after)?)
    }

    async fn evolve_answer(&self, request: EvolveAnswer) -> Result<Nothing, Failure> {
        self.answer_wish(request).await?;
        Ok(Nothing {})
    }

    async fn evolve_cancel(&self, request: EvolveRunId) -> Result<Nothing, Failure> {
        self.cancel_evolve(&request.run_id)?;
        Ok(Nothing {})
    }

    async fn generation_list(&self, _: Nothing) -> Result<GenerationList, Failure> {
        self.generations().await
    }

    async fn generation_diff(&self, request: GenerationNumber) -> Result<RepoDiff, Failure> {
        Ok(self.machine()?.generation_diff(request.number).await?)
    }

    async fn generation_rollback(&self, request: RollbackRequest) -> Result<RunStarted, Failure> {
        self.rollback(request)
    }

    async fn generation_keep(&self, request: GenerationKeep) -> Result<GenerationList, Failure> {
        self.machine()?
            .keep_generation(request.number, request.kept)?;
        self.changed_generations().await
    }

    async fn generation_name(&self, request: GenerationName) -> Result<GenerationList, Failure> {
        self.machine()?
            .name_generation(request.number, &request.name)?;
        self.changed_generations().await
    }

    async fn generation_remove(
        &self,
        request: GenerationNumber,
    ) -> Result<GenerationList, Failure> {
        let engine = self.connect().await?;
        self.machine()?
            .remove_generation(&engine, request.number)
            .await?;
        self.changed_generations().await
    }
}

/// The machine did it.
fn done(_: Completed) -> Result<Nothing, Failure> {
    Ok(Nothing {})
}

/// Off the async threads' way.
pub(crate) async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| {
            Err(
                Failure::new(FailureCode::Internal, "The file operation was aborted")
                    .because(error.to_string()),
            )
        })
}

#[cfg(test)]
mod tests;
