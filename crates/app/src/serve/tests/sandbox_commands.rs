//! The window's commands about sandboxes, without a container engine: where they are carried out, and
//! who may call them.

use serde_json::{Value, json};
use wire::advice::Advice;

use super::*;

/// Another process of the same user: it has no server of its own.
async fn window(server: &Fixture) -> App {
    let of_window = AppOptions {
        home: Some(server.home.path().into()),
        engine: Some("unix:///nonexistent/docker.sock".into()),
        ..Default::default()
    };
    App::start(of_window).await.unwrap()
}

async fn list(app: &App) -> Result<Value, Failure> {
    app.rpc(None, "sandbox_list", json!({})).await
}

fn is_off(answer: &Result<Value, Failure>) -> bool {
    matches!(answer, Err(failure) if failure.code == FailureCode::NotRunning
        && failure.next.as_deref() == Some(&Advice::ServeSandboxes))
}

#[tokio::test]
async fn they_are_carried_out_where_the_server_is() {
    let server = Fixture::new(false).await;
    let here = list(&server.app).await.unwrap();
    assert_eq!(here["address"], format!("http://127.0.0.1:{}", server.api));
    assert_eq!(here["defaults"]["image"], "aios-sandbox");
    assert_eq!(
        (&here["needs_token"], &here["sandboxes"]),
        (&json!(true), &json!([]))
    );
    // Another process of this user has its own commands carried out there, and gets its refusals.
    let window = window(&server).await;
    assert_eq!(list(&window).await.unwrap(), here);
    let pool = |app: App| async move { app.rpc(None, "sandbox_pool", json!({})).await };
    assert_eq!(pool(window.clone()).await.unwrap()["hits"], 0);
    let nowhere = json!({"sandbox_id": "nowhere", "path": "/tmp"});
    for app in [&server.app, &window] {
        let refused = app.rpc(None, "sandbox_files", nowhere.clone()).await;
        assert_eq!(refused.unwrap_err().code, FailureCode::NotFound);
        // One that is gone is no error.
        let gone = json!({"sandbox_id": "nowhere"});
        app.rpc(None, "sandbox_destroy", gone).await.unwrap();
        // Sandboxes are served: nothing is served twice.
        app.rpc(None, "sandbox_serve", json!({})).await.unwrap();
        assert_eq!(list(app).await.unwrap(), here);
    }
    window.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn without_a_server_they_say_how_to_get_one() {
    let server = Fixture::new(false).await;
    let window = window(&server).await;
    let file = server.app.data_dir().join("serve.json");
    let announced = std::fs::read(&file).unwrap();
    // What listens there now isn't what announced itself.
    let mut other: Value = serde_json::from_slice(&announced).unwrap();
    other["token"] = json!("another");
    std::fs::write(&file, other.to_string()).unwrap();
    assert!(is_off(&list(&window).await));
    std::fs::remove_file(&file).unwrap();
    assert!(is_off(&list(&window).await));
    // The file of a server that was killed: nobody listens there.
    let home = server.stop_and_keep().await;
    std::fs::write(&file, &announced).unwrap();
    assert!(is_off(&list(&window).await));
    window.stop().await;
    drop(home);
}

#[tokio::test]
async fn what_a_machine_turned_on_is_shown_and_can_be_served_to_others() {
    let server = Fixture::new(false).await;
    let home = server.stop_and_keep().await;
    let of_window = AppOptions {
        home: Some(home.path().into()),
        template: home.path().join("template"),
        engine: Some("unix:///nonexistent/docker.sock".into()),
        ..Default::default()
    };
    let window = App::start(of_window).await.unwrap();
    assert!(is_off(&list(&window).await));
    // As a machine's first call does.
    let slot = window.inner.shared.sandboxes.clone();
    slot.start(true).await.unwrap();
    let here = list(&window).await.unwrap();
    assert_eq!(
        (&here["address"], &here["sandboxes"]),
        (&Value::Null, &json!([]))
    );
    window.serve_sandboxes(0).await.unwrap();
    let here = list(&window).await.unwrap();
    let address = here["address"].as_str().unwrap();
    assert!(address.starts_with("http://127.0.0.1:"), "{address}");
    window.stop().await;
}

#[tokio::test]
async fn turning_them_on_is_remembered() {
    let server = Fixture::new(false).await;
    assert!(!server.app.settings().settings.serve_sandboxes);
    server
        .app
        .rpc(None, "sandbox_serve", json!({}))
        .await
        .unwrap();
    assert!(server.app.settings().settings.serve_sandboxes);
    let settings = server.app.config_dir().join("settings.toml");
    let text = std::fs::read_to_string(settings).unwrap();
    assert!(text.contains("serve_sandboxes = true"), "{text}");
    // What is written there is for the window, and is no mistake among the sandboxes' own settings.
    let window = window(&server).await;
    assert!(window.settings().settings.serve_sandboxes);
    window.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn they_are_for_those_who_may_do_everything() {
    let server = Fixture::new(false).await;
    for scope in ["read", "exec"] {
        let token = server.made(scope, None).await;
        for (command, _) in wire::command_scopes::COMMAND_SCOPES {
            // Those about one machine are of another kind.
            if command.starts_with("sandbox_") && !command.starts_with("sandbox_access_") {
                let status = server.status(&token, &format!("POST /rpc/{command}")).await;
                assert_eq!(status, 403, "{scope} {command}");
            }
        }
    }
    let admin = server.made("admin", None).await;
    assert_eq!(server.status(&admin, "POST /rpc/sandbox_list").await, 200);
    server.stop().await;
}
