//! The one list of the routes of a machine's API: method, path, query, body, answer, needed scope.
//!
//! [`for_each_machine_route!`](crate::for_each_machine_route) hands it to a macro of the caller's. The
//! machine makes its router, its OpenAPI document and its table of scopes of it, so a route without a
//! handler does not compile; clients call a route by its type, which knows what it takes and answers.

use serde::{Deserialize, Serialize};

use crate::{
    body::{
        CdAnswer, CdRequest, CellEventQuery, CellListAnswer, CellQuery, CellRemoved, CellRunQuery,
        CellShown, CommList, CommOpen, CommRequest, CompleteAnswer, Completed, CriuStatus,
        CryoReloaded, CryoRequest, CryoStored, CursorRequest, EnvRequest, InputRequest,
        InspectAnswer, KernelChoice, KernelList, KernelShown, LogPage, NewKernel, PingAnswer,
        ServiceList, Snapshot, SnapshotList, StatusAnswer, Takeover, TakeoverRequest,
        VariablesAnswer,
    },
    evolve::{
        EvolveClaim, EvolveLog, EvolveMachineStatus, EvolveQueue, EvolveReport, EvolveRunList,
        EvolveStarted, EvolveWish,
    },
    job::{JobList, JobLog},
    kernel::{ExecAnswer, ExecRequest, ShellAnswer, ShellRequest},
    nbformat::Output,
    sandbox_call::{
        SandboxAnswer, SandboxCall, SandboxCallAnswer, SandboxCallHost, SandboxCallList,
    },
    tokens::Scope,
};

