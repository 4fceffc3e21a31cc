//! What a person sees of an agent's work.

use std::{fs, os::unix::fs::PermissionsExt, time::Instant};

use agents::git::{
    Change, Content, DiffLimits, FileDiff, FileMode, Fold, LineKind, ObjectId, Risk, TreeDiff, Work,
};

use crate::world::{Inside, World, receive};

/// What an agent's commits changed.
fn compared(work: &Work, inside: &Inside, limits: &DiffLimits) -> (TreeDiff, ObjectId) {
    let tip = inside.commit("work");
    receive(work, &inside.bundle()).unwrap();
    let start = work.tips().unwrap().start.unwrap();
    (work.diff(start, tip, limits).unwrap(), start)
}

fn of<'a>(diff: &'a TreeDiff, path: &str) -> &'a FileDiff {
    let found = diff
        .files
        .iter()
        .find(|file| file.path().unwrap().to_string() == path);
    found.unwrap_or_else(|| panic!("{path} isn't in {diff:?}"))
}

#[test]
fn files_are_compared_with_modes_renames_and_lines() {
    let world = World::new();
    let long: String = (1..=40).map(|line| format!("line {line}\n")).collect();
    world.write("moved", &long);
    world.write("script", "#!/bin/sh\n");
    world.write("becomes a link", "file\n");
    world.commit("third");
    let (work, inside) = world.begin("one");
    inside.git(&["mv", "moved", "moved here"]);
    inside.write("moved here", &long.replace("line 20\n", "line twenty\n"));
    inside.write("a", "changed");
    inside.write("data", "a\0b");
    fs::remove_file(inside.folder.join("b")).unwrap();
    let script = inside.folder.join("script");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    fs::remove_file(inside.folder.join("becomes a link")).unwrap();
    std::os::unix::fs::symlink("a", inside.folder.join("becomes a link")).unwrap();
    let (diff, _) = compared(&work, &inside, &DiffLimits::default());
    assert_eq!((diff.files.len(), diff.more_files), (6, 0));
    assert_eq!((diff.added, diff.removed), (3, 4));

    let moved = of(&diff, "moved here");
    assert!(matches!(moved.change, Change::Renamed(90..)));
    assert_eq!(moved.old.as_ref().unwrap().path.to_string(), "moved");
    let Content::Lines(hunks) = &moved.content else {
        panic!("{moved:?}");
    };
    assert_eq!(hunks.len(), 1);
    assert_eq!(
        (hunks[0].old_start, hunks[0].old_lines, hunks[0].new_start),
        (17, 7, 17)
    );
    let changed: Vec<(LineKind, &str)> = hunks[0].lines[3..5]
        .iter()
        .map(|line| (line.kind, line.text.as_str()))
        .collect();
    assert_eq!(
        changed,
        [
            (LineKind::Removed, "line 20"),
            (LineKind::Added, "line twenty")
        ]
    );

    let a = of(&diff, "a");
    let Content::Lines(hunks) = &a.content else {
        panic!("{a:?}");
    };
    assert!(!hunks[0].lines[0].is_unended && hunks[0].lines[1].is_unended);
    let sizes = Content::Binary {
        old_bytes: None,
        new_bytes: Some(3),
    };
    assert_eq!(of(&diff, "data").content, sizes);
    assert_eq!(of(&diff, "b").change, Change::Removed);
    let script = of(&diff, "script");
    assert_eq!(script.new.as_ref().unwrap().mode, FileMode::Executable);
    assert_eq!(script.risks, [Risk::MadeExecutable]);
    let link = of(&diff, "becomes a link");
    assert_eq!(
        (link.change, link.added, link.removed),
        (Change::Retyped, 1, 1)
    );
}

#[test]
fn attributes_of_a_tree_hide_nothing() {
    let world = World::new();
    world.write(".gitattributes", "*.js -diff\n");
    world.write("old.js", "old\n");
    world.commit("third");
    let (work, inside) = world.begin("one");
    inside.write(
        ".gitattributes",
        "* -diff linguist-generated export-ignore\n",
    );
    inside.write("new.js", "evil\n");
    inside.write("old.js", "evil\n");
    let (diff, _) = compared(&work, &inside, &DiffLimits::default());
    for path in ["new.js", "old.js"] {
        let file = of(&diff, path);
        assert!(
            matches!(&file.content, Content::Lines(hunks) if hunks.len() == 1),
            "{file:?}"
        );
    }
    assert_eq!(of(&diff, ".gitattributes").risks, [Risk::GitSettings]);
}

#[test]
fn what_is_large_is_folded_and_can_be_opened() {
    let world = World::new();
    let (work, inside) = world.begin("one");
    let lines: String = (0..3000).map(|line| format!("{line}\n")).collect();
    inside.write("long", &lines);
    inside.write("wide", &"x".repeat(300_000));
    inside.write("huge", &"text\n".repeat(1_000_000));
    let (diff, start) = compared(&work, &inside, &DiffLimits::default());
    for path in ["long", "wide"] {
        let folded = of(&diff, path);
        assert_eq!(folded.content, Content::Folded(Fold::LargeChange), "{path}");
        let opened = work
            .diff_file(start, diff.to, folded, &DiffLimits::of_one_file())
            .unwrap();
        assert!(matches!(&opened.content, Content::Lines(hunks) if hunks.len() == 1));
        assert_eq!(opened.added, folded.added);
    }
    assert_eq!(of(&diff, "long").added, 3000);
    let huge = Fold::LargeFile {
        old_bytes: None,
        new_bytes: Some(5_000_000),
    };
    assert_eq!(of(&diff, "huge").content, Content::Folded(huge));
    let little = DiffLimits {
        bytes: 20_000,
        ..DiffLimits::default()
    };
    let diff = work.diff(start, diff.to, &little).unwrap();
    assert_eq!(
        of(&diff, "wide").content,
        Content::Folded(Fold::LargeChange)
    );
    let tight = DiffLimits {
        bytes: 10,
        ..DiffLimits::default()
    };
    let diff = work.diff(start, diff.to, &tight).unwrap();
    assert_eq!(of(&diff, "long").content, Content::Folded(Fold::LargeDiff));
    assert_eq!(of(&diff, "long").added, 3000);
}

