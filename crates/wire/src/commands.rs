//! The two lists of commands between a view and the app: those about one machine, which name it, and
//! those about the app.
//!
//! [`for_each_app_command!`](crate::for_each_app_command) and
//! [`for_each_machine_command!`](crate::for_each_machine_command) hand them to a macro of the caller's.
//! The app makes its router of them, so a missing handler does not compile; the TypeScript
//! maps are made of them too.

use serde::{Deserialize, Serialize};

use crate::{
    body::{CryoRequest, CursorRequest},
    machine::EngineCandidate,
    nbformat::CellOutput,
};

/// Calls `$with!` with `name: Request => Answer, "what it does";` for every command about the app.
#[macro_export]
macro_rules! for_each_app_command {
    ($with:ident) => {
        $with! {
            app_info: Nothing => AppInfo, "Versions and folders.";
            engine_info: Nothing => EngineInfo, "The container engine, or why it can't be reached.";
            engine_list: Nothing => EngineList, "Container engines of this computer that can be chosen by hand.";
            engine_test: EngineTestRequest => EngineInfo, "Connects once to a container engine, or says why it can't.";
            settings_get: Nothing => SettingsState, "The app's settings.";
            settings_set: Settings => SettingsState, "Changes them, for every view.";
            machine_list: Nothing => MachineList, "The machines that there are.";
            machine_create: MachineCreateRequest => MachineList, "Adds a machine; nothing is built or started.";
            machine_rename: MachineRenameRequest => MachineList, "Gives a machine another name; its files keep their places.";
            machine_delete: MachineDeleteRequest => MachineList, "Removes a machine's container and takes it out of the list.";
            secret_list: Nothing => SecretList, "The keys that are stored, never their values.";
            secret_set: SecretSetRequest => SecretList, "Stores a key and hands it to machines.";
            secret_hand: SecretHandRequest => SecretList, "Chooses the machines that have a key.";
            secret_remove: SecretName => SecretList, "Removes a key from the store and from all machines.";
            token_list: Nothing => TokenList, "The access tokens that were made, never the tokens themselves.";
            token_create: TokenCreateRequest => TokenCreated, "Makes an access token, which is shown this once.";
            token_remove: TokenName => TokenList, "Removes an access token: nothing accepts it any more.";
            run_cancel: RunCancelRequest => Nothing, "Cancels long work.";
            notebook_open: NotebookPath => NotebookFile, "Reads a notebook file of this computer.";
            notebook_stamp: NotebookPath => NotebookStamp, "What a notebook file is now, to notice changes by others.";
            notebook_picture: NotebookPictureRequest => NotebookPicture, "Reads a picture that a text cell of a notebook file shows.";
            notebook_save: NotebookSaveRequest => NotebookSaved, "Writes a notebook file, unless somebody else changed it.";
            sandbox_serve: Nothing => Nothing, "Serves sandboxes and the API from this process, until it ends.";
            sandbox_list: Nothing => SandboxList, "The sandboxes with what they use, and what a new one gets.";
            sandbox_pool: Nothing => PoolView, "Sandboxes that wait started, and how often one was ready.";
            sandbox_image: SandboxImageRequest => Nothing, "Builds the sandboxes' own image, or fetches another one; takes minutes.";
            sandbox_create: CreateRequest => SandboxView, "Creates a sandbox.";
            sandbox_pause: SandboxName => SandboxView, "Freezes its processes.";
            sandbox_resume: SandboxName => SandboxView, "Continues its processes.";
            sandbox_timeout: SandboxTimeoutRequest => SandboxView, "Sets how long it lives from now on.";
            sandbox_destroy: SandboxName => Nothing, "Removes it with all that is in it.";
            sandbox_exec: SandboxExecRequest => ExecView, "Starts a command in it.";
            sandbox_execs: SandboxName => SandboxExecs, "Its commands, those that run and the last that did.";
            sandbox_output: SandboxOutputRequest => SandboxOutput, "Waits for a command's next output.";
            sandbox_input: SandboxInputRequest => Nothing, "Types into a command's terminal.";
            sandbox_resize: SandboxResizeRequest => Nothing, "Gives a command's terminal another size.";
            sandbox_code: SandboxCodeRequest => SandboxCode, "Runs Python in it and waits for the end; variables stay.";
            sandbox_files: SandboxPath => SandboxFiles, "Lists one of its folders.";
            sandbox_file_read: SandboxPath => SandboxFile, "Reads one of its files.";
            sandbox_file_write: SandboxFileWriteRequest => FileEntry, "Writes one of its files.";
            sandbox_file_remove: SandboxPath => Nothing, "Removes one of its files or folders.";
            agent_list: Nothing => AgentList, "The agents as they stand.";
            agent_tools: Nothing => AgentTools, "The coding tools that agents run, and their images.";
            agent_image_build: AgentImageBuildRequest => RunStarted, "Builds a tool's image, or fetches it from its registry; goes on as stream events.";
            agent_image_log: AgentImageLogRequest => JobLog, "What such a run printed, from a place on.";
            agent_image_approve: AgentImageApproveRequest => AgentTools, "Approves an image of a registry by its digest.";
            agent_folders: Nothing => AgentFolders, "Folders of this computer whose insides agents may be given.";
            agent_folder_add: AgentFolderRequest => AgentFolders, "Allows another one.";
            agent_folder_remove: AgentFolderRequest => AgentFolders, "Allows one no longer; agents that have it keep it until they end.";
            agent_start: StartAgent => AgentStarted, "Starts an agent in a container of its own.";
            agent_screen: AgentName => AgentScreen, "What an agent's terminal shows now, as text.";
            agent_diff: AgentDiffRequest => AgentDiff, "Fetches an agent's work and compares it with what it was given.";
            agent_merge: AgentMergeRequest => AgentMergeOutcome, "Merges an agent's work into a branch; changes no files.";
            agent_merge_undo: AgentMergeUndoRequest => Nothing, "Lets the branch name what it named before a merge.";
            agent_patch: AgentName => AgentPatch, "An agent's work as a patch for git apply.";
            agent_discard: AgentName => Nothing, "Removes an agent with its work, also what was fetched of it.";
            agent_send: AgentSendRequest => Nothing, "Sends an agent a prompt.";
            agent_keys: AgentKeysRequest => Nothing, "Types keys into an agent's terminal.";
            agent_answer: AgentAnswerRequest => Nothing, "Answers what an agent asks for.";
            agent_stop: AgentStopRequest => Nothing, "Ends an agent's tool; it can be resumed unless nothing is kept.";
            agent_pause: AgentName => AgentView, "Freezes an agent's processes.";
            agent_resume: AgentName => AgentView, "Continues an agent that is paused, ended or missing.";
            agent_remove: AgentName => Nothing, "Removes an agent with all that is in it.";
            agent_clean: Nothing => AgentsCleaned, "Removes all agents and their network.";
            agent_logs: AgentLogsRequest => LogLines, "What happened to an agent.";
            agent_terminal_open: AgentTerminalRequest => AgentTerminalTicket, "A one-time ticket to an agent's terminal.";
        }
    };
}

