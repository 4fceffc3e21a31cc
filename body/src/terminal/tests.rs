use std::{sync::Arc, time::Duration};

use tokio_util::task::TaskTracker;
use wire::job::{JobOwner, JobState};

use super::*;

struct Room {
    terminals: Arc<Terminals>,
    shell: Shell,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Room {
    fn new() -> Self {
        let shell = Shell::new("/".into());
        shell.context.set("PS1", "$ ").unwrap();
        shell.context.set("HOME", "/nowhere").unwrap();
        Self {
            terminals: Arc::default(),
            shell,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        }
    }

    fn open(&self, name: &str) -> Arc<Terminal> {
        let (shell, tasks) = (&self.shell, &self.tasks);
        let opened = self
            .terminals
            .open(name, JobOwner::Person, shell, tasks, &self.stop);
        opened.unwrap()
    }

    async fn end(self) {
        self.stop.cancel();
        self.tasks.close();
        tokio::time::timeout(DEADLINE, self.tasks.wait())
            .await
            .unwrap();
    }
}

const DEADLINE: Duration = Duration::from_secs(120);

/// Reads as a viewer does, until it has seen this.
async fn sees(view: (Vec<u8>, broadcast::Receiver<Bytes>), wanted: &str) {
    shows(view, wanted, |seen| seen.contains(wanted)).await;
}

async fn shows(
    view: (Vec<u8>, broadcast::Receiver<Bytes>),
    what: &str,
    is_there: impl Fn(&str) -> bool,
) {
    let (mut seen, mut pieces) = view;
    let reading = async {
        while !is_there(&String::from_utf8_lossy(&seen)) {
            seen.extend_from_slice(&pieces.recv().await.unwrap());
        }
    };
    let read = tokio::time::timeout(DEADLINE, reading).await;
    read.unwrap_or_else(|_| panic!("no {what:?} in {:?}", String::from_utf8_lossy(&seen)));
}

#[tokio::test]
async fn several_viewers_see_the_same_and_it_goes_on_without_them() {
    let room = Room::new();
    let terminal = room.open("a");
    let (first, second) = (terminal.view(), room.open("a").view());
    terminal.resize(Some(91), Some(33)).unwrap();
    terminal
        .write(b"echo size $(stty size) in $PWD\n")
        .await
        .unwrap();
    sees(first, "size 33 91 in /").await;
    sees(second, "size 33 91 in /").await;
    // Nobody looks now; the next one sees what there was and can interrupt it.
    terminal
        .write(b"PS1='ready> '; x=kept; bash -c 'echo on $(tty); exec sleep 600'\n")
        .await
        .unwrap();
    drop(terminal);
    let terminal = room.open("a");
    sees(terminal.view(), "on /dev/pts/").await;
    terminal.write(b"\x03").await.unwrap();
    // What is typed before the shell has taken the interrupt in goes with it: its prompt says
    // that it has.
    let prompt = |seen: &str| {
        let after = seen.rsplit_once("^C");
        after.is_some_and(|(_, after)| after.contains("ready> "))
    };
    shows(terminal.view(), "prompt after the interrupt", prompt).await;
    // Known for what it is, as all that it starts.
    terminal
        .write(b"echo it is $x $VIVARIUM_SERVICE\n")
        .await
        .unwrap();
    sees(terminal.view(), "it is kept terminal").await;
    room.end().await;
}

#[tokio::test]
async fn a_size_is_one_that_fits_from_the_beginning() {
    let room = Room::new();
    room.shell.context.set("PATH", "/nowhere").unwrap();
    let terminal = room.open("a");
    let size = || {
        let size = tcgetwinsize(&terminal.pty).unwrap();
        (size.ws_col, size.ws_row)
    };
    assert_eq!(size(), SIZE);
    terminal.resize(Some(0), Some(0)).unwrap();
    assert_eq!(size(), (1, 1));
    terminal.resize(Some(u16::MAX), Some(40)).unwrap();
    assert_eq!(size(), (1000, 40));
    // A second viewer that has none of its own.
    terminal.resize(None, None).unwrap();
    terminal.resize(None, Some(50)).unwrap();
    assert_eq!(size(), (1000, 50));
    let view = terminal.view();
    terminal.write(b"echo star''ted\n").await.unwrap();
    sees(view, "started").await;
    room.end().await;
}

#[tokio::test]
async fn a_shell_that_ends_makes_room_for_another() {
    let room = Room::new();
    let terminal = room.open("a");
    let view = terminal.view();
    terminal.write(b"echo by''e; exit 3\n").await.unwrap();
    sees(view, "bye").await;
    tokio::time::timeout(DEADLINE, terminal.ended())
        .await
        .unwrap();
    let again = room.open("a");
    assert!(!Arc::ptr_eq(&terminal, &again));
    room.end().await;
}

#[tokio::test]
async fn a_terminal_is_listed_and_can_be_hung_up() {
    let room = Room::new();
    let terminal = room.open("work");
    let job = room.terminals.jobs().remove(0);
    assert_eq!((job.title.as_str(), job.state), ("work", JobState::Running));
    assert!(job.can_cancel && !room.terminals.cancel("another"));
    assert!(room.terminals.cancel(&job.id));
    tokio::time::timeout(DEADLINE, terminal.ended())
        .await
        .unwrap();
    let is_over = async {
        while !room.terminals.jobs()[0].state.is_over() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, is_over).await.unwrap();
    let ended = room.terminals.jobs().remove(0);
    assert_eq!((ended.id, ended.state), (job.id, JobState::Cancelled));
    assert!(ended.exit.is_some() && !ended.can_cancel);
    room.end().await;
}
