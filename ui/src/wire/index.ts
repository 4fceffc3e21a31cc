// Made from crates/wire by `just wire`. Changes belong there.

/** Loopback addresses of a running machine. */
export type Addresses = {
/** Kernel API, `http://127.0.0.1:8080`. */
kernel: string,
/** MCP endpoint, `http://127.0.0.1:8765`. */
mcp: string,
/** VNC, `127.0.0.1:5900`. */
vnc: string, };

/** What a person can do next. */
export type Advice = { "kind": "start_engine",
/** What this computer has. */
found: EngineFound, } | { "kind": "check_engine" } | { "kind": "join_docker_group" } | { "kind": "choose_engine" } | { "kind": "add_engine_certificates" } | { "kind": "check_ssh" } | { "kind": "check_engine_address" } | { "kind": "use_local_engine" } | { "kind": "use_podman_or_root" } | { "kind": "free_disk" } | { "kind": "delete_generations" } | { "kind": "free_port" } | { "kind": "free_port_or_recreate" } | { "kind": "fix_build_step" } | { "kind": "start_machine" } | { "kind": "resume_machine" } | { "kind": "check_machine" } | { "kind": "read_machine_log" } | { "kind": "check_services" } | { "kind": "wait_or_restart" } | { "kind": "restart_kernel" } | { "kind": "restart_for_secrets" } | { "kind": "repair_machine" } | { "kind": "recreate_machine" } | { "kind": "rebuild_image" } | { "kind": "build_image" } | { "kind": "rebuild_or_use_default" } | { "kind": "choose_machine" } | { "kind": "choose_or_create_machine" } | { "kind": "choose_name" } | { "kind": "choose_machine_name" } | { "kind": "choose_profile" } | { "kind": "mount_smaller_folder" } | { "kind": "mount_apart" } | { "kind": "fix_spec",
/** The file. */
path: string, } | { "kind": "fix_settings" } | { "kind": "check_permissions" } | { "kind": "create_folder",
/** The folder. */
path: string, } | { "kind": "choose_template" } | { "kind": "make_base",
/** The script that makes it. */
script: string, } | { "kind": "remove_container" } | { "kind": "delete_files" } | { "kind": "install_web_kit" } | { "kind": "wait_for_operation" } | { "kind": "wait_for_cells" } | { "kind": "run_cell_again" } | { "kind": "fix_request" } | { "kind": "check_name" } | { "kind": "request_less" } | { "kind": "wait_for_new_machine" } | { "kind": "wait_for_old_machine" } | { "kind": "wait_then_roll_back" } | { "kind": "check_run" } | { "kind": "cancel_there" } | { "kind": "request_run" } | { "kind": "review_changes" } | { "kind": "fix_repo" } | { "kind": "choose_generation" } | { "kind": "roll_back_first" } | { "kind": "open_again" } | { "kind": "evolve_again" } | { "kind": "ignore_files" } | { "kind": "shorten_ignore_file" } | { "kind": "fix_ignore_file" } | { "kind": "remove_from_repo" } | { "kind": "list_repo_refs" } | { "kind": "mount_engine_socket" } | { "kind": "mount_data_and_repo" } | { "kind": "add_evolve_program" } | { "kind": "use_host_executor" } | { "kind": "serve_sandboxes" } | { "kind": "copy_sandbox_file" } | { "kind": "listen_on_loopback" } | { "kind": "choose_port",
/** The option that sets it. */
option: string, } | { "kind": "free_or_choose_port",
/** The option that sets it. */
option: string, } | { "kind": "build_pages" } | { "kind": "name_key_as_read" } | { "kind": "enter_key" } | { "kind": "unlock_keychain" } | { "kind": "rename_token" } | { "kind": "choose_scopes" } | { "kind": "remove_tokens" } | { "kind": "check_notebook_path" } | { "kind": "use_whole_path" } | { "kind": "check_file" } | { "kind": "restore_notebook" } | { "kind": "fix_notebook" } | { "kind": "save_elsewhere_or_overwrite" } | { "kind": "save_elsewhere" } | { "kind": "read_server_log" } | { "kind": "open_session" } | { "kind": "get_sandbox_image",
/** The image. */
image: string, } | { "kind": "remove_sandboxes" } | { "kind": "resume_sandbox" } | { "kind": "create_sandbox" } | { "kind": "get_agent_image",
/** The tool. */
tool: string, } | { "kind": "approve_agent_image",
/** The tool. */
tool: string, } | { "kind": "allow_agent_folder",
/** The folder. */
path: string, } | { "kind": "store_key",
/** Its name. */
name: string, } | { "kind": "open_in_browser",
/** The address. */
url: string, } | { "kind": "text",
/** The words. */
text: string, };

/** Asks for `agent_answer`. */
export type AgentAnswerRequest = {
/** Which agent. */
id: AgentId,
/** Which of its asks. */
ask: number,
/** Whether it may. */
allow: boolean,
/** Why not, for the tool. */
message: string | null, };

/**
 * Something that an agent wants to do and asks for. What it says about it comes from inside: text,
 * and nothing else.
 */
export type AgentAsk = {
/** Names it, as long as it is open. */
id: number,
/** The tool's own tool, such as `Bash`. */
tool: string,
/** What it is about, such as a command line. */
detail: string, };

/** A file that can't be merged. */
export type AgentConflict = {
/** Its path. */
path: string,
/** Git's sentences about it. */
messages: Array<string>, };

/** What an agent changed, since it was given the files. */
export type AgentDiff = {
/**
 * The commit that was looked at. A merge wants it back, so that nothing is merged that wasn't
 * seen.
 */
reviewed: string,
/** Its tree: the same files have the same one. */
tree: string,
/** The commit that the agent was given. */
start: string,
/** Whether `reviewed` has changes in it that the agent didn't commit. */
has_uncommitted: boolean,
/** Whether it can be merged: a folder without git takes a patch. */
can_merge: boolean,
/** The branch that the person has checked out, which can't be merged into; none if there is none. */
checked_out: string | null,
/** By path. */
files: Array<AgentFileDiff>,
/** Files that changed and aren't listed. */
more_files: number,
/** Lines added in all files. */
added: number,
/** Lines removed in all files. */
removed: number, };

/** Asks for `agent_diff`. */
export type AgentDiffRequest = {
/** Which agent. */
id: AgentId,
/** One file alone, by its path in the list, with more of it than the list shows. */
path: string | null, };

/** What can be shown of a file's changes. */
export type AgentFileContent = { "kind": "patch",
/** The text. */
text: string, } | { "kind": "binary",
/** Size as it was. */
old_bytes: number | null,
/** Size as it is. */
new_bytes: number | null, } | { "kind": "truncated",
/** Whether it can be asked for alone. */
can_open: boolean, };

/** What an agent changed in a file. Names and lines are the agent's: text, and nothing else. */
export type AgentFileDiff = {
/** Its path, or that it had. Characters that can't be shown are written with a backslash. */
path: string,
/** Its earlier path, if it was renamed. */
old_path: string | null,
/** How it changed. */
status: AgentFileStatus,
/** Lines added, those too that aren't shown. */
added: number,
/** Lines removed, those too that aren't shown. */
removed: number,
/** What a reviewer should look at, in sentences. */
risks: Array<string>,
/** What can be shown of it. */
content: AgentFileContent, };

/** How a file changed. */
export type AgentFileStatus = "added" | "removed" | "modified" | "retyped" | "renamed";

/** Asks for `agent_folder_add` and `agent_folder_remove`. */
export type AgentFolderRequest = {
/** Absolute path. */
path: string, };

/** Folders whose insides agents may be given. */
export type AgentFolders = {
/** Absolute paths. */
folders: Array<string>, };

/**
 * Names an agent: lower-case letters and digits, so that it can be a part of a container's, a volume's and
 * a branch's name.
 */
export type AgentId = string;

/** Asks for `agent_image_approve`. */
export type AgentImageApproveRequest = {
/** The tool. */
tool: string,
/** What the person was shown. */
digest: string, };

/** Asks for `agent_image_build`. */
export type AgentImageBuildRequest = {
/** The tool. */
tool: string,
/** Builds also what is up to date. */
rebuild: boolean, };

/** Asks for `agent_image_log`. */
export type AgentImageLogRequest = {
/** From `agent_image_build`, or of the list of tools. */
run_id: string,
/** The number of the first line that is wanted, from 0. */
after: number, };

/** Who made an image. */
export type AgentImageOrigin = "built_here" | "approved" | "unknown";

/** Where the tools' images come from. */
export type AgentImageSource = { "kind": "local" } | { "kind": "registry",
/** Where from. */
registry: string, };

/** Whether a tool's image is there. */
export type AgentImageState = { "kind": "not_built",
/** Why not. */
reason: string, } | { "kind": "missing" } | { "kind": "unapproved",
/** What is to be approved: `sha256:…`. */
digest: string,
/** Size on disk. */
size_bytes: number, } | { "kind": "present",
/** Size on disk, with the layers that it shares with others. */
size_bytes: number,
/** The tool's version in it, if it says so. */
version: string | null,
/** The version that a build would install, if it is another. */
update: string | null,
/** Who made it. */
origin: AgentImageOrigin, };

/** Asks for `agent_keys`. */
export type AgentKeysRequest = {
/** To which agent. */
id: AgentId,
/** Their names in tmux, such as `C-c`, `Up` or `Enter`. */
keys: Array<string>, };

/** What an agent may use at most. */
export type AgentLimits = {
/** Memory, in MiB. */
memory_mb: number,
/** Processors, 1.5 for one and a half. */
cpus: number,
/** Processes and threads. */
pids: number, };

/** All agents. */
export type AgentList = {
/** Newest first. */
agents: Array<AgentView>,
/** Containers that are labelled as agents and can't be one, by name: hostile or broken labels. */
odd: Array<string>, };

/** Asks for `agent_logs`. */
export type AgentLogsRequest = {
/** Of which agent. */
id: AgentId,
/** How many lines from the end. */
lines: number, };

/** A merge that was made. */
export type AgentMerge = {
/** The branch. */
into: string,
/** What it named; none if it was made. */
old: string | null,
/** What it names. */
new: string, };

/** What became of a merge. */
export type AgentMergeOutcome = { "kind": "merged",
/** By which it can be undone. */
merge: AgentMerge, } | { "kind": "up_to_date" } | { "kind": "conflicts",
/** By path. */
files: Array<AgentConflict>, } | { "kind": "checked_out",
/** The branch. */
branch: string,
/** The folder that has it checked out. */
path: string,
/** What can be merged there by hand: `git merge <this>`. */
work: string, };

/** Asks for `agent_merge`. */
export type AgentMergeRequest = {
/** Which agent. */
id: AgentId,
/** The branch; `agent/<id>` if none. */
into: string | null,
/** The commit that was reviewed: if the agent sent another one since, nothing is merged. */
reviewed: string,
/** Makes the branch if it isn't there. */
create: boolean,
/** How. */
style: AgentMergeStyle,
/** What the commit says; a sentence of ours if none. */
message: string | null, };

/** How commits are merged. */
export type AgentMergeStyle = "fast_forward" | "commit" | "squash";

/** Asks for `agent_merge_undo`. */
export type AgentMergeUndoRequest = {
/** Whose work was merged. */
id: AgentId,
/** The merge. */
merge: AgentMerge, };

/** How much a tool asks before it does something. */
export type AgentMode = {
/** The tool's own name for it. */
id: string,
/** For people. */
title: string,
/** What it means. */
policy: AgentPolicy, };

/** Names an agent. */
export type AgentName = {
/** Which one. */
id: AgentId, };

