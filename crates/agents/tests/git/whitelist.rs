//! Which folders are opened as workspaces.

use std::{fs, os::unix::fs::symlink, path::Path};

use agents::git::{GitError, Whitelist};

fn is_refused(whitelist: &Whitelist, path: &Path) -> bool {
    matches!(whitelist.open(path), Err(GitError::NotAllowed { .. }))
}

#[test]
fn only_folders_inside_an_allowed_one_are_opened() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().canonicalize().unwrap().join(name);
    for name in ["work/project/sub", "work-evil", "other"] {
        fs::create_dir_all(at(name)).unwrap();
    }
    let whitelist = Whitelist::new([at("work")]);
    for name in [
        "work",
        "work/project",
        "work/project/sub",
        "work/../work/project",
    ] {
        assert!(whitelist.open(&at(name)).is_ok(), "{name}");
    }
    for name in [
        "work-evil",
        "other",
        "work/../other",
        "work/project/../../other",
        "",
    ] {
        assert!(is_refused(&whitelist, &at(name)), "{name}");
    }
    assert!(is_refused(&whitelist, Path::new("work")));
    assert!(is_refused(&whitelist, Path::new("/")));
    let missing = whitelist.open(&at("work/missing"));
    assert!(matches!(missing, Err(GitError::File { .. })));
    fs::write(at("work/file"), "").unwrap();
    assert!(matches!(
        whitelist.open(&at("work/file")),
        Err(GitError::File { .. })
    ));
}

#[test]
fn a_link_that_leads_out_is_refused_and_one_that_stays_inside_is_opened_where_it_leads() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().canonicalize().unwrap().join(name);
    for name in ["work/project", "secret/inside"] {
        fs::create_dir_all(at(name)).unwrap();
    }
    symlink(at("secret"), at("work/out")).unwrap();
    symlink("../../secret", at("work/project/out")).unwrap();
    symlink("project", at("work/within")).unwrap();
    symlink(at("work/project"), at("elsewhere")).unwrap();
    let whitelist = Whitelist::new([at("work")]);
    for name in ["work/out", "work/out/inside", "work/project/out"] {
        assert!(is_refused(&whitelist, &at(name)), "{name}");
    }
    for name in ["work/within", "elsewhere"] {
        assert_eq!(
            whitelist.open(&at(name)).unwrap().path(),
            at("work/project")
        );
    }
    // What is on the list may be a link itself: the folder that it leads to is allowed.
    symlink(at("work"), at("alias")).unwrap();
    assert!(
        Whitelist::new([at("alias")])
            .open(&at("work/project"))
            .is_ok()
    );
}

#[test]
fn a_list_without_folders_allows_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for whitelist in [
        Whitelist::default(),
        Whitelist::new(["/"]),
        Whitelist::new(["."]),
        Whitelist::new([""]),
        Whitelist::new([folder.path().join("missing")]),
    ] {
        assert!(is_refused(&whitelist, folder.path()), "{whitelist:?}");
    }
}