/// The same for every command about one machine.
#[macro_export]
macro_rules! for_each_machine_command {
    ($with:ident) => {
        $with! {
            machine_status: Nothing => MachineStatus, "The machine's state now.";
            machine_build: BuildRequest => RunStarted, "Builds the image if needed, and leaves the container as it is; goes on as stream events.";
            machine_up: UpRequest => RunStarted, "Builds where needed, creates, starts; goes on as stream events.";
            machine_down: Nothing => MachineStatus, "Stops it politely.";
            machine_restart: Nothing => MachineStatus, "Stops and starts it.";
            machine_remove: RemoveRequest => MachineStatus, "Removes container and network, and the home volume if asked.";
            machine_logs: LogsRequest => LogLines, "Last lines of the container's log.";
            machine_stats: Nothing => MachineStats, "Processor, memory and processes of the running machine.";
            machine_disk: Nothing => MachineDisk, "What the machine takes of the disk; may take seconds.";
            machine_credential: CredentialRequest => CredentialText, "The machine's own token or VNC password, to copy it.";
            job_list: Nothing => JobList, "Long work of the machine that goes on or ended lately: builds, starts, evolves, cells, commands, terminals.";
            job_log: JobLogRequest => JobLog, "What a job printed, from a place on.";
            job_cancel: JobId => Nothing, "Ends a job, whatever its kind.";
            desktop_open: Nothing => DesktopTicket, "A one-time ticket to the desktop's bridge.";
            takeover_get: Nothing => Takeover, "Whether the person has the desktop's mouse and keyboard, and the AI's input rests.";
            takeover_set: TakeoverRequest => Takeover, "Takes them, or gives them back.";
            kernel_exec: KernelExecRequest => Nothing, "Queues a cell; its outputs are stream events.";
            kernel_interrupt: KernelInterruptRequest => Nothing, "KeyboardInterrupt in a cell, or takes it out of the queue.";
            kernel_restart: Nothing => Nothing, "A new process for the kernel: its namespace is gone.";
            kernel_input: KernelInputRequest => Nothing, "Answers a cell's input().";
            kernel_complete: KernelCursor => CompleteAnswer, "What could stand at a place of the source.";
            kernel_inspect: KernelCursor => InspectAnswer, "Documentation of what stands at a place of the source.";
            kernel_variables: Nothing => VariablesAnswer, "The namespace.";
            kernel_cells: Nothing => KernelCells, "Cells that the kernel knows, those of closed windows too.";
            kernel_follow: KernelFollowRequest => Nothing, "Outputs of such a cell from its beginning, then live, as stream events.";
            kernel_output: KernelOutputRequest => KernelOutput, "An output that came as a reference.";
            snapshot_list: Nothing => SnapshotList, "Stored namespaces, newest first.";
            snapshot_store: SnapshotRequest => CryoStored, "Stores the namespace.";
            snapshot_reload: SnapshotRequest => CryoReloaded, "Brings a stored namespace back.";
            snapshot_show: SnapshotName => Snapshot, "What is inside a stored namespace, told without loading it.";
            snapshot_remove: SnapshotName => Nothing, "Removes a stored namespace.";
            service_list: Nothing => ServiceList, "What the machine's supervisor runs.";
            service_restart: ServiceName => Nothing, "Ends one of them and starts it again.";
            service_log: ServiceName => LogLines, "What it wrote last.";
            mcp_status: Nothing => McpStatus, "How the machine's MCP servers stand.";
            mcp_servers: Nothing => McpServerList, "How they are configured, and where.";
            mcp_server_order: McpServerOrder => Nothing, "Restarts one, turns it on or off.";
            mcp_server_save: McpServerSave => Nothing, "Adds one to the machine, or changes it.";
            mcp_server_remove: McpServerName => McpRemoved, "Takes one out of the machine's own file.";
            mcp_traces: McpTraceQuery => McpTracePage, "Messages of all clients after a number.";
            mcp_access: Nothing => McpAccess, "Address for other clients.";
            mcp_configuration: McpConfigurationRequest => McpConfiguration, "Makes a token for another program, and says how that becomes a client.";
            mcp_open: McpOpenRequest => McpSession, "Begins a session with a server.";
            mcp_request: McpRequest => McpAnswer, "Asks the server, and waits for its answer.";
            mcp_tell: McpTell => Nothing, "Tells the server something, or answers what it asked.";
            mcp_close: McpSessionName => Nothing, "Ends a session.";
            sandbox_access_get: Nothing => SandboxAccessState, "Whether the machine's programs may use sandboxes, and which they use now.";
            sandbox_access_set: SandboxAccess => SandboxAccessState, "Allows or denies it, from now on.";
            evolve_preview: Nothing => RepoDiff, "What changed in the machine's repo since its generation.";
            evolve_start: EvolveRequest => RunStarted, "Builds, proves and puts in place a new machine; goes on as stream events.";
            evolve_status: Nothing => EvolveStatus, "The newest run.";
            evolve_runs: Nothing => EvolveRunList, "All runs that are remembered, newest first.";
            evolve_log: EvolveLogRequest => EvolveLog, "A run's log, from a place on.";
            evolve_answer: EvolveAnswer => Nothing, "Says yes or no to a run that the machine asks for.";
            evolve_cancel: EvolveRunId => Nothing, "Gives a run up; the old machine stays, or comes back.";
            generation_list: Nothing => GenerationList, "The machine's generations.";
            generation_diff: GenerationNumber => RepoDiff, "What a generation changed in the repo, against the one before.";
            generation_rollback: RollbackRequest => RunStarted, "Puts an earlier generation in place; goes on as stream events.";
            generation_keep: GenerationKeep => GenerationList, "Keeps a generation whatever their number, or no longer.";
            generation_name: GenerationName => GenerationList, "Gives a generation a name.";
            generation_remove: GenerationNumber => GenerationList, "Removes a generation and its image.";
        }
    };
}

