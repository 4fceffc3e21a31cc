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
            "Whether the main kernel takes cells.",
            machine::ping,
        )
        .answers::<PingAnswer>(),
        operation(
            get.clone(),
            "/health",
            "The same, by the name that other services use.",
            machine::ping,
        )
        .answers::<PingAnswer>(),
        operation(
            get.clone(),
            "/status",
            "What a kernel does.",
            machine::status,
        )
        .query("kernel", "string")
        .answers::<StatusAnswer>(),
        operation(get.clone(), "/openapi.json", "This document.", openapi)
            .answers_text("application/json"),
        operation(
            get.clone(),
            "/metrics",
            "Numbers for Prometheus.",
            metrics::metrics,
        )
        .answers_text("text/plain"),
        operation(
            get.clone(),
            "/events",
            "What changes: services, kernels, snapshots, who has the desktop.",
            machine::events,
        )
        .events(),
        operation(
            get.clone(),
            "/services",
            "What the supervisor runs.",
            machine::services,
        )
        .answers::<ServiceList>(),
        operation(
            post.clone(),
            "/services/{name}/restart",
            "Ends a service and starts it again.",
            machine::restart,
        )
        .answers::<Completed>(),
        operation(
            get.clone(),
            "/services/{name}/logs",
            "What a service wrote.",
            machine::logs,
        )
        .query("after", "integer")
        .query("follow", "boolean")
        .answers::<LogPage>()
        .streams(),
        operation(
            get.clone(),
            "/takeover",
            "Whether the person has the desktop's mouse and keyboard.",
            machine::takeover,
        )
        .answers::<Takeover>(),
        operation(
            post.clone(),
            "/takeover",
            "Takes them, or gives them back.",
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
            "Cells that wait, run, or are recently over.",
            cells::list,
        )
        .query("kernel", "string")
        .query("brief", "boolean")
        .answers::<CellListAnswer>(),
        operation(get.clone(), "/executions/{id}", "One cell.", cells::one).answers::<CellShown>(),
        operation(
            delete.clone(),
            "/executions/{id}",
            "Takes a cell out of the queue, or interrupts it.",
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
            "Interrupts the cell that runs.",
            kernels::interrupt,
        )
        .may_take::<KernelChoice>()
        .query("kernel", "string")
        .answers::<Completed>(),
        operation(
            post.clone(),
            "/reset",
            "Clears the namespace, in its turn.",
            kernels::reset,
        )
        .may_take::<KernelChoice>()
        .query("kernel", "string")
        .answers::<Completed>(),
        operation(
            post.clone(),
            "/restart",
            "Gives a kernel a new process.",
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
            "Documentation of what is at a cursor.",
            kernels::inspect,
        )
        .takes::<CursorRequest>()
        .query("kernel", "string")
        .answers::<InspectAnswer>(),
        operation(
            get.clone(),
            "/variables",
            "The namespace.",
            kernels::variables,
        )
        .query("kernel", "string")
        .answers::<VariablesAnswer>(),
        operation(
            get.clone(),
            "/comms",
            "The comms of a kernel that are open.",
            comms::list,
        )
        .query("kernel", "string")
        .answers::<CommList>(),
        operation(
            post.clone(),
            "/comms",
            "Opens a comm in a kernel, in its turn.",
            comms::open,
        )
        .takes::<CommOpen>()
        .query("kernel", "string")
        .answers::<ExecAnswer>()
        .streams(),
        operation(
            post.clone(),
            "/comms/{id}",
            "Sends a comm a message, in its turn.",
            comms::say,
        )
        .may_take::<CommRequest>()
        .query("kernel", "string")
        .answers::<ExecAnswer>()
        .streams(),
        operation(
            delete.clone(),
            "/comms/{id}",
            "Closes a comm, in its turn.",
            comms::close,
        )
        .query("kernel", "string")
        .answers::<ExecAnswer>()
        .streams(),
        operation(get.clone(), "/kernels", "The kernels.", kernels::list).answers::<KernelList>(),
        operation(post.clone(), "/kernels", "Starts one more.", kernels::start)
            .takes::<NewKernel>()
            .answers::<KernelShown>(),
        operation(delete.clone(), "/kernels/{name}", "Ends one.", kernels::end)
            .answers::<Completed>(),
        operation(post.clone(), "/shell", "Runs a command.", commands::run)
            .takes::<ShellRequest>()
            .answers::<ShellAnswer>()
            .streams(),
        operation(
            post.clone(),
            "/shell/cd",
            "Changes the folder of commands.",
            commands::cd,
        )
        .takes::<CdRequest>()
        .answers::<CdAnswer>(),
        operation(
            post.clone(),
            "/shell/env",
            "Sets a variable of commands.",
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
            "Stores a kernel's namespace.",
            cryo::store,
        )
        .may_take::<CryoRequest>()
        .query("kernel", "string")
        .answers::<CryoStored>(),
        operation(
            post.clone(),
            "/cryo/reload",
            "Brings a stored namespace back.",
            cryo::reload,
        )
        .may_take::<CryoRequest>()
        .query("kernel", "string")
        .answers::<CryoReloaded>(),
        operation(get.clone(), "/cryo", "The snapshots.", cryo::list).answers::<SnapshotList>(),
        operation(
            get.clone(),
            "/cryo/{name}",
            "What is inside a snapshot.",
            cryo::one,
        )
        .answers::<Snapshot>(),
        operation(delete, "/cryo/{name}", "Removes a snapshot.", cryo::remove)
            .answers::<Completed>(),
        operation(
            post.clone(),
            "/evolve",
            "Asks for a new machine, built from the repo.",
            evolve::wish,
        )
        .may_take::<EvolveWish>()
        .answers::<EvolveStarted>(),
        operation(
            post.clone(),
            "/evolve/cancel",
            "Takes a run back that nobody carries out yet.",
            evolve::cancel,
        )
        .answers::<Completed>(),
        operation(
            get.clone(),
            "/evolve/status",
            "Whether a run is asked for or goes on, and the newest one.",
            evolve::status,
        )
        .answers::<EvolveMachineStatus>(),
        operation(get.clone(), "/evolve/runs", "The runs.", evolve::runs)
            .answers::<EvolveRunList>(),
        operation(
            get.clone(),
            "/evolve/runs/{id}/log",
            "A run's log.",
            evolve::log,
        )
        .query("after", "integer")
        .answers::<EvolveLog>(),
        operation(
            post.clone(),
            "/evolve/claim",
            "An executor is here, and takes a run.",
            evolve::claim,
        )
        .takes::<EvolveClaim>()
        .answers::<Completed>(),
        operation(
            post.clone(),
            "/evolve/runs/{id}/report",
            "An executor tells where a run stands.",
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
            "Brings a frozen process back.",
            machine::no_criu,
        )
        .answers::<Completed>(),
        operation(
            post,
            "/evolve/queue",
            "Closes the queue of cells for a while, or opens it.",
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
