//! `sandbox-init join`: a socket in the sandbox, spoken to over pipes.

use std::{
    io::{Read, Write},
    os::unix::net::UnixListener,
    process::{Command, Stdio},
};

#[test]
fn each_word_arrives_before_the_next_one_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    let listener = UnixListener::bind(&socket).unwrap();
    let mut joins = Command::new(env!("CARGO_BIN_EXE_sandbox-init"))
        .arg("join")
        .arg(&socket)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut inside, _) = listener.accept().unwrap();
    let (mut input, mut output) = (joins.stdin.take().unwrap(), joins.stdout.take().unwrap());
    let mut word = [0; 4];
    for _ in 0..100 {
        inside.write_all(b"said").unwrap();
        output.read_exact(&mut word).unwrap();
        input.write_all(&word).unwrap();
        inside.read_exact(&mut word).unwrap();
        assert_eq!(&word, b"said");
    }
    drop(input);
    assert_eq!(inside.read(&mut word).unwrap(), 0);
    drop(inside);
    assert_eq!(output.read(&mut word).unwrap(), 0);
    assert!(joins.wait().unwrap().success());
}