/// No fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Nothing {}

/// Answer of `app_info`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct AppInfo {
    /// This workspace's version.
    pub version: String,
    /// Where settings lie.
    pub config_dir: String,
    /// Where data lies.
    pub data_dir: String,
}

/// Answer of `engine_list`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct EngineList {
    /// Usual sockets that are there, then Docker's contexts. Whether they answer is not known.
    pub engines: Vec<EngineCandidate>,
}

/// Asks for `engine_test`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct EngineTestRequest {
    /// An address, or the name of one of Docker's contexts; empty for the one found by itself.
    #[serde(default)]
    pub engine: String,
}

/// Asks for `machine_build`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct BuildRequest {
    /// Build even where the image is current.
    #[serde(default)]
    pub rebuild: bool,
}

/// Asks for `machine_up`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct UpRequest {
    /// Build even where the image is current.
    #[serde(default)]
    pub rebuild: bool,
    /// Replace a container that runs. Without it, the run fails with `would_recreate`.
    #[serde(default)]
    pub recreate: bool,
}

/// Long work has begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct RunStarted {
    /// Names it in the stream's events.
    pub run_id: String,
}

/// Asks for `run_cancel`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct RunCancelRequest {
    /// Which.
    pub run_id: String,
}

/// Asks for `machine_remove`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct RemoveRequest {
    /// The home volume too: logins, files in `/root`.
    #[serde(default)]
    pub home: bool,
}