/** Answer of `agent_patch`. */
export type AgentPatch = {
/** The patch, in base64: files can have any bytes in them. */
base64: string, };

/** What a permission mode means, from careful to careless. */
export type AgentPolicy = "plan" | "ask" | "edits" | "auto" | "all";

/** Answer of `agent_screen`. */
export type AgentScreen = {
/**
 * What its terminal shows, line by line, without colours. It comes from inside: text, and nothing
 * else.
 */
text: string, };

/** Asks for `agent_send`. */
export type AgentSendRequest = {
/** To which agent. */
id: AgentId,
/** Pasted into its terminal, without control characters. */
text: string, };

/** Answer of `agent_start`. */
export type AgentStarted = {
/** The agent. */
agent: AgentView,
/** What it didn't get of its workspace as one may expect it, in sentences. */
notes: Array<string>, };

/** Where an agent stands. */
export type AgentState = { "name": "starting" } | { "name": "working" } | { "name": "waiting",
/** For what. */
on: WaitingFor, } | { "name": "your_turn" } | { "name": "idle" } | { "name": "failed",
/** Why. */
reason: string, } | { "name": "exited",
/** What it returned; none if a signal ended it, or nobody saw it. */
code: number | null, } | { "name": "paused" } | { "name": "missing" } | { "name": "unknown" };

/** Asks for `agent_stop`. */
export type AgentStopRequest = {
/** Which agent. */
id: AgentId,
/** What is kept. */
keep: KeepAgent, };

/** Asks for `agent_terminal_open`. */
export type AgentTerminalRequest = {
/** Whose. */
id: AgentId,
/** Columns that the page has. */
cols: number,
/** Rows. */
rows: number,
/** Whether nothing can be typed, and the size doesn't count. */
read_only: boolean, };

/** How a page reaches an agent's terminal. */
export type AgentTerminalTicket = {
/** `ws://127.0.0.1:<port>/agent?ticket=…`, good once, within 30 seconds. */
url: string, };

/** A coding tool. */
export type AgentTool = {
/** Its name in the catalogue, such as `claude`. */
id: string,
/** Its name for people. */
title: string,
/** Where its documentation is. */
home_page: string | null,
/** What its image is called. */
image: string,
/** Whether the image is there. */
state: AgentImageState,
/** The run that builds or fetches it now. */
run_id: string | null,
/** How much it asks, the most careful first. */
modes: Array<AgentMode>,
/** The mode that is used if none is chosen. */
default_mode: string | null,
/** Whether it can start with a prompt. */
takes_prompt: boolean,
/** Whether it can't start without one: it has nothing to show in a terminal. */
needs_prompt: boolean,
/** Whether it can go on with its conversation after it ended. */
resumes: boolean,
/** Variables that hold its keys, of which one is enough. */
keys: Array<string>,
/** Whether it has a log-in of its own, beside keys. */
logs_in: boolean, };

/** Answer of `agent_tools`. */
export type AgentTools = {
/** By id. */
tools: Array<AgentTool>,
/** Where their images come from. */
source: AgentImageSource,
/** Entries of the person's own catalogue that were left out, and why. */
problems: Array<string>, };

/** An agent. */
export type AgentView = {
/** Its id. */
id: AgentId,
/** Its container's name. */
container: string,
/** The tool. */
tool: string,
/** The image that it was made of. */
image: string,
/** What a person calls it. */
title: string | null,
/** How much the tool asks; none if it has no modes. */
mode: AgentMode | null,
/** Where it stands. */
state: AgentState,
/** What it asks for, oldest first. */
asks: Array<AgentAsk>,
/** The tool's own id of the conversation. */
conversation: string | null,
/** What it works on. */
workspace: AgentWorkspace,
/** Its limits. */
limits: AgentLimits,
/** Unix milliseconds of its creation. */
created_at_ms: number,
/** Whether it can be resumed now. */
resumable: boolean, };

/** What an agent works on, at `/workspace`. */
export type AgentWorkspace = { "kind": "volume" } | { "kind": "clone",
/** Absolute path. */
path: string,
/** Takes changes along that aren't committed. */
uncommitted: boolean,
/** Takes new files along. Those that git ignores stay here in any case. */
untracked: boolean, } | { "kind": "in_place",
/** Absolute path. */
path: string, };

/** Answer of `agent_clean`. */
export type AgentsCleaned = {
/** How many were removed. */
count: number, };

/** Answer of `app_info`. */
export type AppInfo = {
/** This workspace's version. */
version: string,
/** Where settings lie. */
config_dir: string,
/** Where data lies. */
data_dir: string, };

/** Who asked for a run. */
export type Asker = "person" | "machine";

/** Asks for `machine_build`. */
export type BuildRequest = {
/** Build even where the image is current. */
rebuild: boolean, };

/** A namespace as a run took it over. */
export type CarriedKernel = {
/** The kernel. */
kernel: string,
/** The snapshot's name. */
snapshot: string,
/** Names that were stored. */
saved: Array<string>,
/** Names that could not be. */
skipped: Array<Skipped>,
/** Names that did not come back. */
failed: Array<NotRestored>, };

/** How a run of a cell ended, without what it put out: for clients that were told that already. */
export type CellEnd = {
/** How it ended. */
status: ExecStatus,
/** What it raised. */
error: CellFault | null,
/** Milliseconds inside the kernel. */
timing_ms: number,
/** `In [n]`. */
execution_count: number | null, };

/** What a failing cell raised, without its traceback, which is among its outputs. */
export type CellFault = {
/** Class name. */
type: string,
/** The beginning of `str(exception)`. */
message: string, };

/** An output as views hear of it. */
export type CellOutput = Output | OutputStandIn;

/** A file of the repo that changed. */
export type ChangedFile = {
/**
 * From the repo's root. A byte that is no UTF-8 is written `\\xff`, a backslash `\\\\`; other
 * characters are as the machine chose them, control characters too.
 */
path: string,
/** How. */
change: FileChange,
/** Lines added; `None` for what is no text. */
added: number | null,
/** Lines removed; `None` for what is no text. */
removed: number | null,
/**
 * As git writes it, such as `100644`, `100755` (may be run) or `120000` (a link, whose text is
 * where it leads); `None` for one that is gone.
 */
mode: string | null,
/** The same before; `None` for one that is new. */
old_mode: string | null,
/** This file's own lines of the unified diff, from its first `@@` on; empty for what is no text. */
patch: string,
/** Whether more lines changed than are told. */
cut: boolean, };

/** `POST /sessions/{id}/code`. */
export type CodeRequest = {
/** Source. */
code: string,
/** `python`, also if `None`. */
language: string | null,
/** Id of a context; the sandbox's first one if `None`. */
context: string | null,
/** Seconds; the sandbox's own limit if `None`, none at all if 0. */
timeout_s: number | null,
/** Environment for this run alone. */
env: { [key in string]: string }, };

/** Answer of `POST /complete`. */
export type CompleteAnswer = {
/** Best first. */
matches: Array<Completion>,
/** In code points. */
cursor_start: number,
/** In code points. */
cursor_end: number, };

/** The word that says so. */
export type CompletedWord = "completed";

/** A completion. */
export type Completion = {
/** What takes the place from `cursor_start` to `cursor_end`. */
text: string,
/** `function`, `module`, `keyword` and so on. */
type: string | null,
/** Of a function. */
signature: string | null, };

/** `POST /sessions`. Whatever is left out has the default of the settings. */
export type CreateRequest = {
/** Image by name or id. */
image: string | null,
/**
 * Memory, in MiB; what is written to the folders of `disk_mb` counts against it, unless they are in
 * a volume.
 */
memory_mb: number | null,
/** Processors, 1.5 for one and a half. */
cpus: number | null,
/** Processes and threads. */
pids: number | null,
/** Size of each writable folder, in MiB. */
disk_mb: number | null,
/** Where the writable folders are: in memory, if it isn't said. */
disk: DiskKind | null,
/** What happens if its image isn't there: it is built or fetched first, if it isn't said. */
pull: Pull | null,
/** What it may reach. */
network: NetworkRequest | null,
/** Seconds that a command may take if the command itself says nothing. */
timeout_s: number | null,
/** Seconds until the sandbox ends. */
ttl_s: number | null,
/** What happens at its end. */
on_timeout: OnTimeout | null,
/** Whether the next command, code or file resumes it after it was paused, instead of failing. */
auto_resume: boolean,
/** Environment of all that runs in it. */
env: { [key in string]: string },
/** Whether it gets the engine's graphics cards. */
gpu: boolean,
/** Another runtime of the engine, such as `runsc`. */
runtime: string | null,
/** The caller's own labels. */
metadata: { [key in string]: string }, };

/** One of the two credentials that every machine makes for itself. */
export type CredentialKind = "token" | "vnc_password";

/** Asks for `machine_credential`. */
export type CredentialRequest = {
/** Which of them. */
credential: CredentialKind, };

/** Answer of `machine_credential`. */
export type CredentialText = {
/** The credential. */
text: string, };

/** Answer of `POST /cryo/reload`. */
export type CryoReloaded = {
/** Always `completed`. */
status: CompletedWord,
/** The snapshot's name. */
name: string,
/** Names of the values that are back. */
restored: Array<string>,
/** What could not be brought back. */
failed: Array<NotRestored>,
/** Milliseconds. */
timing_ms: number, };

/** Answer of `POST /cryo/store`. */
export type CryoStored = {
/** Always `completed`. */
status: CompletedWord,
/** The snapshot's name. */
name: string,
/** Names of the values in it. */
saved: Array<string>,
/** What is not in it. */
skipped: Array<Skipped>,
/** Bytes on the disk, shared ones included. */
size_bytes: number,
/** Milliseconds. */
timing_ms: number, };

/** How a view reaches the desktop. */
export type DesktopTicket = {
/** `ws://127.0.0.1:<port>/vnc?ticket=…`, good once, within 30 seconds. */
url: string,
/** RFB password. */
password: string, };

/** Where the writable folders of a sandbox are. */
export type DiskKind = "memory" | "volume";

/** An engine that can be chosen by hand. */
export type EngineCandidate = {
/** What to choose: an address, or a context's name. */
engine: string,
/** For people: `Docker`, `rootless Podman`, `Docker's context …`. */
title: string,
/** Its address. */
endpoint: string, };

/** What was found of a container engine that doesn't answer. */
export type EngineFound = "docker_service" | "podman" | "application" | "nothing";

/** What the engine says of itself. */
export type EngineInfo = {
/** `Docker`, `Podman`. */
name: string,
/** Its version. */
version: string,
/** Its API version. */
api_version: string,
/** How it is reached, such as `unix:///var/run/docker.sock`. */
endpoint: string,
/**
 * Why this one: `chosen by hand`, `DOCKER_HOST`, `Docker's context …`, or which of the
 * usual sockets it is.
 */
chosen_by: string, };

/** Answer of `engine_list`. */
export type EngineList = {
/** Usual sockets that are there, then Docker's contexts. Whether they answer is not known. */
engines: Array<EngineCandidate>, };

/** Asks for `engine_test`. */
export type EngineTestRequest = {
/** An address, or the name of one of Docker's contexts; empty for the one found by itself. */
engine: string, };

