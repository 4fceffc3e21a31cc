//! What a machine's changes are compared with, and what the host writes into its repo, without an
//! engine.

use std::{fs, os::unix::fs::symlink};

use wire::evolve::GenerationState;

use super::*;
use crate::{evolve::generations::Record, machine::MachineOptions};

/// A machine of a template of two files, or of a folder of its owner's.
struct Home {
    folder: tempfile::TempDir,
    own_repo: bool,
}

impl Home {
    fn new(own_repo: bool) -> Self {
        let home = Self {
            folder: tempfile::tempdir().unwrap(),
            own_repo,
        };
        home.write("template/body/Dockerfile", "FROM x\n");
        home.write("template/body/build-ca/given.crt", "of this computer\n");
        home.write("clone/body/Dockerfile", "FROM clone\n");
        home
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn machine(&self) -> Machine {
        let options = MachineOptions {
            home: Some(self.path("home")),
            template: self.path("template"),
            repo: (!self.own_repo).then(|| self.path("clone")),
            ..Default::default()
        };
        Machine::load(&options).unwrap()
    }

    async fn changed(&self) -> Vec<String> {
        let diff = self.machine().preview().await.unwrap();
        diff.files.into_iter().map(|file| file.path).collect()
    }

    /// A generation whose commit an older Vivarium kept in `/repo/.git`.
    fn with_an_old_generation(&self) {
        let machine = self.machine();
        let record = |number| Record {
            number,
            image: format!("os:gen-{number}"),
            image_id: String::new(),
            created_at: 0,
            size_bytes: 0,
            state: GenerationState::Good,
            kept: false,
            name: None,
            note: None,
            asked_by: Default::default(),
            run_id: None,
            commit: Some("4b825dc642cb6eb9a060e54bf8d69288fbee4904".into()),
            snapshots: Vec::new(),
        };
        let all = Generations {
            current: Some(2),
            records: vec![record(1), record(2)],
            saved: Vec::new(),
        };
        machine.write_generations(&all).unwrap();
    }
}

#[tokio::test]
async fn a_new_machines_changes_are_those_since_its_template() {
    let home = Home::new(true);
    assert_eq!(home.changed().await, [""; 0]);
    let repo = home.machine().repo_dir();
    fs::write(repo.join("body/Dockerfile"), "FROM y\n").unwrap();
    // Whatever the inside does to its own git folder.
    let _ = fs::remove_dir_all(repo.join(".git"));
    assert_eq!(home.changed().await, ["body/Dockerfile"]);
    home.write("template/body/Dockerfile", "FROM newer\n");
    let diff = home.machine().preview().await.unwrap();
    assert!(diff.patch.contains("-FROM x\n+FROM y"), "{}", diff.patch);
}

#[tokio::test]
async fn a_machine_of_an_older_version_is_compared_with_the_template() {
    let home = Home::new(true);
    let repo = home.machine().repo_dir();
    fs::create_dir_all(repo.join("body")).unwrap();
    fs::write(repo.join("body/Dockerfile"), "FROM inside\n").unwrap();
    home.write("other/HEAD", "ref: refs/heads/main\n");
    symlink(home.path("other"), repo.join(".git")).unwrap();
    home.with_an_old_generation();
    let diff = home.machine().preview().await.unwrap();
    assert!(
        diff.patch.contains("-FROM x\n+FROM inside"),
        "{}",
        diff.patch
    );
    assert_eq!((diff.from_generation, diff.files.len()), (None, 1));
    let unknown = home.machine().generation_diff(2).await.unwrap_err();
    let failure = wire::failure::Failure::from(unknown);
    assert_eq!(failure.code, wire::failure::FailureCode::NotFound);
    assert_eq!(fs::read_dir(home.path("other")).unwrap().count(), 1);
}

#[tokio::test]
async fn a_clone_is_compared_with_what_it_was_when_the_machine_got_it() {
    let home = Home::new(false);
    home.write("clone/.git/HEAD", "ref: refs/heads/main\n");
    // Before that, nobody knows what it should be: all is shown.
    assert_eq!(home.changed().await, ["body/Dockerfile"]);
    home.machine().note_origin().unwrap();
    assert_eq!(home.changed().await, [""; 0]);
    home.write("clone/new", "x\n");
    home.machine().note_origin().unwrap();
    assert_eq!(home.changed().await, ["new"]);
    assert_eq!(fs::read_dir(home.path("clone/.git")).unwrap().count(), 1);
}

#[tokio::test]
async fn a_clone_of_an_older_version_is_shown_as_a_whole() {
    let home = Home::new(false);
    home.with_an_old_generation();
    home.machine().note_origin().unwrap();
    assert_eq!(home.changed().await, ["body/Dockerfile"]);
}

#[test]
fn certificates_are_not_written_through_a_link() {
    let home = Home::new(true);
    let machine = home.machine();
    machine.ensure_repo().unwrap();
    let place = machine.repo_dir().join("body/build-ca");
    let outside = home.path("outside");
    fs::write(&outside, "mine\n").unwrap();
    fs::create_dir_all(&place).unwrap();
    let given = place.join("given.crt");
    symlink(&outside, &given).unwrap();
    machine.give_certificates().unwrap();
    assert_eq!(fs::read_to_string(&outside).unwrap(), "mine\n");
    assert!(!given.symlink_metadata().unwrap().is_symlink());
    fs::remove_dir_all(&place).unwrap();
    fs::create_dir(home.path("elsewhere")).unwrap();
    symlink(home.path("elsewhere"), &place).unwrap();
    machine.give_certificates().unwrap();
    assert_eq!(fs::read_dir(home.path("elsewhere")).unwrap().count(), 0);
}
