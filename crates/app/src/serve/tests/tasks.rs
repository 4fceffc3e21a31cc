//! The routes of tasks, without a container engine.

use serde_json::{Value, json};

use super::Fixture;
use crate::ServeOptions;

/// A server that runs no tasks, so that they stay where a test put them.
async fn server() -> Fixture {
    Fixture::with(ServeOptions {
        runs_tasks: false,
        ..ServeOptions::default()
    })
    .await
}

impl Fixture {
    /// Status and JSON of a request with a token.
    async fn with_token(&self, token: &str, request: &str, body: Value) -> (u16, Value) {
        let bearer = format!("Bearer {token}");
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        let (status, text) = self
            .ask(request, &[("Authorization", &bearer)], &body)
            .await;
        (status, serde_json::from_str(&text).unwrap_or_default())
    }

    async fn own(&self, request: &str, body: Value) -> (u16, Value) {
        let token = self.token.clone();
        self.with_token(&token, request, body).await
    }
}

fn exec(command: &str) -> Value {
    json!({"kind": "exec", "payload": {"command": command}})
}

async fn added(server: &Fixture, body: Value) -> String {
    let (status, answer) = server.own("POST /tasks", body).await;
    assert_eq!(status, 201, "{answer}");
    answer["task_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_task_is_queued_listed_cancelled_and_retried() {
    let server = server().await;
    let id = added(&server, exec("sleep 1")).await;
    let other = added(
        &server,
        json!({"kind": "code", "payload": {"code": "1"}, "queue": "b"}),
    )
    .await;
    let (_, page) = server.own("GET /tasks?limit=1", Value::Null).await;
    assert_eq!(page["tasks"][0]["task_id"], json!(other));
    let after = page["next"].as_str().unwrap();
    let (_, page) = server
        .own(&format!("GET /tasks?limit=1&after={after}"), Value::Null)
        .await;
    assert_eq!(
        (&page["tasks"][0]["task_id"], &page["next"]),
        (&json!(id), &Value::Null)
    );
    let (_, page) = server
        .own("GET /tasks?queue=b&state=queued&kind=code", Value::Null)
        .await;
    assert_eq!(page["tasks"].as_array().unwrap().len(), 1);
    assert_eq!(
        server.own("GET /tasks?state=unwell", Value::Null).await.0,
        400
    );
    let (status, task) = server.own(&format!("GET /tasks/{id}"), Value::Null).await;
    assert_eq!((status, &task["state"]), (200, &json!("queued")));
    assert_eq!(task["payload"]["command"], "sleep 1");
    let cancel = format!("POST /tasks/{id}/cancel");
    assert_eq!(
        server.own(&cancel, Value::Null).await.1["state"],
        "cancelled"
    );
    let (status, task) = server
        .own(&format!("GET /tasks/{id}?wait_s=30"), Value::Null)
        .await;
    assert_eq!((status, &task["state"]), (200, &json!("cancelled")));
    let (_, log) = server
        .own(&format!("GET /tasks/{id}/log?wait_s=30"), Value::Null)
        .await;
    assert_eq!((&log["lines"], &log["more"]), (&json!([]), &json!(false)));
    let retry = format!("POST /tasks/{id}/retry");
    assert_eq!(server.own(&retry, Value::Null).await.1["state"], "queued");
    let (status, refused) = server.own(&retry, Value::Null).await;
    assert_eq!(
        (status, &refused["error"]["code"]),
        (409, &json!("task_state"))
    );
    // All that match; but a filter that was forgotten isn't all tasks.
    assert_eq!(server.own("POST /tasks/cancel", json!({})).await.0, 400);
    let (_, count) = server
        .own("POST /tasks/cancel", json!({"state": "queued"}))
        .await;
    assert_eq!(count["count"], 2);
    let (_, count) = server.own("POST /tasks/retry", json!({"queue": "b"})).await;
    assert_eq!(count["count"], 1);
    server.stop().await;
}

#[tokio::test]
async fn one_key_is_one_task_whether_the_header_or_the_body_has_it() {
    let server = server().await;
    let mut request = exec("true");
    request["idempotency_key"] = json!("k");
    let id = added(&server, request).await;
    let bearer = format!("Bearer {}", server.token);
    let headers = [("Authorization", bearer.as_str()), ("Idempotency-Key", "k")];
    let body = exec("other").to_string();
    let (status, text) = server.ask("POST /tasks", &headers, &body).await;
    assert!(status == 201 && text.contains(&id), "{status} {text}");
    server.stop().await;
}

#[tokio::test]
async fn what_cannot_run_is_refused_with_words() {
    let server = server().await;
    let code = async |body: Value| {
        let (status, answer) = server.own("POST /tasks", body).await;
        (
            status,
            answer["error"]["message"].as_str().unwrap().to_owned(),
        )
    };
    for kind in ["agent", "image_build", "backup", "evolve"] {
        let (status, words) = code(json!({"kind": kind})).await;
        assert!(status == 501 && words.contains(kind), "{status} {words}");
    }
    let (status, words) = code(json!({"kind": "exec", "payload": {}})).await;
    assert!(status == 400 && words.contains("command"), "{words}");
    let mut request = exec("true");
    request["files"] = json!(["/etc/passwd"]);
    let (status, words) = code(request).await;
    assert!(status == 400 && words.contains("tasks.folders"), "{words}");
    assert_eq!(code(json!({"kind": "dance"})).await.0, 400);
    assert_eq!(server.own("GET /tasks/nowhere", Value::Null).await.0, 404);
    assert_eq!(
        server
            .own("GET /tasks/01JDZ0000000000000000000AB", Value::Null)
            .await
            .0,
        404
    );
    server.stop().await;
}

#[tokio::test]
async fn a_token_sees_and_changes_its_own_tasks_alone() {
    let server = server().await;
    let (a, b) = (
        server.made("exec", None).await,
        server.made("exec", None).await,
    );
    let (_, created) = server.with_token(&a, "POST /tasks", exec("true")).await;
    let id = created["task_id"].as_str().unwrap().to_owned();
    for request in [
        format!("GET /tasks/{id}"),
        format!("GET /tasks/{id}/log"),
        format!("POST /tasks/{id}/cancel"),
        format!("POST /tasks/{id}/retry"),
    ] {
        assert_eq!(
            server.with_token(&b, &request, Value::Null).await.0,
            404,
            "{request}"
        );
    }
    let (_, page) = server.with_token(&b, "GET /tasks", Value::Null).await;
    assert_eq!(page["tasks"], json!([]));
    let filter = json!({"state": "queued"});
    let (_, count) = server
        .with_token(&b, "POST /tasks/cancel", filter.clone())
        .await;
    assert_eq!(count["count"], 0);
    let (_, page) = server.own("GET /tasks", Value::Null).await;
    assert_eq!(page["tasks"][0]["owner"], "t0");
    let (_, count) = server.with_token(&a, "POST /tasks/cancel", filter).await;
    assert_eq!(count["count"], 1);
    server.stop().await;
}

#[tokio::test]
async fn queues_are_paused_resumed_and_purged() {
    let server = server().await;
    added(&server, exec("true")).await;
    assert_eq!(
        server
            .own("POST /queues/default/pause", Value::Null)
            .await
            .0,
        200
    );
    let (_, queues) = server.own("GET /queues", Value::Null).await;
    let queue = &queues["queues"][0];
    assert_eq!(
        (&queue["queued"], &queue["paused"]),
        (&json!(1), &json!(true))
    );
    assert_eq!(
        server
            .own("POST /queues/default/resume", Value::Null)
            .await
            .0,
        200
    );
    let (_, purged) = server.own("POST /queues/default/purge", Value::Null).await;
    assert_eq!(purged["count"], 1);
    assert_eq!(
        server
            .own("POST /queues/nowhere/purge", Value::Null)
            .await
            .0,
        404
    );
    let bearer = format!("Bearer {}", server.token);
    let (_, metrics) = server
        .ask("GET /metrics", &[("Authorization", &bearer)], "")
        .await;
    assert!(
        metrics.contains("vivarium_tasks{queue=\"default\",state=\"queued\"} 0\n"),
        "{metrics}"
    );
    server.stop().await;
}

#[tokio::test]
async fn a_schedule_is_created_run_changed_and_removed() {
    let server = server().await;
    let request = json!({
        "cron": "0 9 * * 1-5", "time_zone": "Europe/Berlin", "missed": "skip", "task": exec("true"),
    });
    let (status, made) = server.own("POST /schedules", request.clone()).await;
    assert_eq!(status, 201, "{made}");
    assert!(made["next_at_ms"].is_u64(), "{made}");
    let id = made["schedule_id"].as_str().unwrap();
    let (status, task) = server
        .own(&format!("POST /schedules/{id}/run"), Value::Null)
        .await;
    assert!(status == 201 && task["task_id"].is_string(), "{task}");
    let mut paused = request.clone();
    paused["paused"] = json!(true);
    let (_, changed) = server.own(&format!("PUT /schedules/{id}"), paused).await;
    assert_eq!(
        (&changed["next_at_ms"], &changed["missed"]),
        (&Value::Null, &json!("skip"))
    );
    let stranger = server.made("exec", None).await;
    let (_, seen) = server
        .with_token(&stranger, "GET /schedules", Value::Null)
        .await;
    assert_eq!(seen["schedules"], json!([]));
    let path = format!("DELETE /schedules/{id}");
    assert_eq!(
        server.with_token(&stranger, &path, Value::Null).await.0,
        404
    );
    for (field, value) in [
        ("cron", json!("often")),
        ("time_zone", json!("Moon/Base")),
        ("task", json!({"kind": "backup"})),
        (
            "task",
            json!({"kind": "exec", "payload": {"command": "true"}, "run_at": 1}),
        ),
    ] {
        let mut wrong = request.clone();
        wrong[field] = value;
        let (status, refused) = server.own("POST /schedules", wrong).await;
        assert!([400, 501].contains(&status), "{field}: {status} {refused}");
    }
    assert_eq!(server.own(&path, Value::Null).await.0, 200);
    assert_eq!(server.own(&path, Value::Null).await.0, 404);
    server.stop().await;
}

#[tokio::test]
async fn a_worker_without_an_engine_tries_again_later_and_says_why() {
    let server = Fixture::new(false).await;
    let id = added(&server, exec("true")).await;
    let mut task = Value::Null;
    for _ in 0..600 {
        task = server.own(&format!("GET /tasks/{id}"), Value::Null).await.1;
        if task["state"] == "retrying" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(task["state"], "retrying", "{task}");
    assert!(task["error"].as_str().unwrap().contains("engine"), "{task}");
    let (_, workers) = server.own("GET /workers", Value::Null).await;
    let worker = workers["workers"][0]["worker"].as_str().unwrap();
    let change = format!("PUT /workers/{worker}");
    assert_eq!(server.own(&change, json!({"concurrency": 9})).await.0, 200);
    assert_eq!(
        server.own(&change, json!({"concurrency": 9999})).await.0,
        400
    );
    let drain = format!("POST /workers/{worker}/drain");
    assert_eq!(server.own(&drain, Value::Null).await.0, 200);
    server.stop().await;
}

#[tokio::test]
async fn a_store_that_cannot_be_read_costs_the_tasks_and_nothing_else() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("data/tasks");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(
        folder.join("tasks.db"),
        "this is no database, but long enough to be read as one",
    )
    .unwrap();
    let server = Fixture::at(home, ServeOptions::default()).await;
    let (status, refused) = server.own("POST /tasks", exec("true")).await;
    assert_eq!(status, 503, "{refused}");
    assert_eq!(server.own("GET /sessions", Value::Null).await.0, 200);
    let (status, health) = server.own("GET /health", Value::Null).await;
    assert_eq!((status, &health["store"]), (503, &json!("failed")));
    server.stop().await;
}
