use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
};

use frames::{
    Body, Name,
    message::{ChangeKind, EntryKind, Event, RefusalCode, Request},
};

use crate::client::{Client, until};

fn read(client: &Client, below: &str) -> Request {
    Request::Read {
        path: client.name(below),
        from: 0,
        length: None,
    }
}

fn write(client: &Client, below: &str) -> Request {
    Request::Write {
        path: client.name(below),
        mode: None,
        parents: false,
    }
}

fn done(event: &Event) -> (u64, u64) {
    match event {
        Event::Done { bytes, entries, .. } => (*bytes, *entries),
        other => panic!("{other:?} in place of done"),
    }
}

#[test]
fn a_file_is_written_read_and_read_in_part() {
    let mut client = Client::start();
    let data: Vec<u8> = (0..5_000_000_u32).map(|at| (at % 251) as u8).collect();
    let stream = client.request(Request::Write {
        path: client.name("work/a/b/file"),
        mode: Some(0o640),
        parents: true,
    });
    assert_eq!(done(&client.feed(stream, &data)), (5_000_000, 1));
    let path = client.path("work/a/b/file");
    assert_eq!(fs::read(&path).unwrap(), data);
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o640
    );
    let whole = read(&client, "work/a/b/file");
    let (got, last) = client.data(whole);
    assert!(got == data);
    assert_eq!(done(&last).0, 5_000_000);
    let part = Request::Read {
        path: client.name("work/a/b/file"),
        from: 4_999_990,
        length: Some(5),
    };
    assert_eq!(client.data(part).0, &data[4_999_990..4_999_995]);
    // A relative path begins at home.
    fs::write(client.path("home/near"), "near").unwrap();
    let near = Request::Read {
        path: "near".into(),
        from: 2,
        length: Some(u64::MAX),
    };
    assert_eq!(client.data(near).0, b"ar");
}

