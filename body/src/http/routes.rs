//! Every route of the machine's API.

use axum::{Json, http::Method};
use serde_json::Value;
use wire::{
    body::{
        CdAnswer, CdRequest, CellListAnswer, CellRemoved, CellShown, CommList, CommOpen,
        CommRequest, CompleteAnswer, Completed, CriuStatus, CryoReloaded, CryoRequest, CryoStored,
        CursorRequest, EnvRequest, InputRequest, InspectAnswer, KernelChoice, KernelList,
        KernelShown, LogPage, NewKernel, PingAnswer, ServiceList, Snapshot, SnapshotList,
        StatusAnswer, Takeover, TakeoverRequest, VariablesAnswer,
    },
    evolve::{
        EvolveClaim, EvolveLog, EvolveMachineStatus, EvolveQueue, EvolveReport, EvolveRunList,
        EvolveStarted, EvolveWish,
    },
    kernel::{ExecAnswer, ExecRequest, ShellAnswer, ShellRequest},
};

use super::{
    api::{Operation, document, operation},
    cells, commands, comms, cryo, evolve, kernels, machine, metrics, terminal,
};

/// All of them.
pub fn operations() -> Vec<Operation> {
    let get = Method::GET;
    let post = Method::POST;
    let delete = Method::DELETE;
    vec![
        operation(
            get.clone(),
            "/ping",
            "Health check: whether the main kernel accepts cells.",
            machine::ping,
        )
        .answers::<PingAnswer>(),
        operation(
            get.clone(),
            "/health",
            "The same health check under another path.",
            machine::ping,
        )
        .answers::<PingAnswer>(),
        operation(
            get.clone(),
            "/status",
            "The state of a kernel.",
            machine::status,
        )
        .query("kernel", "string")
        .answers::<StatusAnswer>(),
        operation(get.clone(), "/openapi.json", "This document.", openapi)
            .answers_text("application/json"),
        operation(
            get.clone(),
            "/metrics",
            "Metrics for Prometheus.",
            metrics::metrics,
        )
        .answers_text("text/plain"),
        operation(
            get.clone(),
            "/events",
            "Events about services, kernels, snapshots and the desktop.",
            machine::events,
        )
        .events(),
        operation(
            get.clone(),
            "/services",
            "Lists the services of the supervisor.",
            machine::services,
        )
        .answers::<ServiceList>(),
        operation(
            post.clone(),
            "/services/{name}/restart",
            "Restarts a service.",
            machine::restart,
        )
        .answers::<Completed>(),
        operation(
            get.clone(),
            "/services/{name}/logs",
            "The log of a service.",
            machine::logs,
        )
        .query("after", "integer")
        .query("follow", "boolean")
        .answers::<LogPage>()
        .streams(),
        operation(
            get.clone(),
            "/takeover",
            "Whether the person has taken control of the desktop.",
            machine::takeover,
        )
        .answers::<Takeover>(),
        operation(
            post.clone(),
            "/takeover",
            "Takes or releases control of the desktop.",
            machine::take_over,
        )
        .takes::<TakeoverRequest>()
        .answers::<Takeover>(),
        operation(post.clone(), "/exec", "Runs a cell.", cells::exec)
            .takes::<ExecRequest>()
            .query("kernel", "string")
            .answers::<ExecAnswer>()
            .streams(),
        operation(
            get.clone(),
            "/executions",
            "Lists queued, running and recent cells.",
            cells::list,
        )
        .query("kernel", "string")
        .query("brief", "boolean")
        .answers::<CellListAnswer>(),
        operation(
            get.clone(),
            "/executions/{id}",
            "The state of a cell.",
            cells::one,
        )
        .answers::<CellShown>(),
        operation(
            delete.clone(),
            "/executions/{id}",
            "Cancels a queued cell or interrupts a running one.",
            cells::remove,
        )
        .answers::<CellRemoved>(),
        operation(
            get.clone(),
            "/executions/{id}/events",
            "A cell's events, replayed and then live.",
            cells::events,
        )
        .query("after", "integer")
        .events(),
        operation(
            post.clone(),
            "/executions/{id}/input",
            "Answers a cell's input().",
            cells::input,
        )
        .takes::<InputRequest>()
        .answers::<Completed>(),
        operation(
            post.clone(),
            "/interrupt",
            "Interrupts the running cell.",
            kernels::interrupt,
        )
        .may_take::<KernelChoice>()
        .query("kernel", "string")
        .answers::<Completed>(),
        operation(
            post.clone(),
            "/reset",
            "Clears all variables after the queued cells.",
            kernels::reset,
        )
        .may_take::<KernelChoice>()
        .query("kernel", "string")
        .answers::<Completed>(),
        operation(
            post.clone(),
            "/restart",
            "Restarts a kernel's process.",
            kernels::restart,
        )
        .may_take::<KernelChoice>()
        .query("kernel", "string")
        .answers::<Completed>(),
        operation(
            post.clone(),
            "/complete",
            "Completions at a cursor.",
            kernels::complete,
        )
        .takes::<CursorRequest>()
        .query("kernel", "string")
        .answers::<CompleteAnswer>(),
        operation(
            post.clone(),
            "/inspect",
            "Documentation for the name at a cursor.",
            kernels::inspect,
        )
        .takes::<CursorRequest>()
        .query("kernel", "string")
        .answers::<InspectAnswer>(),
        operation(
            get.clone(),
            "/variables",
            "Lists the variables of a kernel.",
            kernels::variables,
        )
        .query("kernel", "string")
        .answers::<VariablesAnswer>(),
        operation(
            get.clone(),
            "/comms",
            "Lists the open comms of a kernel.",
            comms::list,
        )
        .query("kernel", "string")
        .answers::<CommList>(),
        operation(
            post.clone(),
            "/comms",
            "Opens a comm in a kernel after the queued cells.",
            comms::open,
        )
        .takes::<CommOpen>()
        .query("kernel", "string")
        .answers::<ExecAnswer>()
        .streams(),
        operation(
            post.clone(),
            "/comms/{id}",
            "Sends a message to a comm after the queued cells.",
            comms::say,
        )
        .may_take::<CommRequest>()
        .query("kernel", "string")
        .answers::<ExecAnswer>()
        .streams(),
        operation(
            delete.clone(),
            "/comms/{id}",
            "Closes a comm after the queued cells.",
            comms::close,
        )
        .query("kernel", "string")
        .answers::<ExecAnswer>()
        .streams(),
        operation(get.clone(), "/kernels", "Lists the kernels.", kernels::list)
            .answers::<KernelList>(),
        operation(post.clone(), "/kernels", "Starts a kernel.", kernels::start)
            .takes::<NewKernel>()
            .answers::<KernelShown>(),
        operation(
            delete.clone(),
            "/kernels/{name}",
            "Stops a kernel.",
            kernels::end,
        )
        .answers::<Completed>(),
        operation(post.clone(), "/shell", "Runs a command.", commands::run)
            .takes::<ShellRequest>()
            .answers::<ShellAnswer>()
            .streams(),
        operation(
            post.clone(),
            "/shell/cd",
            "Changes the working directory of commands.",
            commands::cd,
        )
        .takes::<CdRequest>()
        .answers::<CdAnswer>(),
        operation(
            post.clone(),
            "/shell/env",
            "Sets an environment variable for commands.",
            commands::env,
        )
        .takes::<EnvRequest>()
        .answers::<Completed>(),
        operation(
            get.clone(),
            "/terminal",
            "A terminal, as a WebSocket.",
            terminal::open,
        )
        .query("name", "string")
        .query("cols", "integer")
        .query("rows", "integer")
        .upgrades(),
        operation(
            post.clone(),
            "/cryo/store",
            "Saves a kernel's variables to a snapshot.",
            cryo::store,
        )
        .may_take::<CryoRequest>()
        .query("kernel", "string")
        .answers::<CryoStored>(),
        operation(
            post.clone(),
            "/cryo/reload",
            "Restores a kernel's variables from a snapshot.",
            cryo::reload,
        )
        .may_take::<CryoRequest>()
        .query("kernel", "string")
        .answers::<CryoReloaded>(),
        operation(get.clone(), "/cryo", "Lists the snapshots.", cryo::list)
            .answers::<SnapshotList>(),
        operation(
            get.clone(),
            "/cryo/{name}",
            "Lists the contents of a snapshot.",
            cryo::one,
        )
        .answers::<Snapshot>(),
        operation(delete, "/cryo/{name}", "Deletes a snapshot.", cryo::remove)
            .answers::<Completed>(),
        operation(
            post.clone(),
            "/evolve",
            "Requests an evolve: a new machine built from the repo.",
            evolve::wish,
        )
        .may_take::<EvolveWish>()
        .answers::<EvolveStarted>(),
        operation(
            post.clone(),
            "/evolve/cancel",
            "Withdraws a requested run that has not started.",
            evolve::cancel,
        )
        .answers::<Completed>(),
        operation(
            get.clone(),
            "/evolve/status",
            "The latest run and whether an executor is present.",
            evolve::status,
        )
        .answers::<EvolveMachineStatus>(),
        operation(get.clone(), "/evolve/runs", "Lists the runs.", evolve::runs)
            .answers::<EvolveRunList>(),
        operation(
            get.clone(),
            "/evolve/runs/{id}/log",
            "The log of a run.",
            evolve::log,
        )
        .query("after", "integer")
        .answers::<EvolveLog>(),
        operation(
            post.clone(),
            "/evolve/claim",
            "Registers an executor and claims a run.",
            evolve::claim,
        )
        .takes::<EvolveClaim>()
        .answers::<Completed>(),
        operation(
            post.clone(),
            "/evolve/runs/{id}/report",
            "Reports the progress of a run.",
            evolve::report,
        )
        .takes::<EvolveReport>()
        .answers::<Completed>(),
        operation(
            post.clone(),
            "/criu/checkpoint",
            "Freezes a kernel's process to the disk.",
            machine::no_criu,
        )
        .answers::<Completed>(),
        operation(
            post.clone(),
            "/criu/restore",
            "Restores a frozen process.",
            machine::no_criu,
        )
        .answers::<Completed>(),
        operation(
            post,
            "/evolve/queue",
            "Closes the queue of cells temporarily, or opens it.",
            evolve::queue,
        )
        .takes::<EvolveQueue>()
        .answers::<Completed>(),
        operation(
            get,
            "/criu/status",
            "Whether a kernel's process can be frozen.",
            machine::criu,
        )
        .answers::<CriuStatus>(),
    ]
}

async fn openapi() -> Json<Value> {
    Json(document(&operations()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_names_every_route_and_every_schema_that_it_refers_to() {
        let document = document(&operations());
        let text = document.to_string();
        assert_eq!(
            document["paths"]["/executions/{id}"]["get"]["parameters"][0]["name"],
            "id"
        );
        assert_eq!(
            document["paths"]["/ping"]["get"]["security"],
            serde_json::json!([])
        );
        let mut referred = 0;
        for part in text.split("\"#/components/schemas/").skip(1) {
            let name = part.split('"').next().unwrap();
            assert!(
                document["components"]["schemas"][name].is_object(),
                "{name}"
            );
            referred += 1;
        }
        assert!(referred > 60, "{referred}");
    }
}