/** What happened. */
export type Event = { "kind": "machine",
/** Snapshot. */
status: MachineStatus, } | { "kind": "machines",
/** Those that there are now. */
machines: MachineList, } | { "kind": "settings",
/** In force. */
state: SettingsState, } | { "kind": "engine",
/** Why it does not answer; `None` where it does again. */
failure: Failure | null, } | { "kind": "run_progress",
/** Which run. */
run_id: string,
/** What it did. */
progress: Progress, } | { "kind": "run_ended",
/** Which run. */
run_id: string,
/** What it did. How an evolve or a rollback ended, [`Event::Evolve`] says in full. */
job_kind: JobKind,
/** When it began, in Unix milliseconds. */
started_at: number,
/** Why, where it failed. */
failure: Failure | null, } | { "kind": "evolve",
/** As it stands now. */
run: EvolveRun, } | { "kind": "evolve_log",
/** Which run. */
run_id: string,
/** Oldest first. */
lines: Array<string>, } | { "kind": "generations" } | { "kind": "jobs" } | { "kind": "takeover",
/** How it is now. */
takeover: Takeover, } | { "kind": "cell_queued",
/** The view's id of the cell. */
cell_id: string,
/** The view's id of this run of it; empty where it gave none. */
run_id: string,
/** The kernel's id of this run, if the kernel has the cell already. */
execution_id?: string, } | { "kind": "cell_accepted",
/** The view's id of the cell. */
cell_id: string,
/** The view's id of this run of it; empty where it gave none. */
run_id: string,
/** The kernel's id of this run. */
execution_id: string, } | { "kind": "cell_started",
/** The view's id of the cell. */
cell_id: string,
/** The view's id of this run of it; empty where it gave none. */
run_id: string,
/** The kernel's id of this run; none if it didn't tell. */
execution_id?: string,
/** For how long it had run when this was told. */
ran_ms: number, } | { "kind": "cell_output",
/** The view's id of the cell. */
cell_id: string,
/** The view's id of this run of it; empty where it gave none. */
run_id: string,
/** An output as nbformat has it, or what stands for it. */
output: CellOutput, } | { "kind": "cell_cleared",
/** The view's id of the cell. */
cell_id: string,
/** The view's id of this run of it; empty where it gave none. */
run_id: string, } | { "kind": "cell_input",
/** The view's id of the cell. */
cell_id: string,
/** The view's id of this run of it; empty where it gave none. */
run_id: string,
/** The kernel's. */
execution_id: string,
/** What it asks; `null` when the question is over. */
prompt: InputPrompt | null, } | { "kind": "mcp_message",
/** From `mcp_open`. */
session: string,
/** The JSON-RPC message. */
message: Record<string, unknown>, } | { "kind": "mcp_closed",
/** From `mcp_open`. */
session: string,
/** Why. */
cause: string, } | { "kind": "sandbox",
/** What, and which one. */
happened: SandboxEvent, } | { "kind": "agents" } | { "kind": "sandbox_image",
/** Its name. */
image: string,
/** Name of the token that asked for it; `None` for the person and for a machine. */
owner: string | null,
/** What is being done; `None` once that is over. Lines come a few times a second at most. */
progress: Progress | null, } | { "kind": "cell_ended",
/** The view's id of the cell. */
cell_id: string,
/** The view's id of this run of it; empty where it gave none. */
run_id: string,
/** The kernel's answer, where it gave one. */
answer: CellEnd | null,
/** Why, where it did not. */
failure: Failure | null, };

/** Asks for `evolve_answer`. */
export type EvolveAnswer = {
/** The run that waits for it. */
run_id: string,
/** Whether it may go on. */
yes: boolean,
/**
 * Of a yes: the `tree` of the preview that was approved. The run fails if the files are others
 * by then.
 */
tree?: string, };

/** Lines of a run's log. */
export type EvolveLog = {
/** Oldest first. */
lines: Array<string>,
/** Where to go on reading. */
next: number, };

/** Asks for `evolve_log`. */
export type EvolveLogRequest = {
/** Which run. */
run_id: string,
/** From here on: 0, or the last answer's `next`. */
after: number, };

/** Asks for `evolve_start`. */
export type EvolveRequest = {
/** Why. */
note?: string,
/** What to do about cells that run or wait. */
running_cell: RunningCell,
/** How long to wait for them, in seconds; 60 where it is 0. */
cell_limit_s: number,
/** The `tree` of the preview that was approved: the run fails if the files are others by then. */
tree?: string, };

/** A run, as the status shows it; its log is read for itself. */
export type EvolveRun = {
/** Its name. */
run_id: string,
/** What it is for. */
kind: RunKind,
/** Where it stands. */
state: RunState,
/** Who asked for it. */
asked_by: Asker,
/** Why, in the words of who asked. */
note: string | null,
/** What to do about cells that run or wait. */
running_cell: RunningCell,
/** Unix milliseconds. */
started_at: number,
/** Unix milliseconds. */
ended_at: number | null,
/** Steps begun so far. */
steps: Array<EvolveStep>,
/** Why it failed. */
error: string | null,
/** The same in full, where a host carried it out. */
failure: Failure | null,
/** The generation that it makes, or goes back to. */
generation: number | null,
/** The generation that was in place before. */
from_generation: number | null,
/** The repo's commit. */
commit: string | null,
/** Findings. */
report: RunReport, };

/** Names a run. */
export type EvolveRunId = {
/** Which. */
run_id: string, };

/** Answer of the machine's `GET /evolve/runs`. */
export type EvolveRunList = {
/** Newest first. */
runs: Array<EvolveRun>, };

/** Answer of `evolve_status`. */
export type EvolveStatus = {
/** The newest run, of the host's history or one that the machine asks for. */
latest_run: EvolveRun | null,
/** A run that was cut off and that nobody carries on yet. */
interrupted: boolean,
/** Who carries runs out. */
executor: ExecutorKind,
/** Whether runs that the machine asks for wait for a person's yes. */
needs_yes: boolean,
/** The repo's folder on this computer. */
repo: string, };

/** One step of a run. */
export type EvolveStep = {
/** Which. */
name: StepName,
/** Where it stands. */
state: StepState,
/** Unix milliseconds. */
started_at: number,
/** Unix milliseconds. */
ended_at: number | null,
/** What there is to say of it, in a sentence. */
note: string | null, };

/** `POST /sessions/{id}/exec`. */
export type ExecRequest = {
/** A line for `bash -lc`, or a program and its arguments. */
command: string | Array<string>,
/** Seconds; the sandbox's own limit if `None`, none at all if 0. */
timeout_s: number | null,
/**
 * What it reads; its stdin ends there. `None`: its stdin is empty, but for a background one,
 * whose stdin stays open.
 */
stdin: string | null,
/** Whether its stdin stays open for `…/stdin`. A background command's does if `None`. */
keep_stdin: boolean | null,
/** Working folder; the home if `None`. */
cwd: string | null,
/** Environment, over the sandbox's own. */
env: { [key in string]: string },
/** Whether the answer comes at its start instead of at its end. */
background: boolean,
/** A terminal of that size instead of three pipes. */
pty: PtySize | null, };

/** How a cell ended. */
export type ExecStatus = "completed" | "failed" | "interrupted" | "timeout" | "died";

/** A command of a sandbox, that runs or did. */
export type ExecView = {
/** Its id. */
exec_id: string,
/** Process id inside the sandbox. */
pid: number,
/** What runs. */
command: string | Array<string>,
/** Working folder that was asked for. */
cwd: string | null,
/** Environment that was asked for with it. */
env: { [key in string]: string },
/** Whether it has a terminal. */
pty: boolean,
/** Whether its caller did not wait. */
background: boolean,
/** Unix milliseconds of its start. */
started_at_ms: number,
/** How it ended; `None` while it runs. */
exit_code: number | null, };

/** Who carries runs out. */
export type ExecutorKind = "host" | "socket";

/** A failure: what failed and why in words, and what can be done next. */
export type Failure = {
/** Cause, for programs. */
code: FailureCode,
/** The code of the machine's own refusal, if the machine refused a request. */
error_code?: string,
/** What failed, one sentence. */
message: string,
/** Why, in the words of whoever knows. */
cause: string | null,
/** What to do next, which each face puts into its own words. */
next: Advice | null,
/** Longer text, such as a failing step's last lines. */
detail: string | null, };

/** A closed set of causes a consumer acts on. Add one only if a consumer uses it. */
export type FailureCode = "engine_missing" | "engine_denied" | "port_taken" | "disk_full" | "build_failed" | "would_recreate" | "not_running" | "not_found" | "unhealthy" | "invalid" | "changed" | "cancelled" | "forbidden" | "busy" | "internal";

/** How a file of the repo changed. */
export type FileChange = "added" | "changed" | "removed";

/** A file or folder in a sandbox. */
export type FileEntry = {
/** Its name; bytes that are not UTF-8 are replaced in it. */
name: string,
/** Its absolute path. */
path: string,
/** Whether `name` and `path` are not exact, since the name is not UTF-8. */
is_lossy?: boolean,
/** What it is. */
kind: FileKind,
/** Size. */
size_bytes: number,
/** Permissions, as `chmod` takes them. */
mode: number,
/** Owner's number. */
uid: number,
/** Group's number. */
gid: number,
/** Unix milliseconds of the last change. */
modified_at_ms: number,
/** Where a symbolic link leads. */
target?: string | null, };

/** What a path is. */
export type FileKind = "file" | "folder" | "symlink" | "other";

/** A machine as it was at one time: its image and its repo's commit. */
export type Generation = {
/** Counts up, over all machines of one engine and instance. */
number: number,
/** The image's name, such as `os:gen-4`. */
image: string,
/** The image's id. */
image_id: string,
/** Unix milliseconds. */
created_at: number,
/** Of the image; layers that others share are counted whole. */
size_bytes: number,
/** Where it stands. */
state: GenerationState,
/** Whether the machine is made of it now. */
current: boolean,
/** Whether it is kept whatever the number of generations. */
kept: boolean,
/** What its owner calls it. */
name: string | null,
/** The note of the run that made it. */
note: string | null,
/** Who asked for it. */
asked_by: Asker,
/** That run. */
run_id: string | null,
/** The repo's commit. */
commit: string | null,
/** Whether the namespaces are stored with which it was left last. */
has_state: boolean,
/** Whether its image is there; without it nobody can go back to it. */
image_present: boolean, };

/** Asks for `generation_keep`. */
export type GenerationKeep = {
/** Which. */
number: number,
/** Whether it is kept whatever the number of generations. */
kept: boolean, };

/** Answer of `generation_list` and of what changes one. */
export type GenerationList = {
/** Newest first. Empty before the first evolve. */
generations: Array<Generation>,
/** What rollbacks found in the repo and put aside, newest first. */
saved: Array<SavedFiles>,
/** How many good ones the spec keeps beside the current one and those kept by name. */
generations_to_keep: number, };

/** Asks for `generation_name`. */
export type GenerationName = {
/** Which. */
number: number,
/** Empty for none. */
name: string, };

/** Names a generation. */
export type GenerationNumber = {
/** Which. */
number: number, };

/** Where a generation stands. */
export type GenerationState = "candidate" | "good" | "failed";

/** What an `input()` asks. */
export type InputPrompt = {
/** Its text. */
prompt: string,
/** Whether the answer is not to be shown. */
password: boolean, };

/** Answer of `POST /inspect`. */
export type InspectAnswer = {
/** Whether there is something of that name. */
found: boolean,
/** The name at the cursor. */
name: string | null,
/** Documentation by mime type. */
data: Record<string, unknown>, };

/** One piece of long work. */
export type Job = {
/** Unique over all kinds and machines. */
id: string,
/** What it does. */
kind: JobKind,
/** Who asked for it. */
owner: JobOwner,
/** The machine; `None` in a machine's own API, which doesn't know its name. */
machine: string | null,
/**
 * What it is about: the first line of a cell or a command, a terminal's name, a note. Empty if
 * its kind says all.
 */
title: string,
/** Where it stands. */
state: JobState,
/** When it was asked for, in Unix milliseconds. */
created_at: number,
/** When it began to run, in Unix milliseconds. */
started_at: number | null,
/** When it ended, in Unix milliseconds. */
ended_at: number | null,
/** Exit status of a command or a terminal's shell, or 128 + the signal that ended it. */
exit: number | null,
/** Whether `job_log` has what it printed. */
has_log: boolean,
/** Whether `job_cancel` can end it now. */
can_cancel: boolean, };

