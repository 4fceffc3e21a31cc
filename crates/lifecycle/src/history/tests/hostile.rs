//! Everything by which git could be made to run a command, or to read or write elsewhere.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

use super::*;

/// What each trap runs: it leaves a trace outside the repo.
fn trap(repo: &Repo, name: &str) -> String {
    let program = repo.outside(&format!("{name}.sh"));
    let trace = repo.outside("traces").join(name);
    fs::create_dir_all(trace.parent().unwrap()).unwrap();
    let script = format!("#!/bin/sh\necho ran > {}\ncat\n", trace.display());
    fs::write(&program, script).unwrap();
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    program.display().to_string()
}

/// Uses a history in all ways.
fn use_it(repo: &Repo) {
    let first = repo.commit("1");
    repo.write("a", "changed\n");
    let history = repo.history();
    let tree = history.look().unwrap();
    history.diff(Some(&first), &tree).unwrap();
    let second = repo.commit("2");
    let out = tempfile::tempdir().unwrap();
    history.export(&second, out.path(), |_| true).unwrap();
    history
        .restore(&first, &second, "vivarium/run-2", "x")
        .unwrap();
    assert_eq!(repo.read("a"), "one\n");
    history.keep(&[], &[]).unwrap();
}

#[test]
fn no_setting_of_the_repo_runs_anything() {
    let repo = Repo::new();
    repo.git(&["init", "-q"]);
    repo.git(&["add", "-A"]);
    repo.git(&["commit", "-q", "-m", "x"]);
    let set = |name: &str, value: &str| repo.git(&["config", name, value]);
    set("filter.trap.clean", &trap(&repo, "clean"));
    set("filter.trap.smudge", &trap(&repo, "smudge"));
    set("filter.trap.process", &trap(&repo, "process"));
    set("filter.trap.required", "true");
    set("diff.trap.textconv", &trap(&repo, "textconv"));
    set("diff.trap.command", &trap(&repo, "command"));
    set("diff.external", &trap(&repo, "external"));
    set("merge.trap.driver", &trap(&repo, "driver"));
    set("core.fsmonitor", &trap(&repo, "fsmonitor"));
    let hooks = repo.outside("hooks");
    fs::create_dir(&hooks).unwrap();
    for hook in [
        "reference-transaction",
        "post-checkout",
        "post-index-change",
        "pre-commit",
    ] {
        fs::copy(trap(&repo, hook), hooks.join(hook)).unwrap();
    }
    set("core.hooksPath", hooks.to_str().unwrap());
    let included = repo.outside("included");
    let command = trap(&repo, "included");
    fs::write(&included, format!("[core]\n\tfsmonitor = {command}\n")).unwrap();
    set("include.path", included.to_str().unwrap());
    let attributes = "* filter=trap diff=trap merge=trap\n";
    repo.write(".gitattributes", attributes);
    // In a folder above, where git looks too if it is told of another work tree.
    fs::write(repo.outside(".gitattributes"), attributes).unwrap();
    fs::write(repo.path().join(".git/info/attributes"), attributes).unwrap();
    use_it(&repo);
    let traces = contents(&repo.outside("traces"));
    assert!(traces.is_empty(), "{traces:?}");
    // The traps work: git itself runs into them.
    let _ = Command::new("git")
        .args(["-c", "safe.directory=*", "status"])
        .current_dir(repo.path())
        .output();
    assert!(!contents(&repo.outside("traces")).is_empty());
}

