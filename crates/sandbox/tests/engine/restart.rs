//! The container engine ends under sandboxes and begins again: by its own service, and by a crash. It is
//! one of the test's own.

use futures_util::{StreamExt, stream};
use nix::sys::signal::Signal;
use sandbox::Owner;
use wire::sandbox::{CreateRequest, SandboxState};

use crate::{Site, create, line, run, settings, soon, until, wanted, world::Power};

#[test]
fn what_ran_when_its_engine_ended_is_lost_and_said() {
    if wanted() {
        let site = Site::new("restarts");
        crate::world::in_a_world("restart::under_twenty", &site.instance);
    }
}

/// Not a test of its own: see `world`.
#[tokio::test]
async fn under_twenty() {
    let Some(mut power) = Power::on() else {
        return;
    };
    let site = Site::new("restart");
    let (sandboxes, task) = site.start(settings()).await;
    for (signal, count) in [(Signal::SIGTERM, 20), (Signal::SIGKILL, 2)] {
        let creates = (0..count).map(|_| create(&sandboxes, CreateRequest::default()));
        let creates = stream::iter(creates).buffered(4);
        let ids: Vec<_> = creates.collect().await;
        let mut execs = Vec::new();
        for id in &ids {
            let exec = sandboxes.exec(&Owner::Person, id, line("sleep 600"));
            execs.push(exec.await.unwrap());
        }
        power.end_engine(signal);
        // Without one, requests fail with words and none hangs.
        let request = CreateRequest::default();
        let refused = soon(sandboxes.create(&Owner::Person, request, None)).await;
        assert!(refused.is_err(), "{signal}");
        assert!(sandboxes.health().await.engine.is_some(), "{signal}");
        power.again();
        for (id, exec) in ids.iter().zip(execs) {
            let answer = soon(exec.wait()).await;
            // The engine asks first, or there is nobody to ask.
            assert!(
                matches!(answer.exit_code, Some(137 | 143)),
                "{signal}: {answer:?}"
            );
            until("it is lost", async || {
                let seen = sandboxes.get(&Owner::Person, id).await.unwrap();
                assert_ne!(seen.state, SandboxState::Ended, "{signal}");
                seen.state == SandboxState::Lost
            })
            .await;
            let seen = sandboxes.get(&Owner::Person, id).await.unwrap();
            let reason = seen.reason.unwrap();
            assert!(reason.contains("container engine"), "{signal}: {reason}");
        }
        until("no container is left", async || {
            site.containers().is_empty()
        })
        .await;
        // The same process goes on with the engine that is there now.
        assert_eq!(sandboxes.health().await.engine, None, "{signal}");
        let id = create(&sandboxes, CreateRequest::default()).await;
        assert_eq!(run(&sandboxes, &id, "echo on").await.stdout, "on\n");
        sandboxes.remove(&Owner::Person, &id).await.unwrap();
    }
    sandboxes.stop().await;
    soon(task).await.unwrap();
}