#[test]
fn a_file_that_is_not_written_to_its_end_leaves_what_was_there() {
    let mut client = Client::start();
    fs::write(client.path("work/file"), "old").unwrap();
    fs::set_permissions(client.path("work/file"), PermissionsExt::from_mode(0o750)).unwrap();
    let canceled = client.request(write(&client, "work/file"));
    client.types(canceled, b"half");
    client.send(canceled, &Body::Request(Request::Cancel));
    let answer = client.event(canceled);
    assert!(matches!(
        answer,
        Event::Refused {
            code: RefusalCode::Canceled,
            ..
        }
    ));
    assert_eq!(fs::read(client.path("work/file")).unwrap(), b"old");
    assert_eq!(fs::read_dir(client.path("work")).unwrap().count(), 1);
    // One that is written to its end keeps the permissions.
    let stream = client.request(write(&client, "work/file"));
    client.feed(stream, b"new");
    assert_eq!(fs::read(client.path("work/file")).unwrap(), b"new");
    let mode = fs::metadata(client.path("work/file"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o750);
    // And a host that goes away leaves no half file either.
    let stream = client.request(write(&client, "work/file"));
    client.types(stream, b"half");
    client.attach();
    assert_eq!(fs::read(client.path("work/file")).unwrap(), b"new");
    until("end of what was half written", || {
        (fs::read_dir(client.path("work")).unwrap().count() == 1).then_some(())
    });
}

#[test]
fn folders_are_listed_in_depth_and_bounded() {
    let mut client = Client::start();
    for at in 0..600 {
        fs::write(client.path("work").join(format!("file {at}")), "12345").unwrap();
    }
    fs::create_dir_all(client.path("work/deep/er")).unwrap();
    fs::write(client.path("work/deep/er/file"), "").unwrap();
    symlink("file 1", client.path("work/link")).unwrap();
    let (entries, last) = client.list("work", 1, 10_000);
    assert_eq!((entries.len(), done(&last)), (602, (0, 602)));
    let of = |wanted: &str| {
        let found = entries
            .iter()
            .find(|entry| entry.path == Name::from(wanted));
        found.unwrap().clone()
    };
    assert_eq!((of("file 7").kind, of("file 7").size), (EntryKind::File, 5));
    assert_eq!(
        (of("link").kind, of("link").target),
        (EntryKind::Link, Some("file 1".into()))
    );
    assert_eq!(of("deep").kind, EntryKind::Folder);
    assert!(of("file 1").modified_ms > 1_600_000_000_000);
    let (entries, _) = client.list("work", 9, 10_000);
    assert!(
        entries
            .iter()
            .any(|entry| entry.path == "deep/er/file".into())
    );
    let (entries, last) = client.list("work", 1, 5);
    assert_eq!(entries.len(), 5);
    assert!(
        matches!(last, Event::Done { left_out: 597, .. }),
        "{last:?}"
    );
}

#[test]
fn names_that_are_no_text_are_listed_read_and_moved_as_they_are() {
    let mut client = Client::start();
    let hostile = Name(b"\xff\n\x1b[2J\"'\\".to_vec());
    let path = Name([client.name("work").bytes(), b"/", hostile.bytes()].concat());
    let stream = client.request(Request::Write {
        path: path.clone(),
        mode: None,
        parents: false,
    });
    client.feed(stream, b"here");
    assert_eq!(client.list("work", 1, 10).0[0].path, hostile);
    let read = Request::Read {
        path: path.clone(),
        from: 0,
        length: None,
    };
    assert_eq!(client.data(read).0, b"here");
    let moved = client.answer(Request::Move {
        from: path,
        to: client.name("work/plain"),
        replace: false,
    });
    done(&moved);
    assert_eq!(fs::read(client.path("work/plain")).unwrap(), b"here");
    let zero = Name([client.name("work").bytes(), b"/a\0b"].concat());
    assert_eq!(
        client.refused(Request::Stat { path: zero }),
        RefusalCode::Invalid
    );
}

#[test]
fn no_request_leads_out_of_the_folders() {
    let mut client = Client::start();
    let secret = client.path("secret");
    fs::create_dir(&secret).unwrap();
    fs::write(secret.join("file"), "secret").unwrap();
    symlink(&secret, client.path("work/out")).unwrap();
    symlink("../secret", client.path("work/near")).unwrap();
    symlink(secret.join("file"), client.path("work/link")).unwrap();
    symlink("/proc/self/root", client.path("work/process")).unwrap();
    for below in [
        "secret/file",
        "work/../secret/file",
        "work/out/file",
        "work/near/file",
        "work/link",
    ] {
        let refused = client.refused(read(&client, below));
        assert_eq!(refused, RefusalCode::Outside, "{below}");
    }
    for path in ["/etc/passwd", "../../etc/passwd", "/", "/proc/1/environ"] {
        let read = Request::Read {
            path: path.into(),
            from: 0,
            length: None,
        };
        assert_eq!(client.refused(read), RefusalCode::Outside, "{path}");
    }
    let through = client.name("work/process/etc/passwd");
    let refused = client.refused(Request::Read {
        path: through,
        from: 0,
        length: None,
    });
    assert_eq!(refused, RefusalCode::Outside);
    for below in ["work/out", "work/near"] {
        let inside = format!("{below}/new");
        let path = client.name(&inside);
        let there = client.name(&format!("{below}/file"));
        for request in [
            write(&client, &inside),
            Request::MakeDir {
                path: path.clone(),
                parents: true,
            },
            Request::Remove {
                path: there.clone(),
                recursive: true,
            },
            Request::Move {
                from: there,
                to: client.name("work/got"),
                replace: true,
            },
            Request::List {
                path: client.name(below),
                depth: 1,
                most: 9,
            },
            Request::Watch {
                path: client.name(below),
                recursive: true,
            },
            Request::TarOut {
                paths: vec![client.name(below)],
            },
        ] {
            let words = format!("{request:?}");
            assert_eq!(client.refused(request), RefusalCode::Outside, "{words}");
        }
    }
    // A link itself can be looked at, replaced and removed, and its target stays.
    let looked = client.answer(Request::Stat {
        path: client.name("work/link"),
    });
    assert!(matches!(looked, Event::Entry(entry) if entry.kind == EntryKind::Link));
    let stream = client.request(write(&client, "work/link"));
    client.feed(stream, b"own");
    done(&client.answer(Request::Remove {
        path: client.name("work/out"),
        recursive: true,
    }));
    assert_eq!(fs::read(secret.join("file")).unwrap(), b"secret");
    assert_eq!(fs::read(client.path("work/link")).unwrap(), b"own");
}

#[test]
fn a_pipe_or_device_is_not_read_and_delays_nobody() {
    let mut client = Client::start();
    let pipe = client.path("work/pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    for below in ["work/pipe", "work"] {
        let refused = client.refused(read(&client, below));
        assert_eq!(refused, RefusalCode::NotAFile, "{below}");
    }
    assert_eq!(
        client.refused(read(&client, "work/no")),
        RefusalCode::NotFound
    );
    fs::create_dir(client.path("work/folder")).unwrap();
    assert_eq!(
        client.refused(write(&client, "work/folder")),
        RefusalCode::NotAFile
    );
    assert_eq!(
        client.refused(write(&client, "work/no/file")),
        RefusalCode::NotFound
    );
    fs::write(client.path("work/file"), "").unwrap();
    assert_eq!(
        client.refused(write(&client, "work/file/x")),
        RefusalCode::NotAFolder
    );
}

#[test]
fn entries_are_moved_made_and_removed() {
    let mut client = Client::start();
    let name = |client: &Client, below: &str| client.name(below);
    let make = |client: &Client, below: &str, parents| Request::MakeDir {
        path: name(client, below),
        parents,
    };
    done(&client.answer(make(&client, "work/a/b", true)));
    done(&client.answer(make(&client, "work/a/b", true)));
    assert_eq!(
        client.refused(make(&client, "work/a/b", false)),
        RefusalCode::Exists
    );
    assert_eq!(
        client.refused(make(&client, "work/no/b", false)),
        RefusalCode::NotFound
    );
    fs::write(client.path("work/a/one"), "1").unwrap();
    fs::write(client.path("work/a/two"), "2").unwrap();
    let rename = |client: &Client, replace| Request::Move {
        from: name(client, "work/a/one"),
        to: name(client, "work/a/two"),
        replace,
    };
    assert_eq!(client.refused(rename(&client, false)), RefusalCode::Exists);
    done(&client.answer(rename(&client, true)));
    assert_eq!(fs::read(client.path("work/a/two")).unwrap(), b"1");
    let remove = |client: &Client, below: &str, recursive| Request::Remove {
        path: name(client, below),
        recursive,
    };
    assert_eq!(
        client.refused(remove(&client, "work/a", false)),
        RefusalCode::NotEmpty
    );
    assert_eq!(done(&client.answer(remove(&client, "work/a", true))).1, 3);
    assert_eq!(
        client.refused(remove(&client, "work/a", true)),
        RefusalCode::NotFound
    );
    assert_eq!(
        client.refused(remove(&client, "work", true)),
        RefusalCode::Invalid
    );
    assert!(client.path("work").is_dir());
}

#[test]
fn a_folder_deeper_than_there_are_descriptors_is_removed() {
    let mut client = Client::start();
    // Deeper than a path may be long: made from within.
    let script = "import os\nfor i in range(1500):\n    os.mkdir('deeper'); os.chdir('deeper'); open('f', 'w').close()";
    let mut exec = crate::client::argv(&["python3", "-c", script]);
    exec.cwd = Some(client.name("work"));
    client.run(exec);
    let request = Request::Remove {
        path: client.name("work/deeper"),
        recursive: true,
    };
    assert!(done(&client.answer(request)).1 >= 3000);
    assert_eq!(fs::read_dir(client.path("work")).unwrap().count(), 0);
}

#[test]
fn changes_are_told_also_in_new_folders() {
    let mut client = Client::start();
    let watch = client.request(Request::Watch {
        path: client.name("work"),
        recursive: true,
    });
    assert_eq!(client.event(watch), Event::Started { pid: None });
    fs::create_dir_all(client.path("work/a/b")).unwrap();
    let mut seen = Vec::new();
    let mut sees = |client: &mut Client, kind, path: &str| {
        let wanted = (kind, Name::from(path));
        while !seen.contains(&wanted) {
            match client.event(watch) {
                Event::Changed { changes, missed } => {
                    assert!(!missed);
                    seen.extend(changes.into_iter().map(|change| (change.kind, change.path)));
                }
                other => panic!("{other:?}"),
            }
        }
    };
    sees(&mut client, ChangeKind::Created, "a");
    sees(&mut client, ChangeKind::Created, "a/b");
    fs::write(client.path("work/a/b/file"), "x").unwrap();
    sees(&mut client, ChangeKind::Created, "a/b/file");
    sees(&mut client, ChangeKind::Written, "a/b/file");
    fs::rename(client.path("work/a/b/file"), client.path("work/file")).unwrap();
    sees(&mut client, ChangeKind::MovedFrom, "a/b/file");
    sees(&mut client, ChangeKind::MovedTo, "file");
    fs::remove_file(client.path("work/file")).unwrap();
    sees(&mut client, ChangeKind::Removed, "file");
    client.send(watch, &Body::Request(Request::Cancel));
    loop {
        if let Event::Refused { code, .. } = client.event(watch) {
            assert_eq!(code, RefusalCode::Canceled);
            break;
        }
    }
}

#[test]
fn a_watched_folder_that_is_removed_ends_its_watch() {
    let mut client = Client::of_nobody();
    fs::create_dir(client.path("work/a")).unwrap();
    let watch = client.request(Request::Watch {
        path: client.name("work/a"),
        recursive: false,
    });
    assert_eq!(client.event(watch), Event::Started { pid: None });
    fs::remove_dir(client.path("work/a")).unwrap();
    done(&client.event(watch));
}

#[test]
fn usage_names_the_folders_file_systems() {
    let mut client = Client::start();
    match client.answer(Request::Usage) {
        Event::Usage(usage) => {
            assert_eq!(usage.folders.len(), 1, "both lie on one");
            assert!(usage.folders[0].size_bytes > usage.folders[0].used_bytes);
        }
        other => panic!("{other:?}"),
    }
}
