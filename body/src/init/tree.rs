//! All processes of a service, wherever they went: found in `/proc` and ended without a new process,
//! so that a service that used up the machine's limit of processes can still be ended.
//!
//! They are known by a variable of their environment, which children inherit over `setsid` and the
//! death of their parents; and where one has overwritten that, by its parent, group or session.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, getpgrp, getsid},
};

/// The variable that names the service.
pub const MARK: &str = "VIVARIUM_SERVICE";
/// How long a service's processes may take to be gone.
const LONGEST: Duration = Duration::from_secs(5);
/// So many looks that may have missed one are as good as a sure one.
const QUIET_LOOKS: u32 = 20;
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// A process as `/proc` shows it.
struct Seen {
    pid: i32,
    parent: i32,
    group: i32,
    session: i32,
    /// Those that the limit of processes counts: its threads; one that waits to be reaped is one.
    tasks: usize,
    /// It only waits to be reaped.
    ended: bool,
    /// Of which service it says that it is.
    mark: Option<String>,
}

/// Kills all of a service's processes; how many are left after a while, which nobody can end.
///
/// First all are stopped, again and again until there is no new one: what has a stop before it forks
/// no more. A number is not used again within the moment between look and signal: Linux gives them
/// out in order.
pub fn end(name: &str) -> usize {
    let deadline = Instant::now() + LONGEST;
    let mut scan = Scan::new(name);
    let (mut stopped, mut quiet) = (HashSet::new(), 0);
    loop {
        let (members, all) = scan.members();
        let late = deadline <= Instant::now();
        let frozen = members.iter().all(|pid| stopped.contains(pid));
        quiet = if frozen { quiet + 1 } else { 0 };
        // Where others start and end all the time, no look is sure.
        let sure = frozen && (all || quiet >= QUIET_LOOKS);
        if sure && members.is_empty() {
            return 0;
        }
        if late && frozen {
            // Where none is seen, one may still have slipped through each look.
            return members.len().max(1);
        }
        let number = if sure || late {
            Signal::SIGKILL
        } else {
            Signal::SIGSTOP
        };
        for pid in members {
            if stopped.insert(pid) || number == Signal::SIGKILL {
                // It may have ended, or be another user's.
                let _ = kill(Pid::from_raw(pid), number);
            }
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Asks all processes of the machine to end, but those of groups that were asked before: to some a
/// second time says to drop what they are about to save.
pub fn ask(asked: &HashSet<i32>) {
    let our_group = getpgrp().as_raw();
    let mut told = HashSet::new();
    for one in machine() {
        if one.ended || asked.contains(&one.group) {
            continue;
        }
        // A group at once, so that nobody forks past it.
        let whom = match one.group {
            group if group <= 0 || group == our_group => one.pid,
            group => -group,
        };
        if told.insert(whom) {
            // One that is stopped hears of it when it goes on.
            for signal in [Signal::SIGTERM, Signal::SIGCONT] {
                let _ = kill(Pid::from_raw(whom), signal);
            }
        }
    }
}

/// The service of which there are the most processes, and how many: those that nobody has reaped count
/// with those that have to.
pub fn largest() -> Option<(String, usize)> {
    largest_of(&machine())
}

fn largest_of(seen: &[Seen]) -> Option<(String, usize)> {
    let names: HashSet<&String> = seen.iter().filter_map(|one| one.mark.as_ref()).collect();
    let of = |name: &str| {
        let members = related(seen, name);
        let members = seen.iter().filter(|one| members.contains(&one.pid));
        members.map(|one| one.tasks).sum()
    };
    let counted = names.into_iter().map(|name| (name.clone(), of(name)));
    counted.max_by_key(|(_, count)| *count)
}

/// All processes of the machine but us. Outside of one, in tests, those that descend from us.
fn machine() -> Vec<Seen> {
    let mut seen: Vec<Seen> = listed().into_iter().filter_map(look).collect();
    let ours = std::process::id().cast_signed();
    if ours != 1 {
        let mut known = HashSet::from([ours]);
        loop {
            let before = known.len();
            let below = |one: &&Seen| known.contains(&one.parent);
            let found: Vec<i32> = seen.iter().filter(below).map(|one| one.pid).collect();
            known.extend(found);
            if known.len() == before {
                break;
            }
        }
        seen.retain(|one| known.contains(&one.pid));
    }
    seen
}

/// The numbers of all processes but us, the newest first: who lives for moments is gone by the time
/// that all others were looked at.
fn listed() -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut others: Vec<i32> = numbers
        .filter(|pid| *pid != std::process::id().cast_signed())
        .collect();
    others.sort_unstable_by_key(|pid| std::cmp::Reverse(*pid));
    others
}

/// Looks for a service's processes.
struct Scan<'a> {
    name: &'a str,
    /// Those that had ended when they were looked at before.
    ended: HashSet<i32>,
}

impl<'a> Scan<'a> {
    fn new(name: &'a str) -> Self {
        Self {
            name,
            ended: HashSet::new(),
        }
    }

    /// The numbers of those that have not ended, and whether that is all of them: one that ended
    /// since it was listed may have started another, which was not.
    fn members(&mut self) -> (HashSet<i32>, bool) {
        let (mut seen, mut ended) = (Vec::new(), HashSet::new());
        for pid in listed() {
            match look(pid) {
                Some(one) if !one.ended => seen.push(one),
                _ => {
                    ended.insert(pid);
                }
            }
        }
        let all = ended.is_subset(&self.ended);
        self.ended = ended;
        (related(&seen, self.name), all)
    }
}

/// Those marked with a name, and who belongs to them.
fn related(seen: &[Seen], name: &str) -> HashSet<i32> {
    let (our_group, our_session) = (getpgrp().as_raw(), getsid(None).map_or(0, Pid::as_raw));
    let mut members = HashSet::new();
    let (mut groups, mut sessions) = (HashSet::new(), HashSet::new());
    loop {
        let before = members.len();
        for one in seen {
            if !members.contains(&one.pid)
                && (one.mark.as_deref() == Some(name)
                    || members.contains(&one.parent)
                    || groups.contains(&one.group)
                    || sessions.contains(&one.session))
            {
                members.insert(one.pid);
                if one.group != our_group {
                    groups.insert(one.group);
                }
                if one.session != our_session {
                    sessions.insert(one.session);
                }
            }
        }
        if members.len() == before {
            return members;
        }
    }
}

/// A process that is there.
fn look(pid: i32) -> Option<Seen> {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let number = |place: usize| fields.get(place)?.parse().ok();
    let mark = environment.split(|byte| *byte == 0).find_map(|variable| {
        let name = variable.strip_prefix(MARK.as_bytes())?.strip_prefix(b"=")?;
        String::from_utf8(name.to_vec()).ok()
    });
    Some(Seen {
        pid,
        parent: number(1)?,
        group: number(2)?,
        session: number(3)?,
        tasks: usize::try_from(number(17)?).map_or(1, |threads| threads.max(1)),
        ended: matches!(*fields.first()?, "Z" | "X"),
        mark,
    })
}

#[cfg(test)]
mod tests {
    use std::{
        io::Read,
        os::unix::process::CommandExt,
        process::{Command, Stdio},
    };

    use super::*;

    #[test]
    fn what_left_its_group_its_parent_or_its_mark_is_ended_too() {
        let name = format!("tree-{}", std::process::id());
        // The last one that holds the pipe is gone when it ends.
        let script = "setsid sleep 600 & (setsid sh -c 'sleep 600 & sleep 600' &) & \
                      env -i sleep 600 & setsid env -i sh -c 'sleep 600; true' & echo up; wait";
        let mut child = Command::new("sh")
            .args(["-c", script])
            .env(MARK, &name)
            .process_group(0)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = child.stdout.take().unwrap();
        out.read_exact(&mut [0; 3]).unwrap();
        while Scan::new(&name).members().0.len() < 7 {
            std::thread::yield_now();
        }
        assert!(Scan::new("another").members().0.is_empty());
        let ending = std::thread::spawn(move || (end(&name), name));
        child.wait().unwrap();
        let (left, name) = ending.join().unwrap();
        assert_eq!((left, Scan::new(&name).members().0.len()), (0, 0));
        assert_eq!(out.read(&mut [0]).unwrap(), 0);
    }

    fn seen(pid: i32, parent: i32, group: i32, mark: &str) -> Seen {
        Seen {
            pid,
            parent,
            group,
            session: getsid(None).unwrap().as_raw(),
            tasks: 1,
            ended: mark.is_empty(),
            mark: (!mark.is_empty()).then(|| mark.to_owned()),
        }
    }

    #[test]
    fn the_largest_service_has_the_most_threads_and_unreaped_children() {
        let largest = |all: &[Seen]| largest_of(all).map(|(name, count)| format!("{name} {count}"));
        assert_eq!(largest(&[]), None);
        // The supervisor and what it started are nobody's.
        assert_eq!(largest(&[seen(2, 1, 2, ""), seen(3, 2, 3, "")]), None);
        let mut all = vec![
            seen(10, 1, 10, "kernel-main"),
            seen(20, 1, 20, "openbox"),
            seen(21, 20, 20, "openbox"),
        ];
        assert_eq!(largest(&all).unwrap(), "openbox 2");
        // Of one that ended the environment is gone.
        all.extend((0..2).map(|more| seen(11 + more, 10, 10, "")));
        assert_eq!(largest(&all).unwrap(), "kernel-main 3");
        all[2].tasks = 7;
        assert_eq!(largest(&all).unwrap(), "openbox 8");
        // Its parent has ended; its group tells.
        all.extend((0..6).map(|more| seen(30 + more, 1, 10, "")));
        assert_eq!(largest(&all).unwrap(), "kernel-main 9");
    }

    #[test]
    fn threads_and_what_waits_to_be_reaped_are_seen() {
        let mut child = Command::new("true").spawn().unwrap();
        let pid = child.id().cast_signed();
        let one = loop {
            match look(pid).unwrap() {
                one if one.ended => break one,
                _ => std::thread::yield_now(),
            }
        };
        assert_eq!((one.tasks, one.mark), (1, None));
        assert_eq!(one.parent, std::process::id().cast_signed());
        child.wait().unwrap();
        assert!(look(pid).is_none());
        std::thread::scope(|scope| {
            let other = scope.spawn(std::thread::park);
            let ours = look(std::process::id().cast_signed()).unwrap();
            other.thread().unpark();
            assert!(!ours.ended && ours.tasks > 1);
        });
    }

    #[test]
    fn chains_of_processes_that_each_start_the_next_are_ended() {
        let name = format!("chains-{}", std::process::id());
        // Each starts its successor in a session of its own, and ends; for ten seconds or so at most.
        let next = "[ $1 = 0 ] || { sleep 0.01; setsid sh -c \"$0\" \"$0\" $(($1 - 1)) & }";
        let four = "for chain in 1 2 3 4; do sh -c \"$0\" \"$0\" 600; done";
        let mut child = Command::new("sh")
            .args(["-c", four, next])
            .env(MARK, &name)
            .process_group(0)
            .spawn()
            .unwrap();
        child.wait().unwrap();
        // On a computer with much else to do the chains may be the quicker ones at first.
        assert!((0..5).any(|_| end(&name) == 0));
        let mut scan = Scan::new(&name);
        for _ in 0..10 {
            assert!(scan.members().0.is_empty());
        }
    }
}