#[test]
fn files_beyond_the_limit_are_counted_and_marked_ones_are_listed_in_any_case() {
    let world = World::new();
    let (work, inside) = world.begin("one");
    for number in 0..50 {
        inside.write(&format!("f{number:02}"), "x\n");
    }
    inside.write("zzz/.vscode/tasks.json", "{}\n");
    inside.write("zzz/Makefile", "all:\n");
    let few = DiffLimits {
        files: 10,
        ..DiffLimits::default()
    };
    let (diff, _) = compared(&work, &inside, &few);
    assert_eq!((diff.files.len(), diff.more_files), (12, 40));
    assert_eq!(diff.added, 52);
    assert_eq!(of(&diff, "zzz/.vscode/tasks.json").risks, [Risk::Editor]);
}

#[test]
fn risks_of_contents_are_marked() {
    let world = World::new();
    world.write(
        "package.json",
        r#"{"name": "x", "scripts": {"test": "vitest"}}"#,
    );
    world.write("same/package.json", r#"{"scripts": {"test": "vitest"}}"#);
    world.commit("third");
    let (work, inside) = world.begin("one");
    inside.write(
        "package.json",
        r#"{"name": "x", "scripts": {"postinstall": "x", "test": "vitest"}}"#,
    );
    inside.write(
        "same/package.json",
        r#"{"version": "2", "scripts": {"test": "vitest"}}"#,
    );
    inside.write("bad/package.json", "{");
    inside.write("hidden.c", "/* \u{202e} } \u{2066}if (admin)\u{2069} */\n");
    inside.write("name\u{202e}txt.exe", "x\n");
    inside.write("emoji.txt", "👩\u{200d}💻\n");
    let link = |target: &str, name: &str| {
        std::os::unix::fs::symlink(target, inside.folder.join(name)).unwrap();
    };
    link("../../outside", "out");
    link("/etc/passwd", "absolute");
    link(".git/hooks", "hooks");
    link("sub/c", "within");
    let (diff, _) = compared(&work, &inside, &DiffLimits::default());
    let risks = |path: &str| of(&diff, path).risks.clone();
    assert_eq!(risks("package.json"), [Risk::PackageScripts]);
    assert_eq!(risks("same/package.json"), []);
    assert_eq!(risks("bad/package.json"), [Risk::PackageScripts]);
    assert_eq!(risks("hidden.c"), [Risk::HiddenText]);
    assert_eq!(risks("name⟨U+202E⟩txt.exe"), [Risk::HiddenName]);
    assert_eq!(risks("emoji.txt"), []);
    for path in ["out", "absolute", "hooks"] {
        assert_eq!(risks(path), [Risk::LinkLeadsOut], "{path}");
    }
    assert_eq!(risks("within"), []);
}

#[test]
fn names_that_git_quotes_are_told_whole() {
    let world = World::new();
    let (work, inside) = world.begin("one");
    let names = [
        "tab\there",
        "new\nline",
        "quote\"d",
        "back\\slash",
        "é",
        "a b",
        "-option",
        ":!x",
    ];
    for name in names {
        inside.write(name, "x\n");
    }
    let (diff, start) = compared(&work, &inside, &DiffLimits::default());
    let mut found: Vec<String> = diff
        .files
        .iter()
        .map(|file| String::from_utf8(file.path().unwrap().as_bytes().to_vec()).unwrap())
        .collect();
    found.sort();
    let mut names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    names.sort();
    assert_eq!(found, names);
    for file in &diff.files {
        let opened = work.diff_file(start, diff.to, file, &DiffLimits::of_one_file());
        assert_eq!(&opened.unwrap(), file);
    }
}

#[test]
fn five_thousand_files_are_compared_quickly() {
    let world = World::new();
    for number in 0..5000 {
        world.write(
            &format!("d{}/f{number}", number % 50),
            &format!("one\n{number}\nthree\n"),
        );
    }
    world.commit("many");
    let (work, inside) = world.begin("one");
    for number in 0..5000 {
        let text = format!("one\n{number}\nthree\nfour\n");
        inside.write(&format!("d{}/f{number}", number % 50), &text);
    }
    let tip = inside.commit("all of them");
    receive(&work, &inside.bundle()).unwrap();
    let start = work.tips().unwrap().start.unwrap();
    let begun = Instant::now();
    let diff = work.diff(start, tip, &DiffLimits::default()).unwrap();
    let took = begun.elapsed();
    assert_eq!((diff.files.len(), diff.added), (5000, 5000));
    assert!(
        diff.files
            .iter()
            .all(|file| matches!(file.content, Content::Lines(_)))
    );
    // The aim is one second; tests run beside others, and without optimisation.
    assert!(took.as_secs() < 30, "{took:?}");
}
