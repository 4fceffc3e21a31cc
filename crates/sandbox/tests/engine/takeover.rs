//! Processes that are killed, and two at one engine. A process of its own is a runtime here, which is
//! dropped with all that it does: nothing of what would be done at an orderly end is done.

use std::{future::Future, time::Duration};

use futures_util::StreamExt;
use sandbox::{Owner, Sandboxes, Settings};
use tokio::runtime::Runtime;
use wire::sandbox::{CreateRequest, ExecRequest, SandboxState};

use crate::{Site, create, docker, line, run, settings, soon, until, wanted, with_pool};

/// A process that can be killed.
struct Process {
    runtime: Runtime,
    sandboxes: Sandboxes,
}

impl Process {
    fn start(site: &Site, settings: Settings) -> Self {
        let runtime = Runtime::new().unwrap();
        let (sandboxes, _task) = runtime.block_on(site.start(settings));
        Self { runtime, sandboxes }
    }

    fn does<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(soon(work))
    }

    fn kill(self) {
        drop(self.sandboxes);
        // Its locks go with its tasks.
        self.runtime.shutdown_timeout(Duration::from_secs(20));
    }

    fn stop(self) {
        self.does(self.sandboxes.stop());
        self.kill();
    }
}

#[test]
fn the_next_process_goes_on_with_what_a_killed_one_had() {
    if !wanted() {
        return;
    }
    let site = Site::new("killed");
    let first = Process::start(&site, with_pool(1));
    let (id, exec) = first.does(async {
        let sandboxes = &first.sandboxes;
        until("the pool is full", async || {
            sandboxes.pool().shapes[0].ready == 1
        })
        .await;
        let id = create(sandboxes, CreateRequest::default()).await;
        let request = ExecRequest {
            background: true,
            ..line("echo started; read a; echo got $a; exit 9")
        };
        let exec = sandboxes.exec(&Owner::Person, &id, request).await.unwrap();
        assert!(exec.events(0).next().await.is_some());
        until("the pool is full again", async || {
            sandboxes.pool().shapes[0].ready == 1
        })
        .await;
        (id, exec.id())
    });
    assert_eq!(site.containers().len(), 2);
    first.kill();
    let second = Process::start(&site, settings());
    second.does(async {
        let sandboxes = &second.sandboxes;
        // What belonged to nobody is gone; what was handed out goes on.
        until("only the sandbox is left", async || {
            site.containers() == [id.container()]
        })
        .await;
        assert_eq!(run(sandboxes, &id, "echo again").await.stdout, "again\n");
        let found = sandboxes.exec_of(&Owner::Person, &id, &exec).unwrap();
        found.write_stdin("you\n".into()).await.unwrap();
        let answer = found.wait().await;
        assert_eq!(answer.exit_code, Some(9));
        assert!(answer.stdout.ends_with("got you\n"), "{}", answer.stdout);
        sandboxes.remove(&Owner::Person, &id).await.unwrap();
    });
    second.stop();
    assert!(site.containers().is_empty());
}

#[test]
fn what_went_while_nobody_was_there_is_lost_and_said() {
    if !wanted() {
        return;
    }
    let site = Site::new("gone");
    let first = Process::start(&site, settings());
    let (removed, paused) = first.does(async {
        let removed = create(&first.sandboxes, CreateRequest::default()).await;
        let paused = create(&first.sandboxes, CreateRequest::default()).await;
        first
            .sandboxes
            .pause(&Owner::Person, &paused)
            .await
            .unwrap();
        (removed, paused)
    });
    first.kill();
    docker(&["rm", "-f", &removed.container()]);
    let second = Process::start(&site, settings());
    second.does(async {
        let sandboxes = &second.sandboxes;
        until("one is lost, the other paused", async || {
            let state = async |id| sandboxes.get(&Owner::Person, id).await.unwrap().state;
            state(&removed).await == SandboxState::Lost
                && state(&paused).await == SandboxState::Paused
        })
        .await;
        assert!(sandboxes.resume(&Owner::Person, &paused).await.unwrap());
        assert_eq!(run(sandboxes, &paused, "echo on").await.stdout, "on\n");
        sandboxes.remove(&Owner::Person, &paused).await.unwrap();
    });
    second.stop();
    assert!(site.containers().is_empty());
}

#[test]
fn two_at_one_engine_leave_each_others_alone() {
    if !wanted() {
        return;
    }
    let site = Site::new("two");
    let first = Process::start(&site, with_pool(1));
    let second = Process::start(&site, with_pool(1));
    let one = first.does(create(&first.sandboxes, CreateRequest::default()));
    let other = second.does(create(&second.sandboxes, CreateRequest::default()));
    for (process, own, theirs) in [(&first, &one, &other), (&second, &other, &one)] {
        process.does(async {
            let sandboxes = &process.sandboxes;
            let seen = sandboxes.list(&Owner::Person);
            assert_eq!(seen.len(), 1);
            assert_eq!(seen[0].sandbox_id, *own);
            until("the pool is full", async || {
                sandboxes.pool().shapes[0].ready == 1
            })
            .await;
            assert!(sandboxes.get(&Owner::Person, theirs).await.is_err());
        });
    }
    // A third takes over what the first had, and nothing of the second's.
    first.kill();
    let third = Process::start(&site, settings());
    third.does(async {
        assert_eq!(
            run(&third.sandboxes, &one, "echo here").await.stdout,
            "here\n"
        );
        until("the first one's pool is gone", async || {
            site.containers().len() == 3
        })
        .await;
    });
    second.does(async {
        assert_eq!(
            run(&second.sandboxes, &other, "echo here").await.stdout,
            "here\n"
        );
        assert_eq!(second.sandboxes.pool().shapes[0].ready, 1);
        second
            .sandboxes
            .remove(&Owner::Person, &other)
            .await
            .unwrap();
    });
    third.does(async {
        third.sandboxes.remove(&Owner::Person, &one).await.unwrap();
    });
    second.stop();
    third.stop();
    assert!(site.containers().is_empty());
}

#[test]
fn a_process_that_ends_while_it_takes_over_ends() {
    if !wanted() {
        return;
    }
    let site = Site::new("ends");
    let first = Process::start(&site, settings());
    let id = first.does(create(&first.sandboxes, CreateRequest::default()));
    first.kill();
    // Nobody knows how long it takes until the sandbox is spoken to again: all the way.
    for pause_ms in 0..25 {
        let next = Process::start(&site, settings());
        next.does(async { tokio::time::sleep(Duration::from_millis(pause_ms)).await });
        next.stop();
    }
    let last = Process::start(&site, settings());
    let removed = last.does(last.sandboxes.remove(&Owner::Person, &id));
    assert!(removed.unwrap());
    last.stop();
}
