//! A clone goes in, and what an agent makes of it comes back, whether it runs or not.

use std::{fs, path::Path, process::Command};

use agents::{
    AgentError, Merging, ToolSpec,
    catalogue::{FileFormat, FirstRunFile},
    git::{Content, GitError, MergeOutcome, MergeStyle, MissingBranch, RefName},
};
use wire::agent::{AgentWorkspace, KeepAgent, StartAgent};

use crate::{Site, docker, inside, plain, shell, soon, stands, tool, until, wanted};

/// Git as the person runs it.
fn git(folder: &Path, words: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=me", "-c", "user.email=me@localhost"])
        .args(words)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap();
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A repository of two files in an allowed folder.
fn repository(site: &Site) -> std::path::PathBuf {
    let folder = site.folder.path().canonicalize().unwrap().join("project");
    fs::create_dir(&folder).unwrap();
    git(&folder, &["init", "-q", "-b", "main"]);
    fs::write(folder.join("a"), "one\n").unwrap();
    fs::write(folder.join("b"), "two\n").unwrap();
    git(&folder, &["add", "-A"]);
    git(&folder, &["commit", "-q", "-m", "first"]);
    folder
}

fn on_clone(folder: &Path) -> StartAgent {
    StartAgent {
        workspace: AgentWorkspace::Clone {
            path: folder.to_str().unwrap().into(),
            uncommitted: true,
            untracked: false,
        },
        ..plain()
    }
}

fn merging(reviewed: agents::git::ObjectId, into: &str) -> Merging {
    Merging {
        reviewed,
        into: RefName::branch(into).unwrap(),
        missing: MissingBranch::Create,
        style: MergeStyle::FastForward,
        message: None,
    }
}

#[tokio::test]
async fn what_an_agent_makes_of_its_clone_is_compared_merged_and_discarded() {
    if !wanted() {
        return;
    }
    let site = Site::new("work");
    let folder = repository(&site);
    fs::write(folder.join("a"), "one, not committed\n").unwrap();
    fs::write(folder.join("new"), "stays here\n").unwrap();
    let agents = site.start().await;
    // Its files are there before it is.
    let first = tool(
        "tool",
        "cat a >~/seen; cat ~/.tool/settings >>~/seen; exec bash",
        "exec bash",
    );
    let first = ToolSpec {
        files: vec![FirstRunFile {
            path: ".tool/settings".to_owned().try_into().unwrap(),
            format: FileFormat::Text,
            content: "settings".into(),
        }],
        ..first
    };
    let started = soon(agents.spawn(&on_clone(&folder), &first))
        .await
        .unwrap();
    assert!(started.notes.is_empty(), "{:?}", started.notes);
    let id = started.agent.id;
    let seen = "one, not committed\nsettings";
    until("the tool saw its files", async || {
        inside(&agents, &id, "cat ~/seen").await == seen
    })
    .await;
    let branch = format!("agent/{id}");
    assert_eq!(
        inside(&agents, &id, "git branch --show-current; ls").await,
        format!("{branch}\na\nb")
    );
    let work = soon(agents.diff(&id)).await.unwrap();
    assert!(work.diff.files.is_empty() && !work.has_uncommitted && work.can_merge);

    inside(
        &agents,
        &id,
        "echo three >c; git add c; git commit -qm c; echo 2 >b",
    )
    .await;
    let work = soon(agents.diff(&id)).await.unwrap();
    let names: Vec<String> = work
        .diff
        .files
        .iter()
        .map(|file| file.path().unwrap().to_string())
        .collect();
    assert_eq!(names, ["b", "c"]);
    assert!(work.has_uncommitted);
    assert_eq!(work.checked_out.as_ref().unwrap().short(), "main");
    // The same files are the same commit, which is what an approval is about.
    let again = soon(agents.diff(&id)).await.unwrap();
    assert_eq!((again.reviewed, again.tree), (work.reviewed, work.tree));
    let one = soon(agents.diff_file(&id, "c")).await.unwrap();
    assert!(
        matches!(&one.diff.files[..], [file] if matches!(&file.content, Content::Lines(hunks) if hunks.len() == 1))
    );
    assert_eq!(
        git(&folder, &["rev-parse", &format!("refs/vivarium/wip/{id}")]),
        work.reviewed.to_string()
    );

    // A branch that somebody works on is left alone.
    let refused = soon(agents.merge(&id, merging(work.reviewed, "main"))).await;
    assert!(
        matches!(refused, Err(AgentError::Git(GitError::CheckedOut { .. }))),
        "{refused:?}"
    );
    let merged = soon(agents.merge(&id, merging(work.reviewed, "topic")))
        .await
        .unwrap();
    let MergeOutcome::Merged(merged) = merged else {
        panic!("{merged:?}")
    };
    assert_eq!(git(&folder, &["show", "topic:b"]), "2");
    assert_eq!(git(&folder, &["show", "topic:c"]), "three");
    assert_eq!(fs::read_to_string(folder.join("b")).unwrap(), "two\n");
    soon(agents.undo_merge(&id, merged)).await.unwrap();
    assert_eq!(git(&folder, &["branch", "--list", "topic"]), "");

    // What it did since isn't what was reviewed.
    inside(&agents, &id, "echo more >>c").await;
    let later = soon(agents.diff(&id)).await.unwrap();
    assert_ne!(later.reviewed, work.reviewed);
    let refused = soon(agents.merge(&id, merging(work.reviewed, "topic"))).await;
    assert!(
        matches!(refused, Err(AgentError::Git(GitError::RefMoved { .. }))),
        "{refused:?}"
    );

    // It needn't run, nor have a container.
    inside(&agents, &id, "git checkout -q -- b; git commit -qam more").await;
    docker(&["kill", &id.container()]);
    stands(&agents, &id, "exited").await;
    let ended = soon(agents.diff(&id)).await.unwrap();
    assert!(!ended.has_uncommitted);
    assert_eq!(ended.diff.added, 2);
    docker(&["rm", "-f", &id.container()]);
    stands(&agents, &id, "missing").await;
    let patch = soon(agents.patch(&id)).await.unwrap();
    fs::write(site.folder.path().join("patch"), patch).unwrap();
    fs::write(folder.join("a"), "one\n").unwrap();
    git(&folder, &["apply", "--include=c", "../patch"]);
    assert_eq!(
        fs::read_to_string(folder.join("c")).unwrap(),
        "three\nmore\n"
    );
    let helpers = docker(&[
        "ps",
        "-aq",
        "--filter",
        &site.label(),
        "--filter",
        "label=vivarium.kind=agent-files",
    ]);
    assert_eq!(helpers, "");

    soon(agents.discard(&id)).await.unwrap();
    assert_eq!(git(&folder, &["for-each-ref", "refs/vivarium"]), "");
    assert!(agents.list().agents.is_empty());
    let kept = fs::read_dir(site.folder.path().join("work"))
        .unwrap()
        .count();
    assert_eq!(kept, 0);
}

#[tokio::test]
async fn a_folder_without_git_is_copied_and_one_that_is_not_allowed_refused() {
    if !wanted() {
        return;
    }
    let site = Site::new("copy");
    let folder = site.folder.path().canonicalize().unwrap().join("plain");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("notes"), "mine\n").unwrap();
    let agents = site.start().await;
    let started = soon(agents.spawn(&on_clone(&folder), &shell()))
        .await
        .unwrap();
    assert!(
        started.notes[0].contains("isn't a git repository"),
        "{:?}",
        started.notes
    );
    let id = started.agent.id;
    inside(&agents, &id, "echo yours >>notes").await;
    let work = soon(agents.diff(&id)).await.unwrap();
    assert!(!work.can_merge && work.diff.added == 1);
    let patch = soon(agents.patch(&id)).await.unwrap();
    assert!(String::from_utf8_lossy(&patch).contains("+yours"));
    // An agent that broke its repository says so.
    inside(&agents, &id, "rm -rf .git").await;
    let broken = soon(agents.diff(&id)).await.unwrap_err().to_string();
    assert!(broken.contains("not a git repository"), "{broken}");
    soon(agents.stop(&id, KeepAgent::Nothing)).await.unwrap();

    let outside = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(outside.path(), site.folder.path().join("out")).unwrap();
    for path in [outside.path().to_owned(), site.folder.path().join("out")] {
        let refused = soon(agents.spawn(&on_clone(&path), &shell())).await;
        let failure = wire::failure::Failure::from(refused.unwrap_err());
        let expected = wire::advice::Advice::AllowAgentFolder {
            path: outside.path().canonicalize().unwrap().display().to_string(),
        };
        assert_eq!(failure.next.as_deref(), Some(&expected));
    }
    // Nothing is left of what didn't start.
    assert!(agents.list().agents.is_empty());
    assert!(site.there(&["ps", "-a"]).is_empty());
    let id = soon(agents.spawn(&plain(), &shell()))
        .await
        .unwrap()
        .agent
        .id;
    let none = soon(agents.diff(&id)).await;
    assert!(matches!(none, Err(AgentError::NoClone(_))), "{none:?}");
}
