use std::{
    collections::BTreeMap,
    fs,
    io::Read,
    os::unix::fs::{PermissionsExt, symlink},
};

use frames::message::{Event, Links, RefusalCode, Request, TarLimits};
use tar::{Archive, Builder, EntryType, Header};

use crate::client::Client;

const LIMITS: TarLimits = TarLimits {
    entries: 1000,
    bytes: 10 << 20,
};

/// Unpacks; the last event.
fn unpack(client: &mut Client, archive: &[u8], limits: TarLimits, links: Links) -> Event {
    let stream = client.request(Request::TarIn { limits, links });
    client.feed(stream, archive)
}

fn refused(client: &mut Client, archive: &[u8]) -> RefusalCode {
    match unpack(client, archive, LIMITS, Links::Inside) {
        Event::Refused { code, .. } => code,
        other => panic!("{other:?} in place of a refusal"),
    }
}

/// An archive of one entry, whose name nobody checks.
fn single(name: &str, kind: EntryType, link: &str, data: &[u8]) -> Vec<u8> {
    let mut header = Header::new_gnu();
    header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
    header.as_gnu_mut().unwrap().linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(data.len() as u64);
    header.set_cksum();
    let mut archive = header.as_bytes().to_vec();
    archive.extend(data);
    archive.resize(archive.len().next_multiple_of(512), 0);
    archive
}

/// The name of something below `work`, as it is in an archive.
fn inside(client: &Client, below: &str) -> String {
    client.path(below).display().to_string().split_off(1)
}

#[test]
fn what_is_packed_comes_back_in_another_sandbox() {
    let mut first = Client::start();
    let long = "long/".repeat(40);
    fs::create_dir_all(first.path("work").join(&long)).unwrap();
    let data: Vec<u8> = (0..300_000_u32).map(|at| (at % 253) as u8).collect();
    let last = format!("work/{long}{}", "n".repeat(150));
    fs::write(first.path(&last), &data).unwrap();
    fs::write(first.path("work/empty"), "").unwrap();
    fs::write(first.path("home/script"), "#!/bin/sh").unwrap();
    fs::set_permissions(first.path("home/script"), PermissionsExt::from_mode(0o755)).unwrap();
    fs::hard_link(first.path("work/empty"), first.path("work/same")).unwrap();
    symlink("empty", first.path("work/link")).unwrap();
    symlink("/usr/bin/env", first.path("work/out")).unwrap();
    fs::create_dir(first.path("work/closed")).unwrap();
    fs::write(first.path("work/closed/in"), "in").unwrap();
    fs::set_permissions(first.path("work/closed"), PermissionsExt::from_mode(0o555)).unwrap();
    nix::unistd::mkfifo(
        &first.path("work/pipe"),
        nix::sys::stat::Mode::from_bits_truncate(0o600),
    )
    .unwrap();
    let (archive, last_event) = first.data(Request::TarOut { paths: vec![] });
    let Event::Done {
        bytes, left_out, ..
    } = last_event
    else {
        panic!("{last_event:?}");
    };
    assert_eq!((bytes, left_out), (archive.len() as u64, 1));
    // Another program reads it too.
    let mut names = BTreeMap::new();
    for entry in Archive::new(&archive[..]).entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        let mut data = Vec::new();
        entry.read_to_end(&mut data).unwrap();
        names.insert(name, data);
    }
    assert!(names[&inside(&first, &last)] == data);

    let mut second = Client::start();
    fs::write(second.path("work/empty"), "was here").unwrap();
    // The folders of the tests have other paths, those of sandboxes the same.
    let from = inside(&first, "");
    let to = inside(&second, "");
    assert_eq!(from.len(), to.len());
    let archive = renamed(&archive, &from, &to);
    let done = unpack(&mut second, &archive, LIMITS, Links::Any);
    assert!(matches!(done, Event::Done { .. }), "{done:?}");
    assert!(fs::read(second.path(&last)).unwrap() == data);
    assert_eq!(fs::read(second.path("work/same")).unwrap(), b"");
    let mode = |below: &str| {
        fs::metadata(second.path(below))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!((mode("home/script"), mode("work/closed")), (0o755, 0o555));
    assert_eq!(fs::read(second.path("work/closed/in")).unwrap(), b"in");
    assert_eq!(
        fs::read_link(second.path("work/link")).unwrap().to_str(),
        Some("empty")
    );
    assert_eq!(
        fs::read_link(second.path("work/out")).unwrap().to_str(),
        Some("/usr/bin/env")
    );
    let times = |client: &Client| {
        fs::metadata(client.path(&last))
            .unwrap()
            .modified()
            .unwrap()
    };
    let age = times(&first).duration_since(times(&second)).unwrap();
    assert!(age.as_secs() < 2);
}