/** Names a job. */
export type JobId = {
/** As `job_list` has it. */
id: string, };

/** What a job does. */
export type JobKind = "build" | "start" | "evolve" | "rollback" | "cell" | "command" | "terminal";

/** Jobs of a machine: answer of `job_list`, and of the machine's `GET /jobs` for those inside it. */
export type JobList = {
/** Newest first. */
jobs: Array<Job>,
/** How many more there are: of very many, those that go on are shown first. */
left_out: number,
/** Why those inside the machine are missing, if they could not be asked for. */
missing?: string, };

/** What a job printed: answer of `job_log`, and of the machine's `GET /jobs/{id}/log`. */
export type JobLog = {
/** As it was printed. */
text: string,
/** Where to go on reading; the number that was asked with if nothing came since. */
next: number, };

/** Asks for `job_log`. */
export type JobLogRequest = {
/** Which job. */
id: string,
/** From here on: 0, or the last answer's `next`. */
after: number, };

/** Who asked for a job. */
export type JobOwner = { "kind": "machine" } | { "kind": "person" } | { "kind": "token",
/** The token's name. */
name: string, };

/** Where a job stands, and at its end how it ended. */
export type JobState = { "kind": "queued" } | { "kind": "awaits_approval" } | { "kind": "running" } | { "kind": "succeeded" } | { "kind": "failed",
/** Why, in one line. */
why: string, } | { "kind": "cancelled" } | { "kind": "interrupted" };

/** What is kept when an agent is stopped. */
export type KeepAgent = "all" | "nothing";

/** A cell that the kernel knows. */
export type KernelCell = {
/** The view's id of the cell. */
cell_id: string,
/** The view's id of this run of it, as it was handed in; none if it gave none. */
run_id: string | null,
/** The kernel's. */
execution_id: string,
/** Whether it waits or runs. */
pending: boolean, };

/** Answer of `kernel_cells`. */
export type KernelCells = {
/** Oldest first. */
cells: Array<KernelCell>, };

/** A place in a cell's source. */
export type KernelCursor = {
/** Source. */
code: string,
/** In code points from its beginning. */
cursor_pos: number, };

/** Asks for `kernel_exec`. */
export type KernelExecRequest = {
/** The view's id of the cell. */
cell_id: string,
/** The view's id of this run of it: its events carry it, so that they are told from an earlier run's. */
run_id: string,
/** Python source. */
code: string,
/** A name that cells share which run only as long as each before them completes. */
batch: string | null, };

/** Asks for `kernel_follow`. */
export type KernelFollowRequest = {
/** The view's id of the cell. */
cell_id: string,
/** The view's id of this run of it: its events carry it, so that they are told from an earlier run's. */
run_id: string,
/** The kernel's. */
execution_id: string, };

/** Asks for `kernel_input`. */
export type KernelInputRequest = {
/** From the event `cell_input`. */
execution_id: string,
/** The line, without its end. */
value: string, };

/** Asks for `kernel_interrupt`. */
export type KernelInterruptRequest = {
/** Which cell; where it is left out, whichever runs. */
execution_id: string | null, };

/** Answer of `kernel_output`. */
export type KernelOutput = {
/** The output itself, or that it can't be read. */
output: CellOutput, };

/** Asks for `kernel_output`. */
export type KernelOutputRequest = {
/** From the reference. */
execution_id: string,
/** From the reference. */
seq: number, };

/** Lines of a log, oldest first. */
export type LogLines = {
/** Without newlines. */
lines: Array<string>, };

/** Asks for `machine_logs`. */
export type LogsRequest = {
/** How many lines from the end. */
tail: number,
/** Only lines since then, in seconds of Unix time. */
since_s?: number, };

/** Asks for `machine_create`. */
export type MachineCreateRequest = {
/** Letters, digits, `_`, `.` and `-`; 60 at most. */
name: string,
/** `default` or `locked`. */
profile: string | null,
/** Base image; `debian:trixie-slim` if `None`. */
base: string | null,
/** Folders of this computer that it sees, besides those of its own. */
mounts: Array<MachineMount>,
/** Such as `4g`; no limit if `None`. */
memory: string | null,
/** Processors, such as 1.5; all if `None`. */
cpus: number | null, };

/** Asks for `machine_delete`. */
export type MachineDeleteRequest = {
/** Which. */
name: string,
/** The home volume too: logins, files in `/root`. */
home: boolean, };

/** What a machine takes of the disk. */
export type MachineDisk = {
/** Its image; layers that other images share are counted whole. */
image_bytes: number | null,
/** What it wrote over its image: lost when it is made anew. */
written_bytes: number,
/** Its home volume, where it runs. */
home_bytes: number | null, };

/** One machine of the list. */
export type MachineEntry = {
/** Names it in commands and events. */
name: string, };

/** Answer of `machine_list`. */
export type MachineList = {
/** The first is the one that is meant if none is named. */
machines: Array<MachineEntry>, };

/** A folder of this computer in a machine. */
export type MachineMount = {
/** Absolute, or from `~/` on. */
source: string,
/** Absolute path inside. */
target: string,
/** Whether writes are refused. */
read_only: boolean, };

/** Asks for `machine_rename`. */
export type MachineRenameRequest = {
/** Its name now. */
name: string,
/** Its new name. */
new_name: string, };

/** Where a machine stands. */
export type MachineState = "absent" | "stopped" | "starting" | "running" | "paused";

/** What a running machine uses at this moment. */
export type MachineStats = {
/**
 * Processor use since the last time that anybody asked, 100 for one whole processor;
 * `None` where nobody has since its start.
 */
cpu_percent: number | null,
/** Processors that it may use: 1.5 for one and a half. */
cpus: number,
/** Memory, without the file cache that could be given back. */
memory_bytes: number,
/** The most it may be: the spec's limit, else the engine's whole memory. 0 where it is not told. */
memory_limit_bytes: number,
/** Processes and threads. */
pids: number,
/** The most they may be. */
pids_limit: number | null, };

/** A machine's state and how to reach it. */
export type MachineStatus = {
/** Name of the machine (`os-host` for the first one). */
name: string,
/** State. */
state: MachineState,
/** Image tag, such as `os`. */
image: string,
/** Whether an image exists. */
image_present: boolean,
/** Whether the image was built from other inputs than the present ones. */
image_stale: boolean,
/** Container id, where there is a container. */
container_id: string | null,
/** Unix milliseconds of the container's start. */
started_at_ms: number | null,
/** Where it can be reached, where it runs. */
addresses: Addresses | null,
/** Version of the body inside, where it answers. */
body_version: string | null,
/** What its spec opens of this computer, a sentence each. */
warnings?: Array<string>, };

/** How other clients reach the endpoint. */
export type McpAccess = {
/** `http://127.0.0.1:<port>`; `/mcp` there is the endpoint over all servers. */
url: string, };

/** Answer of `mcp_request`: what the server answered, be it an error. */
export type McpAnswer = {
/** Its result. */
result: unknown,
/** Its error: `code`, `message`, `data`; none where it answered well. */
error: { code: number; message: string; data?: unknown } | null,
/** How long it took, in milliseconds. */
duration_ms: number,
/** The whole message as the server wrote it, if it was wanted as text. */
text?: string, };

/** A program that can become a client of the endpoint. */
export type McpClient = "claude-code" | "claude-desktop" | "codex" | "cursor" | "gemini-cli" | "vscode" | "windsurf" | "zed" | "address";

/** What makes a program a client, with a token that was made for it. */
export type McpConfiguration = {
/** Text in the program's own form. Nobody can show its token again. */
text: string,
/** Where it goes: a file, or a place. */
place: string,
/** Name of the token. */
token: string, };

/** Asks for `mcp_configuration`. */
export type McpConfigurationRequest = {
/** For which program. */
client: McpClient,
/** A server's name; the endpoint over all of them where left out. */
server: string | null, };

/** Which way a message went. */
export type McpDirection = "client_to_server" | "server_to_client";

/** A file that servers are read from. */
export type McpFile = {
/** Where it lies. */
path: string,
/** Which one it is. */
source: McpSource,
/** Whether it is there. */
found: boolean,
/** What is wrong with it; what it said when it was last sound goes on. */
error: string | null,
/** What of it is not used, or not as it is written. */
problems: Array<McpFileProblem>, };

/** Something in a file that is not used, or not as it is written. */
export type McpFileProblem = {
/** Name of the server whose entry it is; none if it is about the file. */
server: string | null,
/** Whether the entry is left out because of it. */
left_out: boolean,
/** The reason, in a sentence. */
problem: string, };

/** What a message is. */
export type McpKind = "request" | "response" | "notification" | "error";

/** Asks for `mcp_open`. */
export type McpOpenRequest = {
/** A server's name; the endpoint over all of them where left out. */
server: string | null,
/**
 * Whether the view answers sampling, elicitation and roots. The server gets a process of
 * its own for it then.
 */
answers: boolean, };

/** What is to be done with a server. */
export type McpOrder = "restart" | "enable" | "disable";

/** What a `DELETE /servers/{name}` came to. */
export type McpRemoval = "removed" | "uncovered" | "disabled";

/** Answer of `DELETE /servers/{name}`. */
export type McpRemoved = {
/** Always `completed`. */
status: CompletedWord,
/** What was done. */
outcome: McpRemoval,
/** The same in a sentence. */
message: string, };

/** Asks for `mcp_request`. */
export type McpRequest = {
/** From `mcp_open`. */
session: string,
/** The request's id, for `notifications/cancelled`; the view counts. */
id: number,
/** Such as `tools/call`. */
method: string,
/** Its parameters. */
params: unknown,
/** The same as a JSON text, in place of `params`: numbers reach the server as they are written in it. */
params_text: string | null,
/** Whether the server's answer is wanted as a JSON text, in place of `result` and `error`. */
as_text: boolean, };

/** A server's entry in `mcp.json`: the form that clients share, and words of ours. */
export type McpServerEntry = {
/** Program: a path, or a name looked up in `PATH`. */
command?: string,
/** Its arguments; `${NAME}` and `${NAME:-word}` are replaced from the environment. */
args: Array<string>,
/** Variables of its environment. Secret ones are shown as `•••`, and `•••` keeps the value. */
env: { [key in string]: string },
/** Folder in which it runs; the home where left out. */
cwd?: string,
/** Address of a server elsewhere, which speaks Streamable HTTP or HTTP+SSE. */
url?: string,
/** Headers of every request to it. Values are shown as `•••`, and `•••` keeps the value. */
headers: { [key in string]: string },
/** The transport's name, as clients write it: `stdio`, `http`, `sse`. */
type?: string,
/** Whether each session gets a process of its own. */
isolate: boolean,
/** Whether it is turned off. */
disabled: boolean,
/** Whether arguments and results are kept out of the traces. */
redact: boolean,
/**
 * Tools that the endpoint over all servers shows, by their own names; `*` stands for
 * any letters. All of them where left out.
 */
tools?: Array<string>,
/** Other names for tools at the endpoint over all servers, by their own names. */
rename: { [key in string]: string }, };

/** Answer of `GET /servers`. */
export type McpServerList = {
/** By name. */
servers: Array<McpServerShown>,
/** The files they are read from; the last one counts most. */
files: Array<McpFile>, };

/** Names an MCP server. */
export type McpServerName = {
/** As `mcp_status` has it. */
name: string, };

