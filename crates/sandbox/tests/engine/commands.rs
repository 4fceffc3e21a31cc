//! Hostile bytes in commands, variables, folders and names: they are data, or refused with words.

use std::collections::BTreeMap;

use sandbox::{Owner, SandboxError};
use wire::{
    kernel::ShellCommand,
    sandbox::{CreateRequest, ExecRequest, SandboxState},
};

use crate::{Site, create, line, made, run, settings, soon, wanted};

fn words(words: &[&str]) -> ExecRequest {
    ExecRequest {
        command: ShellCommand::Arguments(words.iter().map(|&word| word.to_owned()).collect()),
        ..ExecRequest::default()
    }
}

/// Quotes, a shell's own signs, control characters, what a terminal obeys, what is no letter at all.
const HOSTILE: &str =
    "'\"`$(touch /tmp/owned)\\;|&\n\r\t\u{1b}[2J\u{7}\u{8}\u{202e}\u{feff}\u{fffd}\u{10ffff}--help";

#[tokio::test]
async fn bytes_of_a_command_arrive_as_they_are() {
    if !wanted() {
        return;
    }
    let (_site, sandboxes, id) = made("bytes", CreateRequest::default()).await;
    let start = async |request| sandboxes.exec(&Owner::Person, &id, request).await;
    let answer = soon(
        start(words(&["printf", "%s", HOSTILE]))
            .await
            .unwrap()
            .wait(),
    )
    .await;
    assert_eq!(answer.stdout, HOSTILE);
    let mut request = line("printf %s \"$A\"; printf %s \"$1\"; cat");
    request.env = BTreeMap::from([("A".to_owned(), HOSTILE.to_owned())]);
    request.stdin = Some(HOSTILE.into());
    let answer = soon(start(request).await.unwrap().wait()).await;
    assert_eq!(answer.stdout, [HOSTILE, HOSTILE].concat());
    // A name that a shell can't use is still the program's.
    let mut request = words(&["env", "-0"]);
    request.env = BTreeMap::from([("a b\n$(x)".to_owned(), "1".to_owned())]);
    let answer = soon(start(request).await.unwrap().wait()).await;
    assert!(
        answer.stdout.split('\0').any(|one| one == "a b\n$(x)=1"),
        "{answer:?}"
    );
    let folder = format!("/tmp/{}", HOSTILE.replace('/', "-"));
    let made = soon(
        start(words(&["mkdir", "--", &folder]))
            .await
            .unwrap()
            .wait(),
    )
    .await;
    assert_eq!(made.exit_code, Some(0), "{}", made.stderr);
    let mut request = words(&["pwd"]);
    request.cwd = Some(folder.clone());
    let answer = soon(start(request).await.unwrap().wait()).await;
    assert_eq!(answer.stdout, format!("{folder}\n"));
    assert_eq!(
        run(&sandboxes, &id, "ls /tmp/owned").await.exit_code,
        Some(2)
    );
    // Output that is no text is shown as far as it is.
    let answer = run(&sandboxes, &id, "printf 'a\\377\\0b'").await;
    assert_eq!(answer.stdout, "a\u{fffd}\0b");
    sandboxes.remove(&Owner::Person, &id).await.unwrap();
    sandboxes.stop().await;
}

#[tokio::test]
async fn what_can_not_be_a_command_is_refused_and_the_sandbox_goes_on() {
    if !wanted() {
        return;
    }
    let (_site, sandboxes, id) = made("refuses", CreateRequest::default()).await;
    let long = "x".repeat(2 << 20);
    let with = |name: &str, value: &str| ExecRequest {
        env: BTreeMap::from([(name.to_owned(), value.to_owned())]),
        ..line("true")
    };
    let at = |cwd: &str| ExecRequest {
        cwd: Some(cwd.to_owned()),
        ..line("true")
    };
    for (what, request) in [
        ("a zero byte", line("echo a\0b")),
        ("a zero byte in an argument", words(&["echo", "a\0b"])),
        ("no program", words(&[])),
        ("an empty program", words(&[""])),
        (
            "a program that is not there",
            words(&["\u{1b}[31m/no/such\n"]),
        ),
        ("a folder as a program", words(&["/tmp"])),
        ("a variable without a name", with("", "x")),
        ("a variable with an equals sign", with("A=B", "x")),
        ("a variable with a zero byte", with("A\0B", "x")),
        ("a value with a zero byte", with("A", "x\0y")),
        ("a folder that is not there", at("/no/such")),
        ("a folder with a zero byte", at("/tmp\0/x")),
        (
            "an argument that is too long",
            words(&["echo", &long[..200_000]]),
        ),
        ("a command that is too long", line(&long)),
        ("a variable that is too long", with("A", &long)),
        ("a folder that is too long", at(&long)),
    ] {
        let refused = soon(sandboxes.exec(&Owner::Person, &id, request)).await;
        assert!(
            matches!(
                refused,
                Err(SandboxError::Invalid { .. } | SandboxError::ExecFailed { .. })
            ),
            "{what}: {:?}",
            refused.map(|exec| exec.view())
        );
    }
    assert_eq!(run(&sandboxes, &id, "echo on").await.stdout, "on\n");
    let seen = sandboxes.get(&Owner::Person, &id).await.unwrap();
    assert_eq!(seen.state, SandboxState::Running);
    sandboxes.remove(&Owner::Person, &id).await.unwrap();
    sandboxes.stop().await;
}

#[tokio::test]
async fn names_of_a_sandbox_are_data() {
    if !wanted() {
        return;
    }
    let site = Site::new("names");
    let (sandboxes, _task) = site.start(settings()).await;
    let request = |more: CreateRequest| sandboxes.create(&Owner::Person, more, None);
    for image in [
        "--privileged",
        "../x",
        "a b",
        "a\nb",
        "-v/:/x",
        "",
        "A:B:C",
        "\u{202e}x",
        "$(id)",
    ] {
        let refused = soon(request(CreateRequest {
            image: Some(image.into()),
            ..CreateRequest::default()
        }))
        .await;
        assert!(refused.is_err(), "{image:?}");
    }
    assert!(site.containers().is_empty());
    // Those of people are kept as they are, and none of them is a label of the container.
    let metadata = BTreeMap::from([(HOSTILE.to_owned(), HOSTILE.to_owned())]);
    let id = create(
        &sandboxes,
        CreateRequest {
            metadata: metadata.clone(),
            env: BTreeMap::from([("A".to_owned(), HOSTILE.to_owned())]),
            ..CreateRequest::default()
        },
    )
    .await;
    let seen = sandboxes.get(&Owner::Person, &id).await.unwrap();
    assert_eq!(seen.metadata, metadata);
    let inspected = crate::docker(&["inspect", &id.container()]).concat();
    assert!(!inspected.contains("owned"), "{inspected}");
    assert_eq!(
        run(&sandboxes, &id, "printf %s \"$A\"").await.stdout,
        HOSTILE
    );
    sandboxes.remove(&Owner::Person, &id).await.unwrap();
    sandboxes.stop().await;
}
