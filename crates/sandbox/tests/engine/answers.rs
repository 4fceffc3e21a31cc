//! A sandbox whose first process is kept from answering, by what runs in it.

use sandbox::{Owner, SandboxError};
use wire::sandbox::{CreateRequest, ExecRequest};

use crate::{
    KERNEL_IMAGE, Site, create, docker, limits::HOLDS, line, settings, soon, until, wanted,
};

fn says_so<T: std::fmt::Debug>(result: Result<T, SandboxError>) {
    let error = result.expect_err("it can't be done");
    assert!(matches!(error, SandboxError::Session { .. }), "{error:?}");
}

#[tokio::test]
async fn nobody_waits_for_one_that_is_held_and_it_can_be_removed() {
    if !wanted() {
        return;
    }
    let site = Site::new("silent");
    let (sandboxes, _task) = site.start(settings()).await;
    let request = CreateRequest {
        image: Some(KERNEL_IMAGE.into()),
        ..CreateRequest::default()
    };
    let id = create(&sandboxes, request).await;
    let limited = ExecRequest {
        timeout_s: Some(1.0),
        ..line("sleep 600")
    };
    let limited = sandboxes.exec(&Owner::Person, &id, limited).await.unwrap();
    let code = wire::sandbox::CodeRequest {
        code: "import time; time.sleep(600)".into(),
        timeout_s: Some(1.0),
        ..Default::default()
    };
    let code = sandboxes.code(&Owner::Person, &id, code).await.unwrap();
    let holder = ExecRequest {
        background: true,
        ..line(HOLDS)
    };
    drop(sandboxes.exec(&Owner::Person, &id, holder).await.unwrap());
    let container = id.container();
    until("the loop waits and can't be killed", async || {
        let processes = docker(&["top", &container, "-eo", "pid,stat,args"]);
        processes
            .iter()
            .any(|line| line.contains(" D") && line.contains("sandbox-init"))
    })
    .await;
    let files = sandboxes.files(&Owner::Person, &id).await.unwrap();
    let (ended, ran, listed, later) = soon(async {
        tokio::join!(
            limited.answer(),
            code.wait(),
            files.list("/workspace", 1),
            sandboxes.exec(&Owner::Person, &id, line("true")),
        )
    })
    .await;
    // What had ended before the loop was held has its own end.
    if let Ok(answer) = ended {
        assert!(answer.timed_out);
    }
    assert_ne!(ran.status, wire::kernel::ExecStatus::Completed);
    says_so(listed);
    says_so(later.map(drop));
    let view = soon(sandboxes.get(&Owner::Person, &id)).await.unwrap();
    assert!(!view.responding, "{view:?}");
    soon(sandboxes.remove(&Owner::Person, &id)).await.unwrap();
    assert_eq!(site.containers(), [""; 0]);
    sandboxes.stop().await;
}