/// Calls `$with!` with `Type handler: METHOD path => answer, scope, "what it does";` for every route.
///
/// After the path come, where there are some, `of Name` for the part in braces (`of NamePair` for two),
/// `?Query` and the body:
/// `[needs Type]`, or `[may Type]` for one that can be left out. The answer is `Json(Type)`,
/// `JsonOrEvents(Type)` for one that is an event stream to those who ask for it, `Text("type")`,
/// `Events` or `WebSocket`.
#[macro_export]
macro_rules! for_each_machine_route {
    ($with:ident) => {
        $with! {
            Ping ping: GET "/ping" => Json(PingAnswer), Open, "Health check: whether the main kernel accepts cells.";
            Health health: GET "/health" => Json(PingAnswer), Open, "The same health check under another path.";
            GetStatus get_status: GET "/status" ?KernelChoice => Json(StatusAnswer), Read, "The state of a kernel.";
            GetOpenApi get_openapi: GET "/openapi.json" => Text("application/json"), Read, "This document.";
            GetMetrics get_metrics: GET "/metrics" => Text("text/plain"), Read, "Metrics for Prometheus.";
            FollowChanges follow_changes: GET "/events" => Events, Read, "Events about services, kernels, snapshots and the desktop.";
            ListServices list_services: GET "/services" => Json(ServiceList), Read, "Lists the services of the supervisor.";
            RestartService restart_service: POST "/services/{name}/restart" of Name => Json(Completed), Admin, "Restarts a service.";
            ReadServiceLog read_service_log: GET "/services/{name}/logs" of Name ?LogQuery => JsonOrEvents(LogPage), Read, "The log of a service.";
            GetTakeover get_takeover: GET "/takeover" => Json(Takeover), Read, "Whether the person has taken control of the desktop.";
            SetTakeover set_takeover: POST "/takeover" [needs TakeoverRequest] => Json(Takeover), Exec, "Takes or releases control of the desktop.";
            RunCell run_cell: POST "/exec" ?CellRunQuery [needs ExecRequest] => JsonOrEvents(ExecAnswer), Exec, "Runs a cell.";
            ListCells list_cells: GET "/executions" ?CellQuery => Json(CellListAnswer), Read, "Lists queued, running and recent cells.";
            ShowCell show_cell: GET "/executions/{id}" of Name => Json(CellShown), Read, "The state of a cell.";
            EndCell end_cell: DELETE "/executions/{id}" of Name => Json(CellRemoved), Exec, "Cancels a queued cell or interrupts a running one.";
            FollowCell follow_cell: GET "/executions/{id}/events" of Name ?CellEventQuery => Events, Read, "A cell's events, replayed and then live.";
            GetOutput get_output: GET "/executions/{id}/outputs/{seq}" of NamePair => Json(Output), Read, "One output of a cell, by the number of its event.";
            AnswerInput answer_input: POST "/executions/{id}/input" of Name [needs InputRequest] => Json(Completed), Exec, "Answers a cell's input().";
            InterruptKernel interrupt_kernel: POST "/interrupt" ?KernelChoice [may KernelChoice] => Json(Completed), Exec, "Interrupts the running cell.";
            ResetKernel reset_kernel: POST "/reset" ?KernelChoice [may KernelChoice] => Json(Completed), Exec, "Clears all variables after the queued cells.";
            RestartKernel restart_kernel: POST "/restart" ?KernelChoice [may KernelChoice] => Json(Completed), Exec, "Restarts a kernel's process.";
            Complete complete: POST "/complete" ?KernelChoice [needs CursorRequest] => Json(CompleteAnswer), Exec, "Completions at a cursor.";
            Inspect inspect: POST "/inspect" ?KernelChoice [needs CursorRequest] => Json(InspectAnswer), Exec, "Documentation for the name at a cursor.";
            ListVariables list_variables: GET "/variables" ?KernelChoice => Json(VariablesAnswer), Read, "Lists the variables of a kernel.";
            ListComms list_comms: GET "/comms" ?KernelChoice => Json(CommList), Read, "Lists the open comms of a kernel.";
            OpenComm open_comm: POST "/comms" ?KernelChoice [needs CommOpen] => JsonOrEvents(ExecAnswer), Exec, "Opens a comm in a kernel after the queued cells.";
            SendToComm send_to_comm: POST "/comms/{id}" of Name ?KernelChoice [may CommRequest] => JsonOrEvents(ExecAnswer), Exec, "Sends a message to a comm after the queued cells.";
            CloseComm close_comm: DELETE "/comms/{id}" of Name ?KernelChoice => JsonOrEvents(ExecAnswer), Exec, "Closes a comm after the queued cells.";
            ListKernels list_kernels: GET "/kernels" => Json(KernelList), Read, "Lists the kernels.";
            StartKernel start_kernel: POST "/kernels" [needs NewKernel] => Json(KernelShown), Exec, "Starts a kernel.";
            EndKernel end_kernel: DELETE "/kernels/{name}" of Name => Json(Completed), Exec, "Stops a kernel.";
            RunCommand run_command: POST "/shell" [needs ShellRequest] => JsonOrEvents(ShellAnswer), Exec, "Runs a command.";
            ChangeFolder change_folder: POST "/shell/cd" [needs CdRequest] => Json(CdAnswer), Exec, "Changes the working directory of commands.";
            SetVariable set_variable: POST "/shell/env" [needs EnvRequest] => Json(Completed), Exec, "Sets an environment variable for commands.";
            OpenTerminal open_terminal: GET "/terminal" ?TerminalQuery => WebSocket, Exec, "A terminal, as a WebSocket.";
            ListJobs list_jobs: GET "/jobs" => Json(JobList), Read, "Lists cells, commands and terminals: those that run or wait, and recent ones.";
            EndJob end_job: DELETE "/jobs/{id}" of Name => Json(Completed), Exec, "Ends a job: cancels a queued cell, interrupts a running one, ends a command or a terminal.";
            ReadJobLog read_job_log: GET "/jobs/{id}/log" of Name ?AfterQuery => Json(JobLog), Read, "What a job printed, as text.";
            StoreNamespace store_namespace: POST "/cryo/store" ?KernelChoice [may CryoRequest] => Json(CryoStored), Exec, "Saves a kernel's variables to a snapshot.";
            ReloadNamespace reload_namespace: POST "/cryo/reload" ?KernelChoice [may CryoRequest] => Json(CryoReloaded), Exec, "Restores a kernel's variables from a snapshot.";
            ListSnapshots list_snapshots: GET "/cryo" => Json(SnapshotList), Read, "Lists the snapshots.";
            ShowSnapshot show_snapshot: GET "/cryo/{name}" of Name => Json(Snapshot), Read, "Lists the contents of a snapshot.";
            RemoveSnapshot remove_snapshot: DELETE "/cryo/{name}" of Name => Json(Completed), Exec, "Deletes a snapshot.";
            GetCriuStatus get_criu_status: GET "/criu/status" => Json(CriuStatus), Read, "Whether a kernel's process can be frozen.";
            FreezeProcess freeze_process: POST "/criu/checkpoint" => Json(Completed), Exec, "Freezes a kernel's process to the disk.";
            ThawProcess thaw_process: POST "/criu/restore" => Json(Completed), Exec, "Restores a frozen process.";
            GetEvolveStatus get_evolve_status: GET "/evolve/status" => Json(EvolveMachineStatus), Read, "The latest run and whether an executor is present.";
            ListEvolveRuns list_evolve_runs: GET "/evolve/runs" => Json(EvolveRunList), Read, "Lists the runs.";
            ReadEvolveLog read_evolve_log: GET "/evolve/runs/{id}/log" of Name ?AfterQuery => Json(EvolveLog), Read, "The log of a run.";
            StartEvolve start_evolve: POST "/evolve" [may EvolveWish] => Json(EvolveStarted), Admin, "Requests an evolve: a new machine built from the repo.";
            CancelEvolve cancel_evolve: POST "/evolve/cancel" => Json(Completed), Admin, "Withdraws a requested run that has not started.";
            ClaimEvolve claim_evolve: POST "/evolve/claim" [needs EvolveClaim] => Json(Completed), Admin, "Registers an executor and claims a run.";
            ReportEvolve report_evolve: POST "/evolve/runs/{id}/report" of Name [needs EvolveReport] => Json(Completed), Admin, "Reports the progress of a run.";
            CloseQueue close_queue: POST "/evolve/queue" [needs EvolveQueue] => Json(Completed), Admin, "Closes the queue of cells temporarily, or opens it.";
            PutSandboxCall put_sandbox_call: POST "/sandbox/calls" [needs SandboxCall] => Json(SandboxAnswer), Exec, "Asks the host for a sandbox: runs a command or code in it, or reads and writes its files.";
            ListSandboxCalls list_sandbox_calls: GET "/sandbox/calls" => Json(SandboxCallList), Admin, "Lists the calls that wait for a host or are worked on.";
            TakeSandboxCall take_sandbox_call: POST "/sandbox/calls/{id}/take" of Name [needs SandboxCallHost] => Json(SandboxCall), Admin, "Takes a call, to work on it.";
            KeepSandboxCall keep_sandbox_call: POST "/sandbox/calls/{id}/keep" of Name [needs SandboxCallHost] => Json(Completed), Admin, "Tells that a call is still worked on.";
            AnswerSandboxCall answer_sandbox_call: POST "/sandbox/calls/{id}/answer" of Name [needs SandboxCallAnswer] => Json(Completed), Admin, "Answers a call that was taken.";
        }
    };
}

