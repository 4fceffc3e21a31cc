//! The tools about the machine's kernel, shell and snapshots, over its API.

use rmcp::{
    Json,
    handler::server::wrapper::Parameters,
    model::CallToolResult,
    schemars::{self, JsonSchema},
    tool, tool_router,
};
use serde::{Deserialize, Serialize};
use wire::{
    body::{CryoReloaded, CryoRequest, CryoStored},
    evolve::EvolveWish,
    kernel::{CellError, ExecRequest, ExecStatus, ShellAnswer, ShellRequest},
    routes::{ReloadNamespace, RunCell, RunCommand, StartEvolve, StoreNamespace},
};

use super::{Computer, error::ComputerError};
use crate::tool_answer::{Text, answered, cell, cut, pictures, plain};

#[derive(Deserialize, JsonSchema)]
pub struct PythonRequest {
    /// Python source, as in a notebook cell: the value of the last expression is the result; `await`
    /// and IPython's magics work.
    code: String,
    /// Seconds until the cell is interrupted; none means no limit.
    #[serde(default)]
    timeout_s: Option<f64>,
    /// Kernel name; defaults to `main`.
    #[serde(default)]
    kernel: Option<String>,
}

/// How a cell went.
#[derive(Serialize, JsonSchema)]
pub struct PythonAnswer {
    status: ExecStatus,
    stdout: String,
    stderr: String,
    /// Text of the last expression's value.
    result: Option<String>,
    error: Option<CellError>,
    execution_count: Option<u64>,
    timing_ms: u64,
}

#[derive(Deserialize, JsonSchema)]
pub struct CommandRequest {
    /// Command line for bash. `cd` and `export` affect only this command.
    command: String,
    /// Seconds until the command and its children are killed; none means no limit.
    #[serde(default)]
    timeout_s: Option<f64>,
}

#[derive(Deserialize, JsonSchema)]
pub struct EvolveRequest {
    /// Note that describes what changed in /repo and why.
    #[serde(default)]
    note: Option<String>,
}

#[tool_router(router = machine_tools, vis = "pub(super)")]
impl Computer {
    /// Runs Python code in the machine's kernel, as in a notebook: variables, imports and open files are kept
    /// for the next call. numpy, pandas and matplotlib are installed; plots are returned as images. Cells
    /// run one after the other.
    #[tool(
        output_schema = rmcp::handler::server::tool::schema_for_output::<PythonAnswer>(),
        annotations(title = "Run Python", destructive_hint = true, open_world_hint = true)
    )]
    async fn exec_python(
        &self,
        Parameters(request): Parameters<PythonRequest>,
    ) -> Result<CallToolResult, ComputerError> {
        let request = ExecRequest {
            code: request.code,
            timeout_s: request.timeout_s,
            kernel: request.kernel,
            stdin: Some(false),
            ..ExecRequest::default()
        };
        let answer = self.client.call::<RunCell>(&request).await?;
        let pictures = pictures(&answer.outputs);
        let shown = PythonAnswer {
            status: answer.status,
            stdout: cut(answer.stdout),
            stderr: cut(answer.stderr),
            result: answer.result.map(cut),
            error: answer.error.map(plain),
            execution_count: answer.execution_count,
            timing_ms: answer.timing_ms,
        };
        let text = cell(
            shown.status,
            &shown.stdout,
            &shown.stderr,
            shown.result.as_deref(),
            shown.error.as_ref(),
        );
        let failed = shown.status != ExecStatus::Completed;
        let mut result = answered(text, &shown, failed);
        result.content.extend(pictures);
        Ok(result)
    }

    /// Runs a bash command in the machine as its user, in the machine's current folder (a cell's
    /// `runtime.shell.cd()` changes it), and returns its output when it has finished. Processes that it
    /// starts in the background keep running; sudo works unless the machine is locked.
    #[tool(
        output_schema = rmcp::handler::server::tool::schema_for_output::<ShellAnswer>(),
        annotations(title = "Run a command", destructive_hint = true, open_world_hint = true)
    )]
    async fn run_shell(
        &self,
        Parameters(request): Parameters<CommandRequest>,
    ) -> Result<CallToolResult, ComputerError> {
        let request = ShellRequest {
            command: request.command.into(),
            timeout_s: request.timeout_s,
        };
        let mut answer = self.client.call::<RunCommand>(&request).await?;
        answer.stdout = cut(answer.stdout);
        answer.stderr = cut(answer.stderr);
        let mut text = Text::default();
        text.part("", &answer.stdout);
        text.part("stderr:\n", &answer.stderr);
        match (answer.status, answer.returncode) {
            (ExecStatus::Completed, Some(0)) => {}
            (ExecStatus::Completed, code) => {
                text.part("", &format!("exit status {}", code.unwrap_or(-1)))
            }
            _ => text.part("", "The command timed out and was stopped."),
        }
        // A command that exits non-zero has run: what it says is the answer.
        let failed = answer.status != ExecStatus::Completed;
        Ok(answered(text, &answer, failed))
    }

    /// Saves the kernel's variables and imports to disk, where they survive the machine's
    /// container. The result lists what could not be saved, and why.
    #[tool(annotations(
        title = "Save kernel state",
        destructive_hint = false,
        open_world_hint = false
    ))]
    async fn cryo_store(
        &self,
        Parameters(request): Parameters<CryoRequest>,
    ) -> Result<Json<CryoStored>, ComputerError> {
        self.client.call::<StoreNamespace>(&request).await.map(Json)
    }

    /// Restores variables and imports that cryo_store saved and overwrites those of the same names;
    /// uses the newest snapshot if no name is given.
    #[tool(annotations(
        title = "Restore kernel state",
        destructive_hint = true,
        idempotent_hint = true,
        open_world_hint = false
    ))]
    async fn cryo_reload(
        &self,
        Parameters(request): Parameters<CryoRequest>,
    ) -> Result<Json<CryoReloaded>, ComputerError> {
        self.client
            .call::<ReloadNamespace>(&request)
            .await
            .map(Json)
    }

    /// Rebuilds the machine from /repo and replaces the current one, which stops everything that runs
    /// in it: change /repo first, save state with cryo_store, then call this. It starts the run
    /// and returns at once; the new machine takes over only if its build and health checks succeed.
    #[tool(annotations(
        title = "Rebuild the machine",
        destructive_hint = true,
        open_world_hint = true
    ))]
    async fn evolve(
        &self,
        Parameters(request): Parameters<EvolveRequest>,
    ) -> Result<CallToolResult, ComputerError> {
        let wish = EvolveWish {
            note: request.note,
            running_cell: None,
        };
        let started = self.client.call::<StartEvolve>(&wish).await?;
        let started = serde_json::to_value(started)
            .map_err(|error| ComputerError::Internal(error.to_string()))?;
        Ok(CallToolResult::structured(started))
    }
}