#[test]
fn nested_repositories_and_submodules_run_nothing_and_are_plain_files() {
    let repo = Repo::new();
    repo.git(&["init", "-q"]);
    let nested = repo.path().join("nested");
    repo.write("nested/file", "x\n");
    git_in(&nested, &["init", "-q"]);
    git_in(&nested, &["add", "-A"]);
    git_in(&nested, &["commit", "-q", "-m", "x"]);
    git_in(
        &nested,
        &["config", "core.fsmonitor", &trap(&repo, "nested")],
    );
    let other = repo.outside("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("of-module"), "x\n").unwrap();
    git_in(&other, &["init", "-q"]);
    git_in(&other, &["add", "-A"]);
    git_in(&other, &["commit", "-q", "-m", "x"]);
    repo.git(&[
        "submodule",
        "--quiet",
        "add",
        other.to_str().unwrap(),
        "module",
    ]);
    git_in(
        &repo.path().join("module"),
        &["config", "core.fsmonitor", &trap(&repo, "module")],
    );
    let _ = fs::remove_dir_all(repo.outside("traces"));
    let before = contents(&other);
    fs::create_dir_all(repo.outside("traces")).unwrap();
    assert_eq!(
        repo.stored(),
        [".gitmodules", "a", "b", "module/of-module", "nested/file"]
    );
    use_it(&repo);
    assert!(contents(&repo.outside("traces")).is_empty());
    assert_eq!(contents(&other), before);
    assert!(nested.join(".git/config").is_file());
}

#[test]
fn another_repository_is_neither_written_nor_read() {
    let repo = Repo::new();
    let other = repo.outside("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("secret"), "secret\n").unwrap();
    git_in(&other, &["init", "-q"]);
    git_in(&other, &["add", "-A"]);
    git_in(&other, &["commit", "-q", "-m", "x"]);
    let before = contents(&other);
    let place = repo.path().join(".git");
    std::os::unix::fs::symlink(other.join(".git"), &place).unwrap();
    use_it(&repo);
    fs::remove_file(&place).unwrap();
    fs::write(
        &place,
        format!("gitdir: {}\n", other.join(".git").display()),
    )
    .unwrap();
    use_it(&repo);
    assert_eq!(contents(&other), before);
    assert_eq!(repo.stored(), ["a", "b"]);
    for (path, _) in contents(&repo.outside("history.git/objects")) {
        let name = path.display().to_string();
        // `echo secret | git hash-object --stdin`
        assert!(
            !name.ends_with("d9/7c5eada5d8c52079031eef0107a4430a9617c5"),
            "{name}"
        );
    }
}

#[test]
fn links_are_stored_as_links_and_never_followed() {
    let repo = Repo::new();
    let outside = repo.outside("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("file"), "outside\n").unwrap();
    let link = |name: &str, to: &Path| {
        std::os::unix::fs::symlink(to, repo.path().join(name)).unwrap();
    };
    link("folder", &outside);
    link("file", &outside.join("file"));
    link("broken", Path::new("/nonexistent"));
    link("itself", Path::new("itself"));
    assert_eq!(
        repo.stored(),
        ["a", "b", "broken", "file", "folder", "itself"]
    );
    let linked = repo.commit("1");
    // A generation that has a folder and a file in the place of the links.
    fs::remove_file(repo.path().join("folder")).unwrap();
    fs::remove_file(repo.path().join("file")).unwrap();
    repo.write("folder/file", "inside\n");
    repo.write("folder/new", "inside\n");
    repo.write("file", "inside\n");
    let plain = repo.commit("2");
    let history = repo.history();
    history
        .restore(&linked, &plain, "vivarium/run-3", "x")
        .unwrap();
    assert_eq!(fs::read_link(repo.path().join("folder")).unwrap(), outside);
    history
        .restore(&plain, &linked, "vivarium/run-4", "x")
        .unwrap();
    assert_eq!(repo.read("folder/file"), "inside\n");
    assert_eq!(
        fs::read_to_string(outside.join("file")).unwrap(),
        "outside\n"
    );
    assert_eq!(contents(&outside).len(), 1);
}

#[test]
fn a_link_in_the_place_of_a_folder_is_not_written_through() {
    let repo = Repo::new();
    repo.write("folder/file", "inside\n");
    let with = repo.commit("1");
    fs::remove_dir_all(repo.path().join("folder")).unwrap();
    let without = repo.commit("2");
    let outside = repo.outside("outside");
    fs::create_dir(&outside).unwrap();
    // Ignored, so that no generation has it.
    repo.write(".gitignore", "folder\n");
    std::os::unix::fs::symlink(&outside, repo.path().join("folder")).unwrap();
    let restored = repo
        .history()
        .restore(&with, &without, "vivarium/run-3", "x")
        .unwrap();
    assert_eq!(restored.kept.len(), 1);
    assert!(contents(&outside).is_empty());
}

#[test]
fn pipes_sockets_and_devices_hold_nothing_up() {
    let repo = Repo::new();
    let pipe = repo.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    fs::remove_file(repo.path().join("b")).unwrap();
    nix::unistd::mkfifo(
        &repo.path().join(".gitignore"),
        nix::sys::stat::Mode::S_IRWXU,
    )
    .unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(repo.path().join("socket")).unwrap();
    if nix::unistd::geteuid().is_root() {
        // Reading from it never ends.
        let zero = nix::sys::stat::makedev(1, 5);
        let kind = nix::sys::stat::SFlag::S_IFCHR;
        let mode = nix::sys::stat::Mode::S_IRWXU;
        let _ = nix::sys::stat::mknod(&repo.path().join("zero"), kind, mode, zero);
    }
    assert_eq!(repo.stored(), ["a"]);
}

#[test]
fn names_are_told_as_they_are_and_hide_no_other_file() {
    let repo = Repo::new();
    let first = repo.commit("1");
    repo.write("body/Dockerfile", "FROM x\n");
    repo.write("z b/body/Dockerfile", "harmless\n");
    repo.write("new\nline", "x\n");
    repo.write("quote\"tab\t", "x\n");
    repo.write("turned\u{202e}", "x\n");
    fs::write(repo.path().join(OsStr::from_bytes(b"bytes\xff")), "x\n").unwrap();
    let history = repo.history();
    let diff = history
        .diff(Some(&first), &history.look().unwrap())
        .unwrap();
    let paths: Vec<&str> = diff.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "body/Dockerfile",
            "bytes\\xff",
            "new\nline",
            "quote\"tab\t",
            "turned\u{202e}",
            "z b/body/Dockerfile",
        ]
    );
    assert_eq!(diff.files[0].patch, "@@ -0,0 +1 @@\n+FROM x\n");
    assert!(
        diff.files
            .iter()
            .all(|file| file.added == Some(1) && !file.patch.is_empty())
    );
    let heads = diff
        .patch
        .lines()
        .filter(|line| line.starts_with("diff --git "));
    assert_eq!(heads.count(), 6);
    let out = tempfile::tempdir().unwrap();
    let commit = repo.commit("2");
    history.export(&commit, out.path(), |_| true).unwrap();
    assert!(out.path().join("z b/body/Dockerfile").is_file());
    assert!(out.path().join(OsStr::from_bytes(b"bytes\xff")).is_file());
    git_in(&repo.outside("history.git"), &["fsck"]);
}