/// A route of the machine's API.
pub trait Route {
    /// HTTP method.
    const METHOD: RouteMethod;
    /// Path, with the names of its variable parts in braces.
    const PATH: &'static str;
    /// Who may call it.
    const ACCESS: RouteAccess;
    /// Whether it takes a body.
    const BODY: RouteBody;
    /// What kind of answer it gives.
    const ANSWER: RouteAnswer;
    /// What it does, one sentence.
    const SUMMARY: &'static str;
    /// The variable parts of its path: [`Name`], [`NamePair`], or `()` if it has none.
    type Names: PathNames;
    /// The query, or `()` if it has none.
    type Query: Serialize;
    /// The body, or `()` if it takes none.
    type Request: Serialize;
    /// The JSON answer, or `()` if it gives none.
    type Answer;
}

/// An HTTP method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteMethod {
    /// Looks at something.
    Get,
    /// Does something.
    Post,
    /// Removes something.
    Delete,
}

impl RouteMethod {
    /// The method as HTTP writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        }
    }
}

/// What a request needs, of a token that isn't the machine's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteAccess {
    /// No token.
    Open,
    /// The scope `read`.
    Read,
    /// The scope `exec`.
    Exec,
    /// The scope `admin`.
    Admin,
}

impl RouteAccess {
    /// The scope; `None` if no token is needed.
    #[must_use]
    pub const fn scope(self) -> Option<Scope> {
        match self {
            Self::Open => None,
            Self::Read => Some(Scope::Read),
            Self::Exec => Some(Scope::Exec),
            Self::Admin => Some(Scope::Admin),
        }
    }
}