/// The same archive with another beginning of all names.
fn renamed(archive: &[u8], from: &str, to: &str) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for entry in Archive::new(archive).entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        let name = name.replacen(from, to, 1);
        let mut header = entry.header().clone();
        let link = entry.link_name().unwrap().map(|link| link.into_owned());
        match link {
            Some(link) => {
                let link = link.display().to_string().replacen(from, to, 1);
                builder.append_link(&mut header, name, link).unwrap();
            }
            None => builder.append_data(&mut header, name, &mut entry).unwrap(),
        }
    }
    builder.into_inner().unwrap()
}

#[test]
fn names_and_links_that_lead_out_end_the_unpacking() {
    let mut client = Client::start();
    let file = inside(&client, "work/file");
    let regular = EntryType::Regular;
    let up = inside(&client, "work/../secret");
    let absolute = format!("/{file}");
    for (name, kind, link, code) in [
        ("etc/passwd", regular, "", RefusalCode::Outside),
        (up.as_str(), regular, "", RefusalCode::Invalid),
        (absolute.as_str(), regular, "", RefusalCode::Invalid),
        ("", regular, "", RefusalCode::Outside),
        (
            file.as_str(),
            EntryType::Symlink,
            "/etc/passwd",
            RefusalCode::Outside,
        ),
        (
            file.as_str(),
            EntryType::Symlink,
            "../../x",
            RefusalCode::Outside,
        ),
        (file.as_str(), EntryType::Symlink, "", RefusalCode::Invalid),
        (
            file.as_str(),
            EntryType::Link,
            "etc/passwd",
            RefusalCode::Outside,
        ),
        (
            file.as_str(),
            EntryType::Link,
            "../etc/passwd",
            RefusalCode::Invalid,
        ),
        (
            file.as_str(),
            EntryType::Link,
            "/etc/passwd",
            RefusalCode::Invalid,
        ),
        (
            file.as_str(),
            EntryType::Link,
            file.as_str(),
            RefusalCode::Invalid,
        ),
        (file.as_str(), EntryType::Char, "", RefusalCode::Invalid),
        (file.as_str(), EntryType::Block, "", RefusalCode::Invalid),
        (file.as_str(), EntryType::Fifo, "", RefusalCode::Invalid),
        (
            file.as_str(),
            EntryType::GNUSparse,
            "",
            RefusalCode::Unsupported,
        ),
    ] {
        let archive = single(name, kind, link, b"");
        assert_eq!(
            refused(&mut client, &archive),
            code,
            "{name} {kind:?} {link}"
        );
        assert!(!client.path("work/file").exists());
    }
}

#[test]
fn nothing_is_written_through_a_link() {
    let mut client = Client::start();
    fs::create_dir(client.path("secret")).unwrap();
    fs::write(client.path("secret/file"), "secret").unwrap();
    let through = inside(&client, "work/link/file");
    let link = inside(&client, "work/link");
    // One that the archive makes itself, where all links are allowed.
    let secret = client.path("secret").display().to_string();
    let mut archive = single(&link, EntryType::Symlink, &secret, b"");
    archive.extend(single(&through, EntryType::Regular, "", b"mine"));
    let last = unpack(&mut client, &archive, LIMITS, Links::Any);
    assert!(
        matches!(
            last,
            Event::Refused {
                code: RefusalCode::Invalid | RefusalCode::NotAFolder,
                ..
            }
        ),
        "{last:?}"
    );
    assert_eq!(fs::read(client.path("secret/file")).unwrap(), b"secret");
    // One that leads to a file is replaced.
    fs::remove_file(client.path("work/link")).unwrap();
    symlink(client.path("secret/file"), client.path("work/link")).unwrap();
    let last = unpack(
        &mut client,
        &single(&link, EntryType::Regular, "", b"mine"),
        LIMITS,
        Links::Inside,
    );
    assert!(matches!(last, Event::Done { .. }), "{last:?}");
    assert_eq!(fs::read(client.path("secret/file")).unwrap(), b"secret");
    assert_eq!(fs::read(client.path("work/link")).unwrap(), b"mine");
}

#[test]
fn bombs_end_at_their_limits() {
    let mut client = Client::start();
    // A size that is only claimed.
    let mut header = Header::new_gnu();
    let name = inside(&client, "work/big");
    header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_size(u64::MAX / 2);
    header.set_cksum();
    assert_eq!(refused(&mut client, header.as_bytes()), RefusalCode::Limit);
    let small = single(&name, EntryType::Regular, "", &[7; 6 << 20]);
    assert_eq!(
        refused(&mut client, &[&small[..], &small].concat()),
        RefusalCode::Limit
    );
    let many: Vec<u8> = (0..1001)
        .flat_map(|at| single(&format!("{name}{at}"), EntryType::Regular, "", b""))
        .collect();
    assert_eq!(refused(&mut client, &many), RefusalCode::Limit);
    // A name and a record without end.
    for kind in [
        EntryType::GNULongName,
        EntryType::GNULongLink,
        EntryType::XHeader,
        EntryType::XGlobalHeader,
    ] {
        let long = single("x", kind, "", &[b'a'; 100_000]);
        assert_eq!(
            refused(&mut client, &long),
            RefusalCode::Invalid,
            "{kind:?}"
        );
    }
}

