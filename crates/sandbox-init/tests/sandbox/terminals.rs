use frames::{
    Body,
    message::{Exec, Request, Size},
};

use crate::client::{Client, argv};

fn shell(cols: u16, rows: u16) -> Exec {
    let mut exec = argv(&["bash", "--norc", "-i"]);
    exec.pty = Some(Size { cols, rows });
    exec.input = true;
    exec.env = vec![("PS1".into(), "ready> ".into())];
    exec
}

#[test]
fn a_terminal_echoes_and_changes_its_size() {
    let mut client = Client::start();
    let stream = client.started(shell(91, 33));
    client.shows(stream, "ready>");
    client.types(stream, b"echo size $(stty size) $TERM\n");
    client.shows(stream, "echo size");
    client.shows(stream, "size 33 91 xterm-256color");
    let size = Size {
        cols: 100,
        rows: 40,
    };
    client.send(stream, &Body::Request(Request::Resize(size)));
    client.types(stream, b"stty size\n");
    client.shows(stream, "40 100");
    client.types(stream, b"exit 5\n");
    assert_eq!(client.outcome(stream).exit.code, Some(5));
}

#[test]
fn an_interrupt_that_is_typed_reaches_what_runs() {
    let mut client = Client::start();
    let stream = client.started(shell(80, 24));
    client.shows(stream, "ready>");
    // A shell that is just forking may lose an interrupt: what says this is the program itself.
    client.types(stream, b"sh -c 'echo beg''un; exec sleep 600'\n");
    client.shows(stream, "begun");
    client.types(stream, b"\x03");
    client.shows(stream, "ready>");
    client.send(stream, &Body::Close);
    // The shell takes the end of its input for one of its own.
    assert!(client.outcome(stream).exit.signal.is_none());
}

#[test]
fn an_exec_without_a_terminal_has_no_size() {
    let mut client = Client::start();
    let stream = client.started(argv(&["sleep", "600"]));
    let size = Size { cols: 1, rows: 1 };
    client.send(stream, &Body::Request(Request::Resize(size)));
    let answer = client.event(stream);
    assert!(matches!(answer, frames::message::Event::Refused { .. }));
}