/** Asks for `mcp_server_order`. */
export type McpServerOrder = {
/** As `mcp_status` has it. */
name: string,
/** What to do. */
order: McpOrder, };

/** Asks for `mcp_server_save`. */
export type McpServerSave = {
/** A new name, or that of a server whose entry is written over. */
name: string,
/** Goes into the machine's `/data/mcp.json`. */
entry: McpServerEntry, };

/** A server in `GET /servers`. */
export type McpServerShown = {
/** Its name. */
name: string,
/** Where the entry that counts comes from. */
source: McpSource,
/** Whether it is turned on. */
enabled: boolean,
/** The entry that counts; secret values of its environment are not shown. */
entry: McpServerEntry, };

/** A server in `GET /status`. */
export type McpServerStatus = {
/** Its name. */
name: string,
/** Where its entry comes from. */
source: McpSource,
/** Whether each session gets a process of its own. */
isolate: boolean,
/** How often the shared process was started again. */
restarts: number,
/** How it ended last: exit code, or 128 + the signal. */
last_exit: number | null,
/** What went wrong last, in a sentence. */
problem: string | null,
/** Name, title and version that the server tells of itself. */
server_info: Record<string, unknown> | null,
/** Revision of the protocol spoken with it. */
protocol: string | null,
/** Sessions of clients. */
sessions: number,
/** Processes that belong to one session each. */
own_processes: number,
/** Requests of clients so far. */
calls: number,
/** How many of them failed, or gave a tool's result that says `isError`. */
errors: number,
/** Requests that wait for their answer. */
in_flight: number,
/** Half of the last 512 calls took no longer, in milliseconds. */
p50_ms: number | null,
/** 95 of 100 of the last 512 calls took no longer, in milliseconds. */
p95_ms: number | null,
/** The last lines of its standard error. */
stderr: Array<string>,
/** What of its lists is not passed on as the server says it, in sentences. */
remarks: Array<string>, } & ({ "state": "missing" } | { "state": "disabled" } | { "state": "idle" } | { "state": "starting",
/** Process id; none where the server is elsewhere. */
pid: number | null,
/** Since when it runs, in Unix milliseconds. */
since_ms: number, } | { "state": "ready",
/** Process id; none where the server is elsewhere. */
pid: number | null,
/** Since when it runs, in Unix milliseconds. */
since_ms: number, } | { "state": "backoff",
/** After how long. */
retry_in_ms: number, });

/** A session is open. */
export type McpSession = {
/** Names it in other commands and in the stream's events. */
session: string,
/** The server's answer to `initialize`. */
initialized: Record<string, unknown>, };

/** Names a session. */
export type McpSessionName = {
/** From `mcp_open`. */
session: string, };

/** Where a server's configuration comes from. */
export type McpSource = "builtin" | "repo" | "data";

/** Answer of `GET /status`. */
export type McpStatus = {
/** By name. */
servers: Array<McpServerStatus>,
/** The files they are read from. */
files: Array<McpFile>,
/** Sessions of the endpoint over all servers. */
aggregate_sessions: number,
/** Number of the last trace. */
last_trace: number,
/** Version of the body. */
version: string, };

/** Asks for `mcp_tell`: a notification to the server, or the answer to what it asked. */
export type McpTell = {
/** From `mcp_open`. */
session: string,
/** A JSON-RPC message without `jsonrpc`. */
message: Record<string, unknown>, };

/** One event of `GET /traces`: a message. */
export type McpTrace = {
/** Counts from 1, over all servers, since the supervisor started. */
seq: number,
/** When, in Unix milliseconds. */
at_ms: number,
/** Name of the server. */
server: string,
/** The client's session; none where the relay itself asks, or all are told. */
session: string | null,
/** Which way it went. */
direction: McpDirection,
/** What it is. */
kind: McpKind,
/** Its method; an answer's is its request's. */
method: string | null,
/** Its id, as the client knows it. */
id: string | number | null,
/** Its length. */
bytes: number,
/** Of an answer: how long it took, in milliseconds. */
duration_ms: number | null,
/** Whether `message` is only its first 64 KiB, as a string. */
truncated: boolean,
/** The message: an object, or a string where it was cut. */
message: unknown, };

/** Answer of `GET /traces` to who accepts `application/json`. */
export type McpTracePage = {
/** Oldest first. */
events: Array<McpTrace>,
/** Number of the last one there is: the `after` of the next question. */
last: number, };

/** Asks for `mcp_traces`. */
export type McpTraceQuery = {
/** Number of the last trace that is known. */
after: number,
/** Of this server alone. */
server: string | null, };

/** Values by mime type. What is in them is up to whoever made them. */
export type MimeBundle = Record<string, unknown>;

/** Text that a file may hold as one string or as lines. */
export type MultilineText = string | Array<string>;

/** What a sandbox may reach. */
export type NetworkMode = "none" | "isolated" | "internet";

/** What a caller asks for: one of the modes, or rules. */
export type NetworkRequest = NetworkMode | Record<string, unknown>;

/** A value that was not restored. */
export type NotRestored = {
/** Its name. */
name: string,
/** Why not. */
reason: string, };

/** A notebook file as it was read. */
export type NotebookFile = {
/** Whole. */
path: string,
/** Stands for its bytes; `notebook_save` wants it back. */
stamp: string,
/**
 * nbformat 4. Numbers that JSON lacks are null in it, halves of surrogate pairs are U+FFFD, and a text
 * stands for what is nested too deeply; `notebook_save` keeps in the file what comes back unchanged.
 */
content: Record<string, unknown>,
/** The file's nbformat, where it is older than 4. */
upgraded_from: number | null, };

/** Names a notebook file. */
export type NotebookPath = {
/** Whole, or from `~/` on. */
path: string, };

/** A picture beside a notebook file. */
export type NotebookPicture = {
/** By its content: `image/png`, `image/jpeg`, `image/gif`, `image/webp` or `image/svg+xml`. */
mime_type: string,
/** Base64. */
data: string, };

/** Asks for `notebook_picture`. */
export type NotebookPictureRequest = {
/** The notebook file, as in `notebook_open`. */
path: string,
/** The picture's address as it is written: relative to the notebook's folder. */
address: string, };

/** Asks for `notebook_save`. */
export type NotebookSaveRequest = {
/** Whole, or from `~/` on; `.ipynb` is added where it is not there. */
path: string,
/** nbformat 4. */
content: Record<string, unknown>,
/** What it was when it was read; `None` for a new file. */
stamp: string | null,
/** Also where somebody else changed it. */
overwrite: boolean,
/**
 * The file that it was opened from, whose layout and untouched values are kept; where it is left out,
 * the one that is written.
 */
from: string | null, };

/** Answer of `notebook_save`. */
export type NotebookSaved = {
/** Whole. */
path: string,
/** What the file is now. */
stamp: string, };

/** What a notebook file is now. */
export type NotebookStamp = {
/** `None` where there is no such file. */
stamp: string | null, };

/** No fields. */
export type Nothing = Record<symbol, never>;

/** What happens when a sandbox reaches its end time. */
export type OnTimeout = "kill" | "pause";

/** An output of a cell. */
export type Output = { "output_type": "stream",
/** `stdout` or `stderr`. */
name: string,
/** The text. */
text: MultilineText, } | { "output_type": "display_data",
/** The same thing in several forms. */
data: MimeBundle,
/** How to show it. */
metadata?: MimeBundle,
/** For as long as the kernel runs. */
transient?: TransientData, } | { "output_type": "execute_result",
/** The same value in several forms. */
data: MimeBundle,
/** How to show it. */
metadata?: MimeBundle,
/** `Out [n]`. */
execution_count?: number | null,
/** For as long as the kernel runs. */
transient?: TransientData, } | { "output_type": "update_display_data",
/** The same thing in several forms. */
data: MimeBundle,
/** How to show it. */
metadata?: MimeBundle,
/** Which displays. */
transient?: TransientData, } | { "output_type": "error",
/** Class name. */
ename: string,
/** `str(exception)`. */
evalue: string,
/** Lines without their ends. */
traceback: Array<string>, };

/**
 * An output that is too large to be sent along: `GET /executions/{id}/outputs/{seq}` has it, as
 * long as the machine keeps it.
 */
export type OutputReference = {
/** The kernel's id of the run. */
execution_id: string,
/** Number of the output's event. */
seq: number,
/** Its `output_type`; none if nbformat doesn't have it. */
of: OutputType | null,
/** The display that it is, or that it updates. */
display_id: string | null,
/** Bytes of its JSON. */
size_bytes: number,
/** Of its data. */
mime_types: Array<string>,
/** The beginning of its text; empty if it has none. */
head: string, };

/** What stands for an output that isn't there. */
export type OutputStandIn = { "output_type": "reference" } & OutputReference | { "output_type": "unreadable" } & UnreadableOutput;

/** The `output_type` of an output. */
export type OutputType = "stream" | "display_data" | "execute_result" | "update_display_data" | "error";

/** Started sandboxes of one kind, that wait. */
export type PoolShape = {
/** Image. */
image: string,
/** Limits. */
limits: SandboxLimits,
/** Network. */
network: NetworkMode,
/** How many are kept. */
size: number,
/** How many wait now. */
ready: number,
/** How many are being started. */
starting: number,
/** Sandboxes of this shape that were ready when they were asked for. */
hits: number,
/** Sandboxes of this shape that had to be started first. */
misses: number,
/** Why none can be started, in a sentence. */
failure: string | null, };

/** `GET /pool`. */
export type PoolView = {
/** One for each shape that is kept. */
shapes: Array<PoolShape>,
/** Sandboxes that were ready when they were asked for. */
hits: number,
/** Sandboxes that had to be started first. */
misses: number,
/** Whether the pool is empty because memory is short. */
under_pressure: boolean, };

/** One step of long work. */
export type Progress = { "kind": "step",
/** Number of the step, from 1. */
index: number,
/** How many there are. */
total: number,
/** What it does, such as `RUN apt-get install …`. */
title: string,
/** Whether it came from the cache. */
cached: boolean, } | { "kind": "line",
/** Text. */
text: string, } | { "kind": "phase",
/** Which. */
name: string, };

/** What `body prove --json` says. */
export type Proof = {
/** Whether all checks are well. */
ok: boolean,
/** In the order in which they were made. */
checks: Array<ProofCheck>, };

/** One thing that a candidate was asked to show. */
export type ProofCheck = {
/** Such as `display`, `kernel`, `mcp filesystem`, `tests`. */
name: string,
/** Whether it is well. */
ok: boolean,
/** What was seen. */
detail: string,
/** How long it took. */
took_ms: number, };

/** Columns and rows of a terminal. */
export type PtySize = {
/** Columns. */
cols: number,
/** Rows. */
rows: number, };

/** What happens if a sandbox's image isn't there. */
export type Pull = "missing" | "never";

/** Something of this computer that an agent sees and can't change. */
export type ReadOnlyMount = {
/** Absolute path here. */
source: string,
/** Absolute path in the container. */
target: string, };

/** Asks for `machine_remove`. */
export type RemoveRequest = {
/** The home volume too: logins, files in `/root`. */
home: boolean, };

/** Answer of `evolve_preview` and `generation_diff`: what changed in the repo. */
export type RepoDiff = {
/** The commit that it is against; `None` where there is none, so that all is new. */
from_commit: string | null,
/** The generation of that commit. */
from_generation: number | null,
/** Names the files that it is about: an approval that names it holds for these files alone. */
tree: string,
/** The changed files. */
files: Array<ChangedFile>,
/** How many more files changed than are listed. */
more_files: number,
/** All files' lines as one unified diff, for programs; names are quoted as git quotes them. */
patch: string,
/** Whether lines or files were left out, since there are very many. */
cut: boolean,
/** Whether sources of `body` changed, so that it is compiled: that takes minutes. */
compiles: boolean, };