/// How a view reaches the desktop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct DesktopTicket {
    /// `ws://127.0.0.1:<port>/vnc?ticket=…`, good once, within 30 seconds.
    pub url: String,
    /// RFB password.
    pub password: String,
}

/// Asks for `kernel_exec`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct KernelExecRequest {
    /// The view's id of the cell.
    pub cell_id: String,
    /// The view's id of this run of it: its events carry it, so that they are told from an earlier run's.
    #[serde(default)]
    pub run_id: String,
    /// Python source.
    pub code: String,
    /// A name that cells share which run only as long as each before them completes.
    #[serde(default)]
    pub batch: Option<String>,
}

/// Names a notebook file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct NotebookPath {
    /// Whole, or from `~/` on.
    pub path: String,
}

/// A notebook file as it was read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct NotebookFile {
    /// Whole.
    pub path: String,
    /// Stands for its bytes; `notebook_save` wants it back.
    pub stamp: String,
    /// nbformat 4. Numbers that JSON lacks are null in it, halves of surrogate pairs are U+FFFD, and a text
    /// stands for what is nested too deeply; `notebook_save` keeps in the file what comes back unchanged.
    #[cfg_attr(feature = "ts", ts(type = "Record<string, unknown>"))]
    pub content: serde_json::Value,
    /// The file's nbformat, where it is older than 4.
    #[cfg_attr(feature = "ts", ts(type = "number | null"))]
    pub upgraded_from: Option<u64>,
}

