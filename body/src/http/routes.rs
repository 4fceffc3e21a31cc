//! The handler of every route of the machine's API. The routes themselves are the list in
//! [`wire::routes`]: one without a handler of its name here does not compile.

use axum::Json;
use serde_json::Value;

use super::api::{Operation, document, operation};

/// The handlers, by their names in the list.
mod handlers {
    pub(super) use super::openapi as get_openapi;
    pub(super) use crate::http::{
        cells::{
            events as follow_cell, exec as run_cell, input as answer_input, list as list_cells,
            one as show_cell, remove as end_cell,
        },
        commands::{cd as change_folder, env as set_variable, run as run_command},
        comms::{close as close_comm, list as list_comms, open as open_comm, say as send_to_comm},
        cryo::{
            list as list_snapshots, one as show_snapshot, reload as reload_namespace,
            remove as remove_snapshot, store as store_namespace,
        },
        evolve::{
            cancel as cancel_evolve, claim as claim_evolve, log as read_evolve_log,
            queue as close_queue, report as report_evolve, runs as list_evolve_runs,
            status as get_evolve_status, wish as start_evolve,
        },
        jobs::{cancel as end_job, list as list_jobs, log as read_job_log},
        kernels::{
            complete, end as end_kernel, inspect, interrupt as interrupt_kernel,
            list as list_kernels, reset as reset_kernel, restart as restart_kernel,
            start as start_kernel, variables as list_variables,
        },
        machine::{
            criu as get_criu_status, events as follow_changes, logs as read_service_log,
            no_criu as freeze_process, no_criu as thaw_process, ping, ping as health,
            restart as restart_service, services as list_services, status as get_status,
            take_over as set_takeover, takeover as get_takeover,
        },
        metrics::metrics as get_metrics,
        outputs::one as get_output,
        sandboxes::{
            answer as answer_sandbox_call, keep as keep_sandbox_call, list as list_sandbox_calls,
            put as put_sandbox_call, take as take_sandbox_call,
        },
        terminal::open as open_terminal,
    };
}

macro_rules! operations {
    ($($route:ident $handler:ident: $method:ident $path:literal $(of $names:ident)? $(? $query:ident)? $([$takes:ident $request:ident])? => $answers:ident $(($answer:tt))?, $access:ident, $what:literal;)*) => {
        /// All of them.
        pub fn operations() -> Vec<Operation> {
            vec![$(operation::<wire::routes::$route, _, _>(handlers::$handler),)*]
        }
    };
}
wire::for_each_machine_route!(operations);

async fn openapi() -> Json<Value> {
    Json(document(&operations()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_document_names_every_route_and_every_schema_that_it_refers_to() {
        let document = document(&operations());
        let text = document.to_string();
        for (method, path, _) in wire::routes::ROUTES {
            let method = method.as_str().to_lowercase();
            assert!(
                document["paths"][path][&method].is_object(),
                "{method} {path}"
            );
        }
        assert_eq!(
            document["paths"]["/executions/{id}"]["get"]["parameters"][0]["name"],
            "id"
        );
        assert_eq!(document["paths"]["/ping"]["get"]["security"], json!([]));
        assert!(document["paths"]["/status"]["get"]["security"].is_null());
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

    #[test]
    fn queries_bodies_and_answers_are_described_as_the_list_has_them() {
        let paths = &document(&operations())["paths"];
        let log = &paths["/services/{name}/logs"]["get"];
        let parameter = |name: &str| {
            let all = log["parameters"].as_array().unwrap().iter();
            all.clone().find(|one| one["name"] == name).unwrap().clone()
        };
        let after = json!({"type": "integer", "minimum": 0});
        assert_eq!(parameter("name")["in"], "path");
        assert_eq!(parameter("after")["schema"], after);
        assert_eq!(parameter("follow")["schema"], json!({"type": "boolean"}));
        let content = &log["responses"]["200"]["content"];
        assert!(content["application/json"].is_object());
        assert!(content["text/event-stream"].is_object());
        // One that may be null may be left out.
        let exec = &paths["/exec"]["post"];
        let kernel = &exec["parameters"][0];
        assert_eq!(kernel["schema"], json!({"type": "string"}));
        assert_eq!(exec["requestBody"]["required"], true);
        assert_eq!(paths["/reset"]["post"]["requestBody"]["required"], false);
        let restart = &paths["/services/{name}/restart"]["post"];
        assert!(restart["requestBody"].is_null());
        let events = &paths["/events"]["get"]["responses"]["200"]["content"];
        assert_eq!(events, &json!({"text/event-stream": {"schema": {}}}));
        assert!(paths["/terminal"]["get"]["responses"]["101"].is_object());
    }
}
