//! A person's repository that tools of strangers have written to: nothing of it runs, and nothing
//! outside it is read or written.

use std::{fs, os::unix::fs::symlink, path::Path};

use agents::git::{
    DiffLimits, GitError, MergeOutcome, MergeRequest, MergeStyle, MissingBranch, Part, Prepare,
    RefName, Repository, Signature,
};

use crate::world::{Inside, World, contents, git_in, receive, traces, trap};

fn start_of(world: &World) -> agents::git::ObjectId {
    let repository = Repository::open(&world.workspace()).unwrap().unwrap();
    repository.head().unwrap().0
}

/// Does with a repository all that can be done.
fn use_it(world: &World, id: &str) {
    let work = world.work(id);
    let wanted = Prepare {
        uncommitted: true,
        untracked: true,
        ..Prepare::default()
    };
    let prepared = work.prepare(&world.workspace(), &wanted).unwrap();
    // What is inside is the agent's own business, and runs into no trap of the person's.
    let inside = Inside::clone_of(world.outside(&format!("inside-{id}")), &prepared);
    inside.write("b", &format!("changed by {id}\n"));
    let tip = inside.commit("work");
    receive(&work, &inside.bundle()).unwrap();
    let start = work.tips().unwrap().start.unwrap();
    let diff = work.diff(start, tip, &DiffLimits::default()).unwrap();
    assert_eq!(diff.files.len(), 1);
    work.diff_file(start, tip, &diff.files[0], &DiffLimits::of_one_file())
        .unwrap();
    work.patch(start, tip, 1 << 20, &mut Vec::new()).unwrap();
    let request = |into: &str, style| MergeRequest {
        part: Part::Commits,
        reviewed: tip,
        into: RefName::branch(into).unwrap(),
        missing: MissingBranch::Create,
        style,
        author: Signature::default(),
        message: "merge".into(),
    };
    let side = format!("side-{id}");
    // No git of the person's, which may run into a trap by what is done here.
    let head = format!("{}\n", start_of(world));
    fs::write(world.repo().join(".git/refs/heads").join(&side), head).unwrap();
    let new = format!("new-{id}");
    for (into, style) in [(&new, MergeStyle::FastForward), (&side, MergeStyle::Commit)] {
        let merged = work.merge(&request(into, style)).unwrap();
        let MergeOutcome::Merged(merged) = merged else {
            panic!("{merged:?}");
        };
        work.undo(&merged, &Signature::default()).unwrap();
    }
    let repository = work.repository().unwrap();
    repository
        .checked_out(&RefName::branch("main").unwrap())
        .unwrap();
    work.discard().unwrap();
}