/// What a notebook file is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct NotebookStamp {
    /// `None` where there is no such file.
    pub stamp: Option<String>,
}

/// Asks for `notebook_picture`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(deny_unknown_fields)]
pub struct NotebookPictureRequest {
    /// The notebook file, as in `notebook_open`.
    pub path: String,
    /// The picture's address as it is written: relative to the notebook's folder.
    pub address: String,
}

/// A picture beside a notebook file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct NotebookPicture {
    /// By its content: `image/png`, `image/jpeg`, `image/gif`, `image/webp` or `image/svg+xml`.
    pub mime_type: String,
    /// Base64.
    pub data: String,
}

/// Asks for `notebook_save`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct NotebookSaveRequest {
    /// Whole, or from `~/` on; `.ipynb` is added where it is not there.
    pub path: String,
    /// nbformat 4.
    #[cfg_attr(feature = "ts", ts(type = "Record<string, unknown>"))]
    pub content: serde_json::Value,
    /// What it was when it was read; `None` for a new file.
    pub stamp: Option<String>,
    /// Also where somebody else changed it.
    #[serde(default)]
    pub overwrite: bool,
    /// The file that it was opened from, whose layout and untouched values are kept; where it is left out,
    /// the one that is written.
    #[serde(default)]
    pub from: Option<String>,
}

/// Answer of `notebook_save`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct NotebookSaved {
    /// Whole.
    pub path: String,
    /// What the file is now.
    pub stamp: String,
}

/// Asks for `kernel_interrupt`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct KernelInterruptRequest {
    /// Which cell; where it is left out, whichever runs.
    #[serde(default)]
    pub execution_id: Option<String>,
}

/// Asks for `kernel_input`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct KernelInputRequest {
    /// From the event `cell_input`.
    pub execution_id: String,
    /// The line, without its end.
    pub value: String,
}

/// A place in a cell's source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct KernelCursor {
    /// Source.
    pub code: String,
    /// In code points from its beginning.
    pub cursor_pos: u32,
}

impl From<KernelCursor> for CursorRequest {
    /// In the main kernel.
    fn from(place: KernelCursor) -> Self {
        Self {
            code: place.code,
            cursor_pos: place.cursor_pos.into(),
            detail_level: 0,
            kernel: None,
        }
    }
}

/// A cell that the kernel knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct KernelCell {
    /// The view's id of the cell.
    pub cell_id: String,
    /// The view's id of this run of it, as it was handed in; none if it gave none.
    #[serde(default)]
    pub run_id: Option<String>,
    /// The kernel's.
    pub execution_id: String,
    /// Whether it waits or runs.
    pub pending: bool,
}

/// Answer of `kernel_cells`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct KernelCells {
    /// Oldest first.
    pub cells: Vec<KernelCell>,
}

/// Asks for `kernel_follow`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct KernelFollowRequest {
    /// The view's id of the cell.
    pub cell_id: String,
    /// The view's id of this run of it: its events carry it, so that they are told from an earlier run's.
    #[serde(default)]
    pub run_id: String,
    /// The kernel's.
    pub execution_id: String,
}

/// Asks for `kernel_output`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct KernelOutputRequest {
    /// From the reference.
    pub execution_id: String,
    /// From the reference.
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub seq: u64,
}

/// Answer of `kernel_output`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct KernelOutput {
    /// The output itself, or that it can't be read.
    pub output: CellOutput,
}

/// Asks for `snapshot_store` and `snapshot_reload`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct SnapshotRequest {
    /// A new name, or the newest snapshot, where left out.
    #[serde(default)]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub name: Option<String>,
}

impl From<SnapshotRequest> for CryoRequest {
    /// Of the main kernel.
    fn from(request: SnapshotRequest) -> Self {
        Self {
            name: request.name,
            kernel: None,
        }
    }
}

/// Names a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct SnapshotName {
    /// As `snapshot_list` has it.
    pub name: String,
}

/// Names a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct ServiceName {
    /// As `service_list` has it.
    pub name: String,
}