/** Asks for `generation_rollback`. */
export type RollbackRequest = {
/** Which; the good one before the current one where left out. */
number?: number,
/**
 * Whether the repo stays as it is; else its files become those of that generation. What was
 * there stays on a branch.
 */
keep_repo: boolean,
/**
 * Whether the namespaces become those with which that generation was left; else the present
 * ones are taken along.
 */
state: boolean,
/** What to do about cells that run or wait. */
running_cell: RunningCell,
/** How long to wait for them, in seconds; 60 where it is 0. */
cell_limit_s: number, };

/** Asks for `run_cancel`. */
export type RunCancelRequest = {
/** Which. */
run_id: string, };

/** What a run is for. */
export type RunKind = "evolve" | "rollback";

/** What a run found out and did, beside its steps. */
export type RunReport = {
/** What the candidate showed. */
proof: Proof | null,
/** The namespaces. */
kernels: Array<CarriedKernel>,
/**
 * Files changed in the old container outside its volumes: they are gone with it. The
 * first few hundred.
 */
lost_files: Array<string>,
/** How many such files there are. */
lost_files_count: number,
/** From the old machine's stop to the new one's first answer. */
downtime_ms: number | null,
/** What a person should know: a changed port, a state that could not be kept. */
warnings: Array<string>, };

/** Long work has begun. */
export type RunStarted = {
/** Names it in the stream's events. */
run_id: string, };

/** Where a run stands, and at its end how it ended. */
export type RunState = "asked" | "awaits_yes" | "running" | "good" | "undone" | "failed" | "refused" | "cancelled";

/** What to do about cells that run or wait. */
export type RunningCell = "wait" | "interrupt" | "refuse";

/** What a machine may do with sandboxes of this computer, as its owner says. */
export type SandboxAccess = {
/** Whether its programs may use sandboxes. */
allowed: boolean,
/** The most that such a sandbox may reach. */
network: NetworkMode, };

/** Answer of `sandbox_access_get` and `sandbox_access_set`. */
export type SandboxAccessState = {
/** What it may do. */
access: SandboxAccess,
/** The sandboxes that it uses now. */
sandboxes: Array<SandboxView>, };

/** Answer of `sandbox_code`. */
export type SandboxCode = {
/** What it put out. A value of the last expression and an error are outputs, too. */
outputs: Array<CellOutput>,
/** Whether it put out more than is kept. */
truncated: boolean,
/** Whether it raised nothing and was not ended. */
succeeded: boolean,
/** `In [n]`. */
execution_count: number | null,
/** Milliseconds inside the kernel. */
timing_ms: number, };

/** Asks for `sandbox_code`. */
export type SandboxCodeRequest = {
/** Which sandbox. */
sandbox_id: SandboxId,
/** What runs there. */
request: CodeRequest, };

/** What a sandbox gets if its request doesn't say. */
export type SandboxDefaults = {
/** Image. */
image: string,
/** What it may use. */
limits: SandboxLimits,
/** What it may reach. */
network: NetworkMode,
/** Seconds until it ends. */
ttl_s: number,
/** The longest that can be asked for, in seconds. */
longest_ttl_s: number, };

/** Something happened to a sandbox. */
export type SandboxEvent = {
/** Which one. */
sandbox_id: SandboxId,
/** Name of the token that made it; `None` for the person and for a machine. */
owner: string | null,
/** Unix milliseconds. */
at_ms: number, } & ({ "kind": "created" } | { "kind": "ends_soon",
/** Unix milliseconds. */
ends_at_ms: number, } | { "kind": "timeout_changed",
/** Unix milliseconds. */
ends_at_ms: number, } | { "kind": "paused" } | { "kind": "resumed" } | { "kind": "ended",
/** Why, in a sentence. */
reason: string, } | { "kind": "lost",
/** Why, in a sentence. */
reason: string, });

/** Asks for `sandbox_exec`. */
export type SandboxExecRequest = {
/** Which sandbox. */
sandbox_id: SandboxId,
/** What runs there. It always runs in the background: its output is asked for. */
request: ExecRequest, };

/** Answer of `sandbox_execs`. */
export type SandboxExecs = {
/** Those that run and the last that did, oldest first. */
execs: Array<ExecView>, };

/** Answer of `sandbox_file_read`. */
export type SandboxFile = {
/** What it is. */
entry: FileEntry,
/** Its bytes, in base64. */
base64: string, };

/** Asks for `sandbox_file_write`. */
export type SandboxFileWriteRequest = {
/** Which sandbox. */
sandbox_id: SandboxId,
/** Absolute path; folders above it are made. */
path: string,
/** Its bytes, in base64. */
base64: string, };

/** Answer of `sandbox_files`. */
export type SandboxFiles = {
/** Folders first, then by name. */
entries: Array<FileEntry>,
/** How many more there are. */
left_out: number, };

/** Names a sandbox: lower-case letters and digits, so that it can be a part of a host's name. */
export type SandboxId = string;

/** Asks for `sandbox_image`. */
export type SandboxImageRequest = {
/** Image; the sandboxes' own if `None`. */
image: string | null, };

/** An image that is being built or fetched. */
export type SandboxImageWork = {
/** Its name. */
image: string,
/** The step that runs, such as `[3/9] RUN apt-get …`, and its last line; empty at first. */
doing: string,
/** Unix milliseconds of its beginning. */
since_ms: number, };

/** Asks for `sandbox_input`. */
export type SandboxInputRequest = {
/** Which sandbox. */
sandbox_id: SandboxId,
/** Which command. */
exec_id: string,
/** What its terminal reads, in base64. */
base64: string, };

/** What a sandbox may use. */
export type SandboxLimits = {
/** Memory, in MiB. */
memory_mb: number,
/** Processors. */
cpus: number,
/** Processes and threads. */
pids: number,
/** Size of each writable folder, in MiB; in memory, what is in them counts against it. */
disk_mb: number, };

/** Answer of `sandbox_list`. */
export type SandboxList = {
/** Newest first: those that are there, and those that ended within the last hour. */
sandboxes: Array<SandboxView>,
/** What a sandbox gets if its request doesn't say. */
defaults: SandboxDefaults,
/**
 * Where programs reach the sandboxes, such as `http://127.0.0.1:8000`; `None` if they are there
 * for machines alone.
 */
address: string | null,
/** Whether they need an access token there. */
needs_token: boolean,
/** Images that are being built or fetched now. */
images: Array<SandboxImageWork>, };

/** Names a sandbox. */
export type SandboxName = {
/** Which one. */
sandbox_id: SandboxId, };

/**
 * Answer of `sandbox_output`, which comes as soon as there is something new, or after a while
 * with nothing.
 */
export type SandboxOutput = {
/**
 * What the command wrote to its terminal, or to stdout and stderr, in base64: a character may
 * end in the next answer.
 */
base64: string,
/** Number of the last event in it, for the next request. */
last: number,
/** Whether output before it is no longer kept. */
dropped: boolean,
/** Whether the command is over; nothing follows then. */
ended: boolean,
/** How it ended; `None` while it runs. */
exit_code: number | null, };

/** Asks for `sandbox_output`. */
export type SandboxOutputRequest = {
/** Which sandbox. */
sandbox_id: SandboxId,
/** Which command. */
exec_id: string,
/** Number of the last event that was seen; 0 for all that is kept. */
after: number, };

/** Names a file or folder of a sandbox. */
export type SandboxPath = {
/** Which sandbox. */
sandbox_id: SandboxId,
/** Absolute path. */
path: string, };

/** Asks for `sandbox_resize`. */
export type SandboxResizeRequest = {
/** Which sandbox. */
sandbox_id: SandboxId,
/** Which command. */
exec_id: string,
/** Its terminal's size from now on. */
size: PtySize, };

/** Where a sandbox stands. */
export type SandboxState = "running" | "paused" | "lost" | "ended";

/** Asks for `sandbox_timeout`. */
export type SandboxTimeoutRequest = {
/** Which sandbox. */
sandbox_id: SandboxId,
/** Seconds from now until it ends. */
ttl_s: number, };

/** What a sandbox uses at this moment. */
export type SandboxUsage = {
/** Processor time so far, in milliseconds. */
cpu_ms: number,
/** Processors in use since the last look, 100 for one whole; `None` at the first look. */
cpu_percent: number | null,
/** Memory without the file cache; what lies in the writable folders is in it. */
memory_bytes: number,
/** In the writable folders. */
disk_bytes: number,
/** Processes and threads. */
pids: number,
/** Received over the network; `None` if that isn't known. */
network_received_bytes: number | null,
/** Sent over the network; `None` if that isn't known. */
network_sent_bytes: number | null, };

/** A sandbox as `GET /sessions` shows it. */
export type SandboxView = {
/** Its id. */
sandbox_id: SandboxId,
/** Where it stands. */
state: SandboxState,
/**
 * Whether its first process answers. If it doesn't, commands and files fail until it does;
 * removing the sandbox works.
 */
responding: boolean,
/** Why it is lost or has ended, in a sentence. */
reason: string | null,
/** Name of its container. */
container: string,
/** Image as it was asked for. */
image: string,
/** Name of the token that made it; `None` for the person and for a machine. */
owner: string | null,
/** Id of the machine whose programs made it: the machine's name, or an earlier one. */
machine?: string,
/** What it may use. */
limits: SandboxLimits,
/** Where its writable folders are. */
disk: DiskKind,
/** What it may reach. */
network: NetworkMode,
/** Whether it has the engine's graphics cards. */
gpu: boolean,
/** Another runtime of the engine, such as `runsc`. */
runtime: string | null,
/** The caller's own labels. */
metadata: { [key in string]: string },
/** Names of the variables that its creator set. Their values are not shown. */
env_names: Array<string>,
/** Whether it was started before it was asked for. */
from_pool: boolean,
/** Unix milliseconds of its creation. */
created_at_ms: number,
/** Seconds since then. */
age_s: number,
/** Unix milliseconds of the last command, code or file. */
last_used_at_ms: number,
/** Unix milliseconds at which its time is over. */
ends_at_ms: number,
/** What happens then. */
on_timeout: OnTimeout,
/** Whether the next command, code or file resumes it after it was paused. */
auto_resume: boolean,
/** What it uses; `None` if nobody looked yet. */
usage: SandboxUsage | null,
/** What its user should know, such as that files count against its memory. */
notes: Array<string>, };

/**
 * The files of the repo as a rollback found them, where no generation has them. They stay as long
 * as one of the two generations is there.
 */
export type SavedFiles = {
/** The branch of the machine's history that has them. */
branch: string,
/** The commit. */
commit: string,
/** Unix milliseconds. */
saved_at: number,
/** The generation that was in place. */
from_generation: number | null,
/** The generation that was gone back to. */
to_generation: number | null,
/** The repository on this computer that has the branch. */
history: string, };

/** A key without its value. */
export type SecretEntry = {
/** Its name, such as `OPENAI_API_KEY`. */
name: string,
/** Names of the machines that have it. */
machines: Array<string>,
/** Where its value is stored. */
place: SecretPlace, };

/** Asks for `secret_hand`. */
export type SecretHandRequest = {
/** Which key. */
name: string,
/** Names of the machines that have it from now on, and no others. */
machines: Array<string>, };

/** Answer of every command about keys: what is stored after it. */
export type SecretList = {
/** The keys, by name. */
secrets: Array<SecretEntry>,
/** Where a key is stored that is set now. */
place: SecretPlace,
/** Why the keychain isn't used, if it isn't. */
without_keychain: string | null,
/** The folder of the keys that are in files. */
folder: string, };