#[test]
fn nothing_of_a_repository_runs() {
    let world = World::new();
    world.write(".gitattributes", "* filter=trap diff=trap merge=trap\n");
    world.commit("third");
    let set = |name: &str, value: &str| world.git(&["config", name, value]);
    set("filter.trap.clean", &trap(&world, "clean"));
    set("filter.trap.smudge", &trap(&world, "smudge"));
    set("filter.trap.process", &trap(&world, "process"));
    set("diff.trap.textconv", &trap(&world, "textconv"));
    set("diff.trap.command", &trap(&world, "command"));
    set("diff.external", &trap(&world, "external"));
    set("merge.trap.driver", &trap(&world, "driver"));
    set("core.pager", &trap(&world, "pager"));
    set("core.editor", &trap(&world, "editor"));
    set("core.sshCommand", &trap(&world, "ssh"));
    set("core.askPass", &trap(&world, "askpass"));
    set("core.alternateRefsCommand", &trap(&world, "alternate-refs"));
    set("credential.helper", &trap(&world, "credential"));
    set("gpg.program", &trap(&world, "gpg"));
    set("commit.gpgSign", "true");
    set("uploadpack.packObjectsHook", &trap(&world, "pack-objects"));
    set("protocol.ext.allow", "always");
    set("protocol.allow", "always");
    let outside = format!("ext::{}", trap(&world, "ext"));
    set(&format!("url.{outside}.insteadOf"), "file://");
    set("remote.origin.url", &outside);
    set("remote.origin.promisor", "true");
    set("extensions.partialClone", "origin");
    for verb in [
        "fetch",
        "index-pack",
        "diff-tree",
        "merge-tree",
        "bundle",
        "ls-tree",
    ] {
        set(
            &format!("alias.{verb}"),
            &format!("!{}", trap(&world, verb)),
        );
    }
    let included = world.outside("included");
    let command = trap(&world, "included");
    fs::write(&included, format!("[core]\n\tfsmonitor = {command}\n")).unwrap();
    set("include.path", included.to_str().unwrap());
    let hooks = world.repo().join(".git/hooks");
    fs::create_dir_all(&hooks).unwrap();
    for hook in [
        "reference-transaction",
        "post-checkout",
        "post-index-change",
        "pre-commit",
        "post-merge",
        "pre-auto-gc",
        "post-update",
        "update",
    ] {
        fs::copy(trap(&world, hook), hooks.join(hook)).unwrap();
    }
    set("core.fsmonitor", &trap(&world, "fsmonitor"));
    let attributes = "* filter=trap diff=trap merge=trap\n";
    fs::write(world.repo().join(".git/info/attributes"), attributes).unwrap();
    fs::write(world.allowed().join(".gitattributes"), attributes).unwrap();
    world.write("nested/file", "x\n");
    let nested = world.repo().join("nested");
    git_in(&nested, &["init", "-q"]);
    git_in(
        &nested,
        &["config", "core.fsmonitor", &trap(&world, "nested")],
    );
    world.write("a", "uncommitted\n");
    let _ = fs::remove_dir_all(world.outside("traces"));
    fs::create_dir_all(world.outside("traces")).unwrap();
    let config = fs::read(world.repo().join(".git/config")).unwrap();
    use_it(&world, "one");
    assert_eq!(traces(&world), Vec::<String>::new());
    assert_eq!(fs::read(world.repo().join(".git/config")).unwrap(), config);
    // The traps work: git itself runs into them.
    let _ = crate::world::command(&world.repo()).arg("status").output();
    let _ = crate::world::command(&world.repo())
        .args(["diff", "HEAD"])
        .output();
    let _ = crate::world::command(&world.repo())
        .args(["update-ref", "refs/heads/x", "HEAD"])
        .output();
    let ran = traces(&world);
    for name in ["included", "process", "command", "reference-transaction"] {
        assert!(ran.contains(&name.to_owned()), "{name}: {ran:?}");
    }
}

#[test]
fn a_git_folder_that_leads_elsewhere_is_refused() {
    let world = World::new();
    let other = world.outside("allowed/other");
    fs::create_dir(&other).unwrap();
    git_in(&other, &["init", "-q"]);
    git_in(&other, &["commit", "-q", "--allow-empty", "-m", "x"]);
    let linked = world.outside("linked");
    git_in(&other, &["worktree", "add", "-q", linked.to_str().unwrap()]);
    let before = contents(&other);
    let git = world.repo().join(".git");
    fs::rename(&git, world.outside("moved")).unwrap();
    let is_refused = |what: &str| {
        let opened = Repository::open(&world.workspace());
        assert!(
            matches!(opened, Err(GitError::Unsupported { .. })),
            "{what}: {opened:?}"
        );
    };
    symlink(other.join(".git"), &git).unwrap();
    is_refused("a link to another repository");
    fs::remove_file(&git).unwrap();
    symlink("nowhere", &git).unwrap();
    is_refused("a link to nothing");
    fs::remove_file(&git).unwrap();
    for named in [
        other.join(".git"),
        other.join(".git/worktrees/linked"),
        world.outside("moved"),
        Path::new("../other/.git").to_owned(),
        Path::new("/nonexistent").to_owned(),
    ] {
        fs::write(&git, format!("gitdir: {}\n", named.display())).unwrap();
        is_refused(&format!("a file that names {}", named.display()));
    }
    fs::write(&git, "x".repeat(100_000)).unwrap();
    is_refused("a file of other bytes");
    fs::remove_file(&git).unwrap();
    nix::unistd::mkfifo(&git, nix::sys::stat::Mode::S_IRWXU).unwrap();
    is_refused("a pipe");
    assert_eq!(contents(&other), before);
}

