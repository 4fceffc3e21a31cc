//! Git processes that take too long, or that nobody wants any longer.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use agents::git::{Git, GitError, Prepare};
use tokio_util::sync::CancellationToken;

use crate::world::World;

/// A git that never ends, with a child that doesn't either; it writes down who they are.
fn hanging(world: &World) -> (PathBuf, PathBuf) {
    let program = world.outside("hanging-git");
    let ids = world.outside("ids");
    let script = format!(
        "#!/bin/sh\nsleep 1000 &\necho $! $$ > '{0}.new'\nmv '{0}.new' '{0}'\nsleep 1000\n",
        ids.display()
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    (program, ids)
}

fn ids(path: &Path) -> Vec<i32> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace()
        .map(|id| id.parse().unwrap())
        .collect()
}

/// Waits until a process is no more; one that only waits to be reaped is none.
fn is_gone(id: i32) -> bool {
    let until = Instant::now() + Duration::from_secs(20);
    while Instant::now() < until {
        let state = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let state = state
            .rsplit_once(") ")
            .map(|(_, rest)| rest.starts_with('Z'));
        if state.unwrap_or(true) {
            return true;
        }
        std::thread::yield_now();
    }
    false
}

#[test]
fn one_that_hangs_is_killed_with_all_that_it_started() {
    let world = World::new();
    let (program, place) = hanging(&world);
    let git = Git::at(program).limited_to(Duration::from_secs(5));
    let work = world.work("one").with_git(git);
    let error = work
        .prepare(&world.workspace(), &Prepare::default())
        .unwrap_err();
    assert!(
        matches!(error, GitError::TimedOut { seconds: 5, .. }),
        "{error}"
    );
    let ids = ids(&place);
    assert_eq!(ids.len(), 2);
    for id in ids {
        assert!(is_gone(id), "{id} is still running");
    }
}

#[test]
fn one_that_nobody_wants_is_killed() {
    let world = World::new();
    let (program, place) = hanging(&world);
    let cancel = CancellationToken::new();
    let git = Git::at(program).cancelled_by(cancel.clone());
    let work = world.work("one").with_git(git);
    let workspace = world.workspace();
    std::thread::scope(|scope| {
        let preparing = scope.spawn(|| work.prepare(&workspace, &Prepare::default()));
        while ids(&place).is_empty() {
            std::thread::yield_now();
        }
        cancel.cancel();
        let error = preparing.join().unwrap().unwrap_err();
        assert!(matches!(error, GitError::Cancelled), "{error}");
    });
    for id in ids(&place) {
        assert!(is_gone(id), "{id} is still running");
    }
    // And none is started after that.
    fs::remove_file(&place).unwrap();
    let error = work.prepare(&workspace, &Prepare::default()).unwrap_err();
    assert!(matches!(error, GitError::Cancelled));
    assert!(!place.exists());
}

#[test]
fn a_git_that_is_missing_or_fails_is_said_with_its_reason() {
    let world = World::new();
    let missing = world.work("one").with_git(Git::at("/nonexistent/git"));
    let error = missing.prepare(&world.workspace(), &Prepare::default());
    assert!(matches!(error, Err(GitError::File { .. })));
    let program = world.outside("failing-git");
    fs::write(
        &program,
        "#!/bin/sh\necho 'fatal: out of luck' >&2\nexit 128\n",
    )
    .unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let failing = world.work("two").with_git(Git::at(program));
    let error = failing
        .prepare(&world.workspace(), &Prepare::default())
        .unwrap_err();
    let failure = wire::failure::Failure::from(error);
    assert_eq!(failure.cause.as_deref(), Some("fatal: out of luck"));
}