/// Whether a route takes a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteBody {
    /// It takes none.
    None,
    /// It can be left out.
    Optional,
    /// It is required.
    Required,
}

/// What kind of answer a route gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteAnswer {
    /// JSON.
    Json,
    /// JSON, or an event stream for those who accept `text/event-stream`.
    JsonOrEvents,
    /// A text of this type.
    Text(&'static str),
    /// An event stream.
    Events,
    /// A WebSocket.
    WebSocket,
}

impl RouteAnswer {
    /// Whether it can be an event stream.
    #[must_use]
    pub const fn has_events(self) -> bool {
        matches!(self, Self::JsonOrEvents | Self::Events)
    }

    /// Whether it can be JSON of the route's type.
    #[must_use]
    pub const fn has_json(self) -> bool {
        matches!(self, Self::Json | Self::JsonOrEvents)
    }
}

/// What stands in a path's braces.
pub trait PathNames {
    /// The names, in their order.
    fn names(&self) -> Vec<&str>;
}

impl PathNames for () {
    fn names(&self) -> Vec<&str> {
        Vec::new()
    }
}

/// The one variable part of a path, as it is: it is escaped where it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(pub String);

impl PathNames for Name {
    fn names(&self) -> Vec<&str> {
        vec![&self.0]
    }
}

impl From<&str> for Name {
    fn from(name: &str) -> Self {
        Self(name.to_owned())
    }
}

impl From<&String> for Name {
    fn from(name: &String) -> Self {
        Self(name.clone())
    }
}

impl From<String> for Name {
    fn from(name: String) -> Self {
        Self(name)
    }
}

/// The two variable parts of a path, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamePair(pub String, pub String);

impl PathNames for NamePair {
    fn names(&self) -> Vec<&str> {
        vec![&self.0, &self.1]
    }
}

wire! {
    /// Query of what is read from a place on.
    #[derive(Copy, Eq, Default)]
    pub struct AfterQuery {
        /// Number of the last event, or of the last byte, that is known.
        #[serde(default)]
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub after: u64,
    }

    /// Query of `GET /services/{name}/logs`.
    #[derive(Copy, Eq, Default)]
    pub struct LogQuery {
        /// Byte from which the log is read.
        #[serde(default)]
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub after: u64,
        /// Whether what is written later follows, as events.
        #[serde(default)]
        pub follow: bool,
    }

    /// Query of `GET /terminal`.
    #[derive(Eq, Default)]
    pub struct TerminalQuery {
        /// Viewers of one name see one terminal.
        #[serde(default)]
        pub name: String,
        /// Columns.
        #[serde(default)]
        pub cols: Option<u16>,
        /// Rows.
        #[serde(default)]
        pub rows: Option<u16>,
    }
}

