use std::{fs, os::unix::fs::symlink};

use frames::message::{Event, RefusalCode, Request};

use crate::client::Client;

fn weigh(client: &Client, below: &str, most: u64) -> Request {
    Request::Weigh {
        path: client.name(below),
        most,
    }
}

fn weight(event: &Event) -> (u64, u64, u64) {
    match event {
        Event::Done {
            bytes,
            entries,
            left_out,
        } => (*bytes, *entries, *left_out),
        other => panic!("{other:?} in place of a weight"),
    }
}

#[test]
fn what_files_take_on_their_disk_is_counted_once() {
    let mut client = Client::start();
    let work = client.path("work");
    fs::create_dir_all(work.join("deep/er")).unwrap();
    let request = weigh(&client, "work", 100);
    let (empty, entries, left_out) = weight(&client.answer(request));
    assert_eq!((entries, left_out), (2, 0));
    let data = vec![7; 1 << 20];
    fs::write(work.join("deep/er/a"), &data).unwrap();
    fs::hard_link(work.join("deep/er/a"), work.join("b")).unwrap();
    // Much is said, and nothing is on the disk.
    fs::File::create(work.join("sparse"))
        .unwrap()
        .set_len(1 << 40)
        .unwrap();
    // It leads out, and isn't followed.
    symlink("/usr", work.join("out")).unwrap();
    let request = weigh(&client, "work", 100);
    let (bytes, entries, left_out) = weight(&client.answer(request));
    let added = bytes - empty;
    // The folders' own blocks may have grown.
    assert!(
        ((1 << 20)..(1 << 20) + (1 << 16)).contains(&added),
        "{added}"
    );
    assert_eq!((entries, left_out), (6, 0));
}

#[test]
fn what_cannot_be_counted_is_said() {
    let mut client = Client::start();
    let work = client.path("work");
    fs::create_dir_all(&work).unwrap();
    for name in 0..20 {
        fs::write(work.join(name.to_string()), "").unwrap();
    }
    let request = weigh(&client, "work", 20);
    assert_eq!(weight(&client.answer(request)).2, 0);
    let request = weigh(&client, "work", 19);
    assert!(weight(&client.answer(request)).2 > 0);
    let mut deep = work.join("d");
    for _ in 0..200 {
        deep.push("d");
    }
    fs::create_dir_all(&deep).unwrap();
    let request = weigh(&client, "work", 1000);
    assert!(weight(&client.answer(request)).2 > 0);
    let outside = Request::Weigh {
        path: "/etc".into(),
        most: 10,
    };
    match client.answer(outside) {
        Event::Refused { code, .. } => assert_eq!(code, RefusalCode::Outside),
        other => panic!("{other:?}"),
    }
}
