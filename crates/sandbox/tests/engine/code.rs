//! Code with variables that stay, with the kernel of the sandboxes' own image.

use std::time::Duration;

use sandbox::{Owner, SandboxError};
use serde_json::json;
use wire::{
    kernel::ExecStatus,
    sandbox::{CodeAnswer, CodeContextRequest, CodeRequest, CreateRequest, SandboxId},
};

use crate::{KERNEL_IMAGE, Site, create, run, settings, soon, wanted};

async fn code(sandboxes: &sandbox::Sandboxes, id: &SandboxId, code: &str) -> CodeAnswer {
    let request = CodeRequest {
        code: code.into(),
        ..CodeRequest::default()
    };
    let begun = soon(sandboxes.code(&Owner::Person, id, request)).await;
    soon(begun.expect("it runs").wait()).await
}

#[tokio::test]
async fn who_goes_while_the_kernel_starts_takes_nothing_from_who_comes_next() {
    if !wanted() {
        return;
    }
    let site = Site::new("gone");
    let (sandboxes, _task) = site.start(settings()).await;
    // Nobody knows how long a kernel takes until it listens: the one who goes does so all the way.
    for pause_ms in (0..12).map(|number| 50 + 50 * number) {
        let request = CreateRequest {
            image: Some(KERNEL_IMAGE.into()),
            ..CreateRequest::default()
        };
        let id = create(&sandboxes, request).await;
        let asked = CodeRequest {
            code: "import time; time.sleep(600)".into(),
            ..CodeRequest::default()
        };
        let pause = Duration::from_millis(pause_ms);
        let began = sandboxes.code(&Owner::Person, &id, asked);
        drop(tokio::time::timeout(pause, began).await);
        let answer = code(&sandboxes, &id, "6 * 7").await;
        assert_eq!(
            answer.result.as_deref(),
            Some("42"),
            "{pause:?}: {answer:?}"
        );
        sandboxes.remove(&Owner::Person, &id).await.unwrap();
    }
    sandboxes.stop().await;
}

#[tokio::test]
async fn variables_stay_and_outputs_are_those_of_a_notebook() {
    if !wanted() {
        return;
    }
    let site = Site::new("code");
    let (sandboxes, task) = site.start(settings()).await;
    let request = CreateRequest {
        image: Some(KERNEL_IMAGE.into()),
        ..CreateRequest::default()
    };
    let id = create(&sandboxes, request).await;
    let answer = code(&sandboxes, &id, "x = 41\nprint('hello')\nx + 1").await;
    assert_eq!(answer.status, ExecStatus::Completed, "{answer:?}");
    assert_eq!(answer.result.as_deref(), Some("42"));
    let stream = json!({"output_type": "stream", "name": "stdout", "text": "hello\n"});
    assert_eq!(answer.outputs[0], stream);
    assert_eq!(answer.outputs[1]["output_type"], "execute_result");
    assert_eq!(
        code(&sandboxes, &id, "x").await.result.as_deref(),
        Some("41")
    );
    let failed = code(&sandboxes, &id, "1/0").await;
    assert_eq!(failed.status, ExecStatus::Failed);
    assert_eq!(failed.error.unwrap().kind, "ZeroDivisionError");
    // Variables of one run are gone after it.
    let request = CodeRequest {
        code: "import os; os.environ['A']".into(),
        env: [("A".to_owned(), "b ü \"'".to_owned())].into(),
        ..CodeRequest::default()
    };
    let run_with = sandboxes.code(&Owner::Person, &id, request).await.unwrap();
    assert_eq!(
        soon(run_with.wait()).await.result.as_deref(),
        Some("'b ü \"\\''")
    );
    let without = code(&sandboxes, &id, "'A' in os.environ").await;
    assert_eq!(without.result.as_deref(), Some("False"));
    // A context of its own has variables of its own.
    let other = sandboxes.create_context(&Owner::Person, &id, CodeContextRequest::default());
    let other = soon(other).await.unwrap();
    let request = CodeRequest {
        code: "x".into(),
        context: Some(other.id.clone()),
        ..CodeRequest::default()
    };
    let there = sandboxes.code(&Owner::Person, &id, request).await.unwrap();
    assert_eq!(soon(there.wait()).await.error.unwrap().kind, "NameError");
    assert_eq!(sandboxes.contexts(&Owner::Person, &id).unwrap().len(), 2);
    sandboxes
        .remove_context(&Owner::Person, &id, &other.id)
        .await
        .unwrap();
    soon(sandboxes.restart_context(&Owner::Person, &id, "default"))
        .await
        .unwrap();
    assert_eq!(
        code(&sandboxes, &id, "x").await.error.unwrap().kind,
        "NameError"
    );
    // Kernels are in no list of commands.
    assert!(sandboxes.execs(&Owner::Person, &id).unwrap().is_empty());
    let tools = "python3 --version && node --version && git --version && curl --version && gcc --version && id -un";
    let answer = run(&sandboxes, &id, tools).await;
    assert!(answer.stdout.ends_with("sandboxuser\n"), "{answer:?}");
    sandboxes.remove(&Owner::Person, &id).await.unwrap();
    sandboxes.stop().await;
    soon(task).await.unwrap();
}

#[tokio::test]
async fn code_that_takes_too_long_or_is_left_is_interrupted() {
    if !wanted() {
        return;
    }
    let site = Site::new("late");
    let (sandboxes, task) = site.start(settings()).await;
    let request = CreateRequest {
        image: Some(KERNEL_IMAGE.into()),
        ..CreateRequest::default()
    };
    let id = create(&sandboxes, request).await;
    let endless = |timeout_s| CodeRequest {
        code: "y = 1\nwhile True: pass".into(),
        timeout_s,
        ..CodeRequest::default()
    };
    let late = sandboxes
        .code(&Owner::Person, &id, endless(Some(1.0)))
        .await
        .unwrap();
    assert_eq!(soon(late.wait()).await.status, ExecStatus::Timeout);
    drop(
        sandboxes
            .code(&Owner::Person, &id, endless(None))
            .await
            .unwrap(),
    );
    assert_eq!(
        code(&sandboxes, &id, "y").await.result.as_deref(),
        Some("1")
    );
    let died = code(&sandboxes, &id, "import os; os.kill(os.getpid(), 9)").await;
    assert_eq!(died.status, ExecStatus::Died);
    assert_eq!(
        code(&sandboxes, &id, "2").await.result.as_deref(),
        Some("2")
    );
    sandboxes.remove(&Owner::Person, &id).await.unwrap();
    sandboxes.stop().await;
    soon(task).await.unwrap();
}

#[tokio::test]
async fn an_image_without_a_kernel_says_so() {
    if !wanted() {
        return;
    }
    let site = Site::new("nokernel");
    let (sandboxes, task) = site.start(settings()).await;
    let id = create(&sandboxes, CreateRequest::default()).await;
    let refused = sandboxes
        .code(&Owner::Person, &id, CodeRequest::default())
        .await;
    assert!(
        matches!(refused, Err(SandboxError::Kernel { .. })),
        "{refused:?}"
    );
    let request = CodeRequest {
        language: Some("r".into()),
        ..CodeRequest::default()
    };
    let refused = sandboxes.code(&Owner::Person, &id, request).await;
    assert!(matches!(refused, Err(SandboxError::NotSupported { .. })));
    sandboxes.remove(&Owner::Person, &id).await.unwrap();
    sandboxes.stop().await;
    soon(task).await.unwrap();
}