macro_rules! method {
    (GET) => {
        RouteMethod::Get
    };
    (POST) => {
        RouteMethod::Post
    };
    (DELETE) => {
        RouteMethod::Delete
    };
}
macro_rules! takes {
    () => {
        RouteBody::None
    };
    (may) => {
        RouteBody::Optional
    };
    (needs) => {
        RouteBody::Required
    };
}
macro_rules! answers {
    (Text $kind:literal) => {
        RouteAnswer::Text($kind)
    };
    ($answers:ident $($type:ident)?) => {
        RouteAnswer::$answers
    };
}
/// The type that there is, or `()`.
macro_rules! type_of {
    () => {
        ()
    };
    ($kind:literal) => {
        ()
    };
    ($type:ident) => {
        $type
    };
}

macro_rules! routes {
    ($($route:ident $handler:ident: $method:ident $path:literal $(of $names:ident)? $(? $query:ident)? $([$takes:ident $request:ident])? => $answers:ident $(($answer:tt))?, $access:ident, $what:literal;)*) => {
        $(
            #[doc = concat!("`", stringify!($method), " ", $path, "`: ", $what)]
            #[derive(Clone, Copy, Debug)]
            pub struct $route;

            impl Route for $route {
                const METHOD: RouteMethod = method!($method);
                const PATH: &'static str = $path;
                const ACCESS: RouteAccess = RouteAccess::$access;
                const BODY: RouteBody = takes!($($takes)?);
                const ANSWER: RouteAnswer = answers!($answers $($answer)?);
                const SUMMARY: &'static str = $what;
                type Names = type_of!($($names)?);
                type Query = type_of!($($query)?);
                type Request = type_of!($($request)?);
                type Answer = type_of!($($answer)?);
            }
        )*

        /// Method, path and access of every route.
        pub const ROUTES: &[(RouteMethod, &str, RouteAccess)] = &[
            $((<$route as Route>::METHOD, <$route as Route>::PATH, <$route as Route>::ACCESS),)*
        ];
    };
}
for_each_machine_route!(routes);

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_route_stands_once() {
        let mut seen = HashSet::new();
        for (method, path, _) in ROUTES {
            assert!(path.starts_with('/'), "{path}");
            assert!(
                seen.insert((method.as_str(), path)),
                "{} {path}",
                method.as_str()
            );
        }
    }

    /// How many braces a path has, and how many its type fills.
    fn braces<R: Route>(names: &R::Names) -> (usize, usize) {
        (R::PATH.matches('{').count(), names.names().len())
    }

    trait Sample {
        fn sample() -> Self;
    }

    impl Sample for () {
        fn sample() {}
    }

    impl Sample for Name {
        fn sample() -> Self {
            "a".into()
        }
    }

    impl Sample for NamePair {
        fn sample() -> Self {
            Self("a".into(), "1".into())
        }
    }

    #[test]
    fn the_names_of_a_route_fill_its_path_and_only_what_acts_has_a_body() {
        macro_rules! check {
            ($($route:ident $handler:ident: $method:ident $path:literal $(of $names:ident)? $(? $query:ident)? $([$takes:ident $request:ident])? => $answers:ident $(($answer:tt))?, $access:ident, $what:literal;)*) => {$(
                let (holes, names) = braces::<$route>(&Sample::sample());
                assert_eq!(holes, names, "{}", $path);
                let is_post = $route::METHOD == RouteMethod::Post;
                assert!(is_post || $route::BODY == RouteBody::None, "{}", $path);
                assert!($what.ends_with('.'), "{}", $what);
            )*};
        }
        for_each_machine_route!(check);
    }

    #[test]
    fn only_health_checks_need_no_token() {
        let open = ROUTES
            .iter()
            .filter(|(.., access)| access.scope().is_none());
        let open: Vec<_> = open.map(|(_, path, _)| *path).collect();
        assert_eq!(open, ["/ping", "/health"]);
    }
}