#[test]
fn an_archive_that_is_cut_or_damaged_says_so() {
    let mut client = Client::start();
    let name = inside(&client, "work/file");
    let whole = single(&name, EntryType::Regular, "", &[7; 2000]);
    for length in [100, 512, 1500, whole.len() - 1] {
        assert_eq!(
            refused(&mut client, &whole[..length]),
            RefusalCode::Invalid,
            "{length}"
        );
    }
    let mut damaged = whole.clone();
    damaged[3] ^= 1;
    assert_eq!(refused(&mut client, &damaged), RefusalCode::Invalid);
    for record in ["5 path=a\n", "9999 path=a\n", "x", "12 size=abc\n", "0 \n"] {
        let archive = single("x", EntryType::XHeader, "", record.as_bytes());
        assert_eq!(
            refused(&mut client, &archive),
            RefusalCode::Invalid,
            "{record:?}"
        );
    }
    // Whatever follows the end is of no interest.
    let followed = [&whole[..], &[0; 1024], b"anything"].concat();
    let last = unpack(&mut client, &followed, LIMITS, Links::Inside);
    assert!(
        matches!(
            last,
            Event::Done {
                bytes: 2000,
                entries: 1,
                ..
            }
        ),
        "{last:?}"
    );
}

#[test]
fn records_of_pax_name_long_and_large_entries() {
    let mut client = Client::start();
    let long = inside(&client, &format!("work/{}", "n".repeat(120)));
    let record = format!("path={long}\n");
    let length = record.len() + 4;
    let record = format!("{length} {record}");
    assert_eq!(record.len(), length);
    let mut archive = single("x", EntryType::XHeader, "", record.as_bytes());
    archive.extend(single("short", EntryType::Regular, "", b"data"));
    let last = unpack(&mut client, &archive, LIMITS, Links::Inside);
    assert!(matches!(last, Event::Done { entries: 1, .. }), "{last:?}");
    assert_eq!(
        fs::read(std::path::Path::new("/").join(long)).unwrap(),
        b"data"
    );
}

#[test]
fn whatever_is_wrong_with_an_archive_it_ends_and_nothing_else_is_touched() {
    let mut client = Client::start();
    fs::create_dir(client.path("secret")).unwrap();
    let mut valid = Vec::new();
    for (below, kind, link, data) in [
        ("work/folder", EntryType::Directory, "", &b""[..]),
        ("work/folder/file", EntryType::Regular, "", &[7; 700][..]),
        ("work/link", EntryType::Symlink, "folder", &b""[..]),
        ("work/hard", EntryType::Link, "work/folder/file", &b""[..]),
        (
            "work/long",
            EntryType::GNULongName,
            "",
            &b"../../../../../../secret/file"[..],
        ),
        (
            "work/record",
            EntryType::XHeader,
            "",
            &b"26 path=../../secret/file\n"[..],
        ),
    ] {
        let link = match kind {
            EntryType::Link => inside(&client, link),
            _ => link.to_owned(),
        };
        valid.extend(single(&inside(&client, below), kind, &link, data));
    }
    let mut seed = 88_172_645_463_325_252_u64;
    let mut random = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below as u64) as usize
    };
    for _ in 0..300 {
        let mut bytes = valid.clone();
        for _ in 0..=random(3) {
            if bytes.len() < 512 {
                break;
            }
            let at = random(bytes.len() / 512) * 512 + random(512);
            match random(3) {
                0 => bytes[at] = random(256) as u8,
                1 => bytes.truncate(at.max(1)),
                _ => bytes[at / 512 * 512 + 156] = b"0125LKxgS7"[random(10)],
            }
            // Sums are mended, so that what lies behind them is reached.
            for block in bytes.chunks_exact_mut(512) {
                let sum: u32 = block
                    .iter()
                    .enumerate()
                    .map(|(at, byte)| match at {
                        148..156 => 32,
                        _ => u32::from(*byte),
                    })
                    .sum();
                block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            }
        }
        let last = unpack(&mut client, &bytes, LIMITS, Links::Any);
        assert!(
            matches!(last, Event::Done { .. } | Event::Refused { .. }),
            "{last:?}"
        );
    }
    assert_eq!(fs::read_dir(client.path("secret")).unwrap().count(), 0);
    let names = fs::read_dir(client.folder.path()).unwrap();
    let mut names: Vec<_> = names.map(|it| it.unwrap().file_name()).collect();
    names.sort_unstable();
    assert_eq!(names, ["home", "secret", "work"]);
}
