use super::*;
use crate::AppOptions;
use serde_json::json;

async fn app() -> (App, tempfile::TempDir) {
    let home = tempfile::tempdir().unwrap();
    let options = AppOptions {
        home: Some(home.path().into()),
        ..Default::default()
    };
    (App::start(options).await.unwrap(), home)
}

#[tokio::test]
async fn answers_a_command_and_stops() {
    let (app, home) = app().await;
    let info = app.rpc(None, "app_info", Value::Null).await.unwrap();
    assert_eq!(info["version"], wire::VERSION);
    assert_eq!(info["config_dir"], json!(home.path().join("config")));
    assert_ne!(app.bridge_port(), 0);
    let mut events = app.subscribe(0);
    app.stop().await;
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn unknown_commands_and_requests_are_told() {
    let (app, _home) = app().await;
    let code = |answer: Result<Value, Failure>| answer.unwrap_err().code;
    assert_eq!(
        code(app.rpc(None, "fly", Value::Null).await),
        FailureCode::NotFound
    );
    let answer = app.rpc(None, "machine_logs", json!({"tail": "many"})).await;
    assert_eq!(code(answer), FailureCode::Invalid);
    let answer = app.rpc(None, "run_cancel", json!({"run_id": "x"})).await;
    assert_eq!(code(answer), FailureCode::NotFound);
    app.stop().await;
}