/** Names a key. */
export type SecretName = {
/** As `secret_list` has it. */
name: string, };

/** Where a key's value is stored. */
export type SecretPlace = "keychain" | "file";

/** Asks for `secret_set`. */
export type SecretSetRequest = {
/** Capital letters, digits and `_`. */
name: string,
/** The key itself. */
value: string,
/** Names of the machines that have it from now on; those that have it already if `None`. */
machines: Array<string> | null, };

/** Answer of `GET /services`. */
export type ServiceList = {
/** In the order of their start. */
services: Array<ServiceStatus>, };

/** Names a service. */
export type ServiceName = {
/** As `service_list` has it. */
name: string, };

/** A service's line in `GET /services`. */
export type ServiceStatus = {
/** Its name. */
name: string,
/** How often it was started again. */
restarts: number,
/** How it ended last: exit code, or 128 + the signal. */
last_exit: number | null, } & ({ "state": "waiting" } | { "state": "starting",
/** Process id. */
pid: number,
/** Since when, in Unix milliseconds. */
since_ms: number, } | { "state": "ready",
/** Process id. */
pid: number,
/** Since when it runs, in Unix milliseconds. */
since_ms: number, } | { "state": "unresponsive",
/** Process id. */
pid: number,
/** Since when it runs, in Unix milliseconds. */
since_ms: number, } | { "state": "backoff",
/** After how long. */
retry_in_ms: number, });

/** How the app looks and behaves; the machine's own settings are its spec. */
export type Settings = {
/** Light, dark, or as the system is. */
theme: Theme,
/** Closing the window leaves the app in the tray. */
close_to_tray: boolean,
/** A notification when something long ends or fails while the window is not in front. */
notify: boolean,
/** Whether sandboxes are turned on when the window opens. */
serve_sandboxes: boolean,
/**
 * The container engine: an address (`unix://`, `tcp://`, `ssh://`), or the name of one of
 * Docker's contexts. Where there is none, it is found by itself.
 */
engine: string | null, };

/** What is in force. */
export type SettingsState = {
/** In force. */
settings: Settings,
/** What was wrong with the file, until they are written again. */
trouble: Failure | null, };

/** A value that was not stored. */
export type Skipped = {
/** Its name. */
name: string,
/** Its class. */
type: string,
/** Why not. */
reason: string, };

/** A snapshot, told without loading it. */
export type Snapshot = {
/** Its name. */
name: string,
/** When it was stored, in Unix seconds. */
created_at_s: number,
/** Python's version. */
python: string,
/** Bytes on the disk, shared ones included. */
size_bytes: number,
/** What is inside. */
values: Array<StoredValue>,
/** What could not be stored. */
skipped: Array<Skipped>, };

/** A snapshot in the list. */
export type SnapshotLine = {
/** Its name. */
name: string,
/** When it was stored, in Unix seconds. */
created_at_s: number,
/** Bytes on the disk, shared ones included. */
size_bytes: number,
/** How many values are inside. */
values: number,
/** Why it can't be reloaded, where that is so. */
damaged: string | null, };

/** Answer of `GET /cryo`. */
export type SnapshotList = {
/** Newest first. */
snapshots: Array<SnapshotLine>, };

/** Names a snapshot. */
export type SnapshotName = {
/** As `snapshot_list` has it. */
name: string, };

/** Asks for `snapshot_store` and `snapshot_reload`. */
export type SnapshotRequest = {
/** A new name, or the newest snapshot, where left out. */
name?: string, };

/** An agent to start. */
export type StartAgent = {
/** The tool's name in the catalogue. */
tool: string,
/** Image; the tool's own if none. */
image: string | null,
/** What it works on. */
workspace: AgentWorkspace,
/** What it is to do; it waits for a person if there is none. */
prompt: string | null,
/** How much the tool asks, by the mode's id; the tool's usual one if none. */
mode: string | null,
/** Stored keys that the tool gets, by name: its process has them as variables, and nothing else does. */
keys: Array<string>,
/** What a person calls it. */
title: string | null,
/** Limits; the settings' if none. */
limits: AgentLimits | null,
/** Networks that it joins, beside the agents' own. */
networks: Array<string>,
/** Whether `host.docker.internal` leads to this computer. */
host_access: boolean,
/** Files and folders of this computer that it reads. */
mounts: Array<ReadOnlyMount>,
/** Whether it has the graphics cards of this computer. */
gpu: boolean, };

/** What a run does, in this order; `undo` only where one of the others failed. */
export type StepName = "prepare" | "build" | "prove" | "carry" | "swap" | "settle" | "tidy" | "undo";

/** Where a step stands. */
export type StepState = "running" | "done" | "failed" | "skipped";

/** A value inside a snapshot. */
export type StoredValue = {
/** Its name. */
name: string,
/** Its class. */
type: string,
/** Serialised; none where it lies in one piece with others. */
size_bytes: number | null, };

/** An event with its place in the stream. */
export type StreamEvent = {
/** Grows by one; a gap means that a snapshot must be fetched again. */
seq: number,
/** When, in Unix milliseconds. */
at_ms: number,
/** The machine that it is about; `None` if it is about the app. */
machine: string | null,
/** What happened. */
event: Event, };

/**
 * Whether the person has mouse and keyboard of the desktop for themselves: `GET /takeover`, and
 * the answer of `POST /takeover`.
 */
export type Takeover = {
/** Then tools of an AI may look and not touch. */
on: boolean,
/** Who took them, where they said so. */
by: string | null,
/** Since when it is so, in Unix milliseconds; none where it was never otherwise. */
since_ms: number | null, };

/** `POST /takeover`. */
export type TakeoverRequest = {
/** Take them, or give them back. */
on: boolean,
/** Who. */
by?: string, };

/** What a page says to a terminal. */
export type TerminalControl = { "kind": "resize",
/** Columns. */
cols: number,
/** Rows. */
rows: number, } | { "kind": "taken",
/** How much of what was sent since it said so last. */
bytes: number, };

/** The last thing that a page hears of a terminal. */
export type TerminalEnd = {
/** Why; none if the terminal ended, or the person detached. */
failure: Failure | null, };

/** Colours of the window. */
export type Theme = "system" | "light" | "dark";

/** Asks for `token_create`. */
export type TokenCreateRequest = {
/** Letters, digits, `_`, `.` and `-`. */
name: string,
/** What it may do. */
scopes: Array<string>,
/** Names of the machines that it is for; all of them and the app's own API if `None`. */
machines: Array<string> | null,
/** Whether a number is added to a name that is taken, instead of refusing it. */
numbered: boolean, };

/** Answer of `token_create`. */
export type TokenCreated = {
/** The token. Nobody can show it again. */
token: string,
/** What it may do. */
entry: TokenEntry, };

/** A token without what it is. */
export type TokenEntry = {
/** Its name. */
name: string,
/** What it may do. */
scopes: Array<string>,
/**
 * Names of the machines that it is for; `None` if it is for all of them and for the app's own
 * API.
 */
machines: Array<string> | null,
/** When it was made, in Unix milliseconds. */
created_at_ms: number, };

/** Answer of `token_list` and `token_remove`. */
export type TokenList = {
/** By name. */
tokens: Array<TokenEntry>, };

/** Names a token. */
export type TokenName = {
/** As `token_list` has it. */
name: string, };

/** What is true of an output only as long as its kernel runs; files don't have it. */
export type TransientData = {
/** The display, for updates of it. */
display_id?: string, };

/** An output that isn't one of nbformat's. */
export type UnreadableOutput = {
/** Why it can't be read. */
cause: string,
/** Bytes of what came. */
size_bytes: number,
/** The beginning of it. */
head: string, };

/** Asks for `machine_up`. */
export type UpRequest = {
/** Build even where the image is current. */
rebuild: boolean,
/** Replace a container that runs. Without it, the run fails with `would_recreate`. */
recreate: boolean, };

/** A variable of the namespace. */
export type Variable = {
/** Its name. */
name: string,
/** Its class. */
type: string,
/** Of the value itself; of arrays and tables with their data. */
size_bytes: number | null,
/** A line about the value. */
repr: string, };

/** Answer of `GET /variables`. */
export type VariablesAnswer = {
/** By name; at most 5,000. */
variables: Array<Variable>,
/** How many there are. */
count: number, };

/** What an agent waits for. */
export type WaitingFor = "permission" | "answer" | "log_in";

