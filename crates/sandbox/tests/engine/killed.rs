//! A process that is killed at any step of a sandbox's life leaves nothing that its successor doesn't
//! have, and loses nothing without a word.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use sandbox::Owner;
use wire::sandbox::{CreateRequest, SandboxState};

use crate::{
    Site,
    between::{Between, Moment},
    create, line, run, settings, soon, until, wanted,
};

/// Tells the test, as a process of its own, where to work.
const FOLDER: &str = "VIVARIUM_TEST_KILLED_FOLDER";
const INSTANCE: &str = "VIVARIUM_TEST_KILLED_INSTANCE";
/// Each word between the process and the engine, or the sandbox, with none, half or all of it said.
const MOMENTS: [Moment; 13] = [
    Moment::Asked("POST", &["/containers/create", "sandbox-session"]),
    Moment::Answered("POST", &["/containers/create", "sandbox-session"]),
    Moment::Asked("POST", &["/attach"]),
    Moment::Answered("POST", &["/attach"]),
    Moment::Asked("POST", &["/start"]),
    Moment::Answered("POST", &["/start"]),
    Moment::Said(1),
    Moment::Sent { halves: 0 },
    Moment::Sent { halves: 1 },
    Moment::Sent { halves: 2 },
    Moment::Said(2),
    Moment::Asked("DELETE", &["/containers/sandbox-session"]),
    Moment::Answered("DELETE", &["/containers/sandbox-session"]),
];
/// What the process says before each step, and after the last.
const STEPS: [&str; 5] = ["create", "exec", "started", "remove", "removed"];

/// Not a test of its own: the process that is killed.
#[tokio::test]
async fn life_of_the_one_that_is_killed() {
    let (Ok(folder), Ok(instance)) = (std::env::var(FOLDER), std::env::var(INSTANCE)) else {
        return;
    };
    let options = sandbox::Options {
        data_dir: folder.into(),
        instance: Some(instance),
        ..Site::new("killed").options(settings())
    };
    let (sandboxes, _task) = sandbox::Sandboxes::start(options).await.expect("started");
    println!("\nstep create");
    let id = create(&sandboxes, CreateRequest::default()).await;
    println!("\nstep exec");
    let exec = sandboxes
        .exec(&Owner::Person, &id, line("echo $$; sleep 600"))
        .await;
    let exec = exec.expect("it runs");
    println!("\nstep started");
    assert!(exec.pid() > 0);
    println!("\nstep remove");
    sandboxes
        .remove(&Owner::Person, &id)
        .await
        .expect("removed");
    println!("\nstep removed");
    std::future::pending::<()>().await;
}

struct Life {
    child: Child,
    said: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Life {
    fn begin(site: &Site, engine: Option<&str>) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("a path"));
        command
            .args([
                "--exact",
                "killed::life_of_the_one_that_is_killed",
                "--nocapture",
            ])
            .env(FOLDER, site.folder.path())
            .env(INSTANCE, &site.instance)
            .envs(engine.map(|engine| ("DOCKER_HOST", engine)))
            .stdout(Stdio::piped());
        let mut child = command.spawn().expect("it runs");
        let said = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        Self { child, said }
    }

    /// Reads until it comes to a step.
    fn reaches(&mut self, step: &str) {
        let wanted = format!("step {step}");
        let found = self.said.by_ref().any(|line| line.expect("text") == wanted);
        assert!(found, "it ended before {step}");
    }

    fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("ended");
    }
}

/// The successor has all that there is, and all of it works.
async fn takes_over(site: &Site, when: &str) {
    let (sandboxes, task) = site.start(settings()).await;
    until("each container is somebody's", async || {
        let views = sandboxes.list(&Owner::Person);
        let running = |name: &String| {
            views.iter().any(|view| {
                view.state == SandboxState::Running && *name == view.sandbox_id.container()
            })
        };
        site.containers().iter().all(running)
            && views
                .iter()
                .filter(|view| view.state == SandboxState::Running)
                .all(|view| site.containers().contains(&view.sandbox_id.container()))
    })
    .await;
    for view in sandboxes.list(&Owner::Person) {
        if view.state == SandboxState::Running {
            let answer = run(&sandboxes, &view.sandbox_id, "echo on").await;
            assert_eq!(answer.stdout, "on\n", "killed {when}");
            let removed = sandboxes.remove(&Owner::Person, &view.sandbox_id).await;
            removed.expect("removed");
        }
    }
    sandboxes.stop().await;
    soon(task).await.expect("stopped");
    let left = site.containers();
    assert!(left.is_empty(), "killed {when}: {left:?}");
}

#[tokio::test]
async fn at_no_step_is_anything_left_or_lost() {
    if !wanted() {
        return;
    }
    let site = Site::new("killed");
    for step in STEPS {
        let mut life = Life::begin(&site, None);
        life.reaches(step);
        life.kill();
        takes_over(&site, &format!("at {step}")).await;
    }
}

#[tokio::test]
async fn nor_while_the_engine_is_at_work() {
    if !wanted() {
        return;
    }
    let site = Site::new("killedat");
    for moment in MOMENTS {
        let between = Between::start(site.folder.path(), moment);
        let life = Life::begin(&site, Some(&between.address()));
        between.waits();
        life.kill();
        drop(between);
        takes_over(&site, &format!("at {moment:?}")).await;
    }
}