#[test]
fn objects_of_other_repositories_are_used_only_if_those_are_allowed() {
    let world = World::new();
    let secret = world.outside("secret");
    fs::create_dir(&secret).unwrap();
    git_in(&secret, &["init", "-q"]);
    fs::write(secret.join("key"), "secret\n").unwrap();
    git_in(&secret, &["add", "-A"]);
    git_in(&secret, &["commit", "-q", "-m", "secret"]);
    let commit = git_in(&secret, &["rev-parse", "HEAD"]);
    let git = world.repo().join(".git");
    fs::write(git.join("refs/heads/main"), &commit).unwrap();
    let objects = secret.join(".git/objects");
    let refused = |what: &str| {
        let opened = Repository::open(&world.workspace());
        let refused = match opened {
            Ok(Some(_)) => world
                .work("one")
                .prepare(&world.workspace(), &Prepare::default())
                .map(drop),
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        refused.expect_err(what)
    };
    refused("a commit of another repository");
    let alternates = git.join("objects/info/alternates");
    fs::write(&alternates, format!("{}\n", objects.display())).unwrap();
    let error = refused("borrowed from outside");
    assert!(matches!(error, GitError::Unsupported { .. }), "{error}");
    fs::write(&alternates, "../../../../../secret/.git/objects\n").unwrap();
    refused("borrowed from outside by a relative path");
    // Borrowed of a repository that borrows.
    let middle = world.outside("allowed/middle");
    fs::create_dir(&middle).unwrap();
    git_in(&middle, &["init", "-q"]);
    let of_middle = middle.join(".git/objects/info");
    fs::create_dir_all(&of_middle).unwrap();
    fs::write(
        of_middle.join("alternates"),
        format!("{}\n", objects.display()),
    )
    .unwrap();
    fs::write(
        &alternates,
        format!("{}\n", middle.join(".git/objects").display()),
    )
    .unwrap();
    refused("borrowed from outside over a repository inside");
    fs::write(&alternates, format!("\"{}\"\n", objects.display())).unwrap();
    refused("borrowed from outside by a quoted path");
    fs::remove_file(&alternates).unwrap();
    symlink(of_middle.join("alternates"), &alternates).unwrap();
    refused("a list that is a link");
    fs::remove_file(&alternates).unwrap();
    // Links among the objects.
    let folder = &commit[..2];
    let own = git.join("objects").join(folder);
    let _ = fs::rename(&own, world.outside("moved"));
    symlink(objects.join(folder), &own).unwrap();
    refused("a folder of objects that is a link");
    fs::remove_file(&own).unwrap();
    fs::create_dir(&own).unwrap();
    let rest = commit[2..].trim();
    symlink(objects.join(folder).join(rest), own.join(rest)).unwrap();
    refused("an object that is a link");
    fs::remove_dir_all(git.join("objects")).unwrap();
    symlink(&objects, git.join("objects")).unwrap();
    refused("objects that are a link");
}

#[test]
fn objects_of_an_allowed_repository_are_used() {
    let world = World::new();
    let shared = world.outside("allowed/shared");
    let words = ["clone", "-q", "--shared", "repo", "shared"];
    git_in(&world.allowed(), &words);
    let workspace = world.whitelist().open(&shared).unwrap();
    let repository = Repository::open(&workspace).unwrap().unwrap();
    assert_eq!(Some(repository.head().unwrap().0), world.commit_of("main"));
    let id = agents::git::WorkId::parse("one").unwrap();
    let git = agents::git::Git::find().unwrap();
    fs::create_dir_all(world.outside("ours")).unwrap();
    let work = agents::git::Work::open(git, &world.place("one"), id, Some(repository)).unwrap();
    let prepared = work.prepare(&workspace, &Prepare::default()).unwrap();
    Inside::clone_of(world.outside("inside"), &prepared);
}

#[test]
fn refs_that_are_links_or_have_hostile_names_lead_nowhere() {
    let world = World::new();
    let (work, inside) = world.begin("one");
    inside.write("a", "changed\n");
    inside.commit("work");
    let bundle = inside.bundle();
    let git = world.repo().join(".git");
    let outside = world.outside("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("one"), "kept\n").unwrap();
    let before = contents(&outside);
    symlink(&outside, git.join("refs/vivarium")).unwrap();
    receive(&work, &bundle).unwrap_err();
    fs::remove_file(git.join("refs/vivarium")).unwrap();
    fs::create_dir(git.join("refs/vivarium")).unwrap();
    symlink(outside.join("one"), git.join("refs/vivarium/one")).unwrap();
    // A link in the place of the file is replaced, not followed.
    receive(&work, &bundle).unwrap();
    assert!(
        git.join("refs/vivarium/one")
            .symlink_metadata()
            .unwrap()
            .is_file()
    );
    // A pack's place that leads out.
    let packs = git.join("objects/pack");
    fs::rename(&packs, world.outside("packs")).unwrap();
    symlink(&outside, &packs).unwrap();
    receive(&work, &bundle).unwrap_err();
    fs::remove_file(&packs).unwrap();
    fs::rename(world.outside("packs"), &packs).unwrap();
    // A log that leads out.
    let log = git.join("logs/refs/heads");
    fs::create_dir_all(&log).unwrap();
    symlink(outside.join("one"), log.join("side")).unwrap();
    fs::copy(git.join("refs/heads/main"), git.join("refs/heads/side")).unwrap();
    let tip = work.tips().unwrap().work.unwrap();
    let request = MergeRequest {
        part: Part::Commits,
        reviewed: tip,
        into: RefName::branch("side").unwrap(),
        missing: MissingBranch::Refuse,
        style: MergeStyle::FastForward,
        author: Signature::default(),
        message: "merge".into(),
    };
    work.merge(&request).unwrap();
    assert_eq!(contents(&outside), before);
    for head in [
        "ref: ../../../outside/one\n",
        "ref: refs/../../../../outside/one\n",
        "ref: /etc/passwd\n",
        "ref: refs/heads/missing\n",
        "nonsense\n",
        "",
    ] {
        fs::write(git.join("HEAD"), head).unwrap();
        let repository = Repository::open(&world.workspace()).unwrap().unwrap();
        assert!(repository.head().is_err(), "{head:?}");
    }
    fs::write(git.join("HEAD"), "ref: refs/heads/loop\n").unwrap();
    fs::write(git.join("refs/heads/loop"), "ref: refs/heads/loop\n").unwrap();
    let repository = Repository::open(&world.workspace()).unwrap().unwrap();
    assert!(repository.head().is_err());
}

#[test]
fn replaced_and_grafted_commits_are_given_as_they_are() {
    let world = World::new();
    let first = world.commit_of("HEAD~").unwrap();
    let second = world.commit_of("HEAD").unwrap();
    world.git(&["replace", &second.to_string(), &first.to_string()]);
    fs::create_dir_all(world.repo().join(".git/info")).unwrap();
    fs::write(world.repo().join(".git/info/grafts"), format!("{second}\n")).unwrap();
    let (_, inside) = world.begin("one");
    assert_eq!(inside.start, second);
    assert_eq!(inside.git(&["rev-list", "--count", "HEAD"]).trim(), "2");
}

#[test]
fn everything_can_be_done_again_and_again() {
    let world = World::new();
    use_it(&world, "one");
    use_it(&world, "one-more");
    world.git(&["gc", "-q"]);
    use_it(&world, "packed");
    git_in(&world.repo(), &["fsck", "--strict", "--no-dangling"]);
}