/** Every command about the app: what it is asked with, what it answers. */
export interface AppCommands {
  /** Versions and folders. */
  app_info: { request: Nothing; answer: AppInfo };
  /** The container engine, or why it can't be reached. */
  engine_info: { request: Nothing; answer: EngineInfo };
  /** Container engines of this computer that can be chosen by hand. */
  engine_list: { request: Nothing; answer: EngineList };
  /** Connects once to a container engine, or says why it can't. */
  engine_test: { request: EngineTestRequest; answer: EngineInfo };
  /** The app's settings. */
  settings_get: { request: Nothing; answer: SettingsState };
  /** Changes them, for every view. */
  settings_set: { request: Settings; answer: SettingsState };
  /** The machines that there are. */
  machine_list: { request: Nothing; answer: MachineList };
  /** Adds a machine; nothing is built or started. */
  machine_create: { request: MachineCreateRequest; answer: MachineList };
  /** Gives a machine another name; its files keep their places. */
  machine_rename: { request: MachineRenameRequest; answer: MachineList };
  /** Removes a machine's container and takes it out of the list. */
  machine_delete: { request: MachineDeleteRequest; answer: MachineList };
  /** The keys that are stored, never their values. */
  secret_list: { request: Nothing; answer: SecretList };
  /** Stores a key and hands it to machines. */
  secret_set: { request: SecretSetRequest; answer: SecretList };
  /** Chooses the machines that have a key. */
  secret_hand: { request: SecretHandRequest; answer: SecretList };
  /** Removes a key from the store and from all machines. */
  secret_remove: { request: SecretName; answer: SecretList };
  /** The access tokens that were made, never the tokens themselves. */
  token_list: { request: Nothing; answer: TokenList };
  /** Makes an access token, which is shown this once. */
  token_create: { request: TokenCreateRequest; answer: TokenCreated };
  /** Removes an access token: nothing accepts it any more. */
  token_remove: { request: TokenName; answer: TokenList };
  /** Cancels long work. */
  run_cancel: { request: RunCancelRequest; answer: Nothing };
  /** Reads a notebook file of this computer. */
  notebook_open: { request: NotebookPath; answer: NotebookFile };
  /** What a notebook file is now, to notice changes by others. */
  notebook_stamp: { request: NotebookPath; answer: NotebookStamp };
  /** Reads a picture that a text cell of a notebook file shows. */
  notebook_picture: { request: NotebookPictureRequest; answer: NotebookPicture };
  /** Writes a notebook file, unless somebody else changed it. */
  notebook_save: { request: NotebookSaveRequest; answer: NotebookSaved };
  /** Serves sandboxes and the API from this process, until it ends. */
  sandbox_serve: { request: Nothing; answer: Nothing };
  /** The sandboxes with what they use, and what a new one gets. */
  sandbox_list: { request: Nothing; answer: SandboxList };
  /** Sandboxes that wait started, and how often one was ready. */
  sandbox_pool: { request: Nothing; answer: PoolView };
  /** Builds the sandboxes' own image, or fetches another one; takes minutes. */
  sandbox_image: { request: SandboxImageRequest; answer: Nothing };
  /** Creates a sandbox. */
  sandbox_create: { request: CreateRequest; answer: SandboxView };
  /** Freezes its processes. */
  sandbox_pause: { request: SandboxName; answer: SandboxView };
  /** Continues its processes. */
  sandbox_resume: { request: SandboxName; answer: SandboxView };
  /** Sets how long it lives from now on. */
  sandbox_timeout: { request: SandboxTimeoutRequest; answer: SandboxView };
  /** Removes it with all that is in it. */
  sandbox_destroy: { request: SandboxName; answer: Nothing };
  /** Starts a command in it. */
  sandbox_exec: { request: SandboxExecRequest; answer: ExecView };
  /** Its commands, those that run and the last that did. */
  sandbox_execs: { request: SandboxName; answer: SandboxExecs };
  /** Waits for a command's next output. */
  sandbox_output: { request: SandboxOutputRequest; answer: SandboxOutput };
  /** Types into a command's terminal. */
  sandbox_input: { request: SandboxInputRequest; answer: Nothing };
  /** Gives a command's terminal another size. */
  sandbox_resize: { request: SandboxResizeRequest; answer: Nothing };
  /** Runs Python in it and waits for the end; variables stay. */
  sandbox_code: { request: SandboxCodeRequest; answer: SandboxCode };
  /** Lists one of its folders. */
  sandbox_files: { request: SandboxPath; answer: SandboxFiles };
  /** Reads one of its files. */
  sandbox_file_read: { request: SandboxPath; answer: SandboxFile };
  /** Writes one of its files. */
  sandbox_file_write: { request: SandboxFileWriteRequest; answer: FileEntry };
  /** Removes one of its files or folders. */
  sandbox_file_remove: { request: SandboxPath; answer: Nothing };
  /** The agents as they stand. */
  agent_list: { request: Nothing; answer: AgentList };
  /** The coding tools that agents run, and their images. */
  agent_tools: { request: Nothing; answer: AgentTools };
  /** Builds a tool's image, or fetches it from its registry; goes on as stream events. */
  agent_image_build: { request: AgentImageBuildRequest; answer: RunStarted };
  /** What such a run printed, from a place on. */
  agent_image_log: { request: AgentImageLogRequest; answer: JobLog };
  /** Approves an image of a registry by its digest. */
  agent_image_approve: { request: AgentImageApproveRequest; answer: AgentTools };
  /** Folders of this computer whose insides agents may be given. */
  agent_folders: { request: Nothing; answer: AgentFolders };
  /** Allows another one. */
  agent_folder_add: { request: AgentFolderRequest; answer: AgentFolders };
  /** Allows one no longer; agents that have it keep it until they end. */
  agent_folder_remove: { request: AgentFolderRequest; answer: AgentFolders };
  /** Starts an agent in a container of its own. */
  agent_start: { request: StartAgent; answer: AgentStarted };
  /** What an agent's terminal shows now, as text. */
  agent_screen: { request: AgentName; answer: AgentScreen };
  /** Fetches an agent's work and compares it with what it was given. */
  agent_diff: { request: AgentDiffRequest; answer: AgentDiff };
  /** Merges an agent's work into a branch; changes no files. */
  agent_merge: { request: AgentMergeRequest; answer: AgentMergeOutcome };
  /** Lets the branch name what it named before a merge. */
  agent_merge_undo: { request: AgentMergeUndoRequest; answer: Nothing };
  /** An agent's work as a patch for git apply. */
  agent_patch: { request: AgentName; answer: AgentPatch };
  /** Removes an agent with its work, also what was fetched of it. */
  agent_discard: { request: AgentName; answer: Nothing };
  /** Sends an agent a prompt. */
  agent_send: { request: AgentSendRequest; answer: Nothing };
  /** Types keys into an agent's terminal. */
  agent_keys: { request: AgentKeysRequest; answer: Nothing };
  /** Answers what an agent asks for. */
  agent_answer: { request: AgentAnswerRequest; answer: Nothing };
  /** Ends an agent's tool; it can be resumed unless nothing is kept. */
  agent_stop: { request: AgentStopRequest; answer: Nothing };
  /** Freezes an agent's processes. */
  agent_pause: { request: AgentName; answer: AgentView };
  /** Continues an agent that is paused, ended or missing. */
  agent_resume: { request: AgentName; answer: AgentView };
  /** Removes an agent with all that is in it. */
  agent_remove: { request: AgentName; answer: Nothing };
  /** Removes all agents and their network. */
  agent_clean: { request: Nothing; answer: AgentsCleaned };
  /** What happened to an agent. */
  agent_logs: { request: AgentLogsRequest; answer: LogLines };
  /** A one-time ticket to an agent's terminal. */
  agent_terminal_open: { request: AgentTerminalRequest; answer: AgentTerminalTicket };
}

/** Every command about one machine. */
export interface MachineCommands {
  /** The machine's state now. */
  machine_status: { request: Nothing; answer: MachineStatus };
  /** Builds the image if needed, and leaves the container as it is; goes on as stream events. */
  machine_build: { request: BuildRequest; answer: RunStarted };
  /** Builds where needed, creates, starts; goes on as stream events. */
  machine_up: { request: UpRequest; answer: RunStarted };
  /** Stops it politely. */
  machine_down: { request: Nothing; answer: MachineStatus };
  /** Stops and starts it. */
  machine_restart: { request: Nothing; answer: MachineStatus };
  /** Removes container and network, and the home volume if asked. */
  machine_remove: { request: RemoveRequest; answer: MachineStatus };
  /** Last lines of the container's log. */
  machine_logs: { request: LogsRequest; answer: LogLines };
  /** Processor, memory and processes of the running machine. */
  machine_stats: { request: Nothing; answer: MachineStats };
  /** What the machine takes of the disk; may take seconds. */
  machine_disk: { request: Nothing; answer: MachineDisk };
  /** The machine's own token or VNC password, to copy it. */
  machine_credential: { request: CredentialRequest; answer: CredentialText };
  /** Long work of the machine that goes on or ended lately: builds, starts, evolves, cells, commands, terminals. */
  job_list: { request: Nothing; answer: JobList };
  /** What a job printed, from a place on. */
  job_log: { request: JobLogRequest; answer: JobLog };
  /** Ends a job, whatever its kind. */
  job_cancel: { request: JobId; answer: Nothing };
  /** A one-time ticket to the desktop's bridge. */
  desktop_open: { request: Nothing; answer: DesktopTicket };
  /** Whether the person has the desktop's mouse and keyboard, and the AI's input rests. */
  takeover_get: { request: Nothing; answer: Takeover };
  /** Takes them, or gives them back. */
  takeover_set: { request: TakeoverRequest; answer: Takeover };
  /** Queues a cell; its outputs are stream events. */
  kernel_exec: { request: KernelExecRequest; answer: Nothing };
  /** KeyboardInterrupt in a cell, or takes it out of the queue. */
  kernel_interrupt: { request: KernelInterruptRequest; answer: Nothing };
  /** A new process for the kernel: its namespace is gone. */
  kernel_restart: { request: Nothing; answer: Nothing };
  /** Answers a cell's input(). */
  kernel_input: { request: KernelInputRequest; answer: Nothing };
  /** What could stand at a place of the source. */
  kernel_complete: { request: KernelCursor; answer: CompleteAnswer };
  /** Documentation of what stands at a place of the source. */
  kernel_inspect: { request: KernelCursor; answer: InspectAnswer };
  /** The namespace. */
  kernel_variables: { request: Nothing; answer: VariablesAnswer };
  /** Cells that the kernel knows, those of closed windows too. */
  kernel_cells: { request: Nothing; answer: KernelCells };
  /** Outputs of such a cell from its beginning, then live, as stream events. */
  kernel_follow: { request: KernelFollowRequest; answer: Nothing };
  /** An output that came as a reference. */
  kernel_output: { request: KernelOutputRequest; answer: KernelOutput };
  /** Stored namespaces, newest first. */
  snapshot_list: { request: Nothing; answer: SnapshotList };
  /** Stores the namespace. */
  snapshot_store: { request: SnapshotRequest; answer: CryoStored };
  /** Brings a stored namespace back. */
  snapshot_reload: { request: SnapshotRequest; answer: CryoReloaded };
  /** What is inside a stored namespace, told without loading it. */
  snapshot_show: { request: SnapshotName; answer: Snapshot };
  /** Removes a stored namespace. */
  snapshot_remove: { request: SnapshotName; answer: Nothing };
  /** What the machine's supervisor runs. */
  service_list: { request: Nothing; answer: ServiceList };
  /** Ends one of them and starts it again. */
  service_restart: { request: ServiceName; answer: Nothing };
  /** What it wrote last. */
  service_log: { request: ServiceName; answer: LogLines };
  /** How the machine's MCP servers stand. */
  mcp_status: { request: Nothing; answer: McpStatus };
  /** How they are configured, and where. */
  mcp_servers: { request: Nothing; answer: McpServerList };
  /** Restarts one, turns it on or off. */
  mcp_server_order: { request: McpServerOrder; answer: Nothing };
  /** Adds one to the machine, or changes it. */
  mcp_server_save: { request: McpServerSave; answer: Nothing };
  /** Takes one out of the machine's own file. */
  mcp_server_remove: { request: McpServerName; answer: McpRemoved };
  /** Messages of all clients after a number. */
  mcp_traces: { request: McpTraceQuery; answer: McpTracePage };
  /** Address for other clients. */
  mcp_access: { request: Nothing; answer: McpAccess };
  /** Makes a token for another program, and says how that becomes a client. */
  mcp_configuration: { request: McpConfigurationRequest; answer: McpConfiguration };
  /** Begins a session with a server. */
  mcp_open: { request: McpOpenRequest; answer: McpSession };
  /** Asks the server, and waits for its answer. */
  mcp_request: { request: McpRequest; answer: McpAnswer };
  /** Tells the server something, or answers what it asked. */
  mcp_tell: { request: McpTell; answer: Nothing };
  /** Ends a session. */
  mcp_close: { request: McpSessionName; answer: Nothing };
  /** Whether the machine's programs may use sandboxes, and which they use now. */
  sandbox_access_get: { request: Nothing; answer: SandboxAccessState };
  /** Allows or denies it, from now on. */
  sandbox_access_set: { request: SandboxAccess; answer: SandboxAccessState };
  /** What changed in the machine's repo since its generation. */
  evolve_preview: { request: Nothing; answer: RepoDiff };
  /** Builds, proves and puts in place a new machine; goes on as stream events. */
  evolve_start: { request: EvolveRequest; answer: RunStarted };
  /** The newest run. */
  evolve_status: { request: Nothing; answer: EvolveStatus };
  /** All runs that are remembered, newest first. */
  evolve_runs: { request: Nothing; answer: EvolveRunList };
  /** A run's log, from a place on. */
  evolve_log: { request: EvolveLogRequest; answer: EvolveLog };
  /** Says yes or no to a run that the machine asks for. */
  evolve_answer: { request: EvolveAnswer; answer: Nothing };
  /** Gives a run up; the old machine stays, or comes back. */
  evolve_cancel: { request: EvolveRunId; answer: Nothing };
  /** The machine's generations. */
  generation_list: { request: Nothing; answer: GenerationList };
  /** What a generation changed in the repo, against the one before. */
  generation_diff: { request: GenerationNumber; answer: RepoDiff };
  /** Puts an earlier generation in place; goes on as stream events. */
  generation_rollback: { request: RollbackRequest; answer: RunStarted };
  /** Keeps a generation whatever their number, or no longer. */
  generation_keep: { request: GenerationKeep; answer: GenerationList };
  /** Gives a generation a name. */
  generation_name: { request: GenerationName; answer: GenerationList };
  /** Removes a generation and its image. */
  generation_remove: { request: GenerationNumber; answer: GenerationList };
}
