//! Which process a number means (Linux gives numbers out again, but not with the same start), and
//! whether it is stopped.

/// When a process started, in ticks since boot, and its session.
pub fn stat(pid: u32) -> Option<(u64, i32)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    // One that is dead and only waits for its parent runs no more.
    if fields.first() == Some(&"Z") {
        return None;
    }
    Some((fields.get(19)?.parse().ok()?, fields.get(3)?.parse().ok()?))
}

/// Whether a process is stopped: neither running nor waiting for anything.
pub fn is_stopped(pid: i32) -> bool {
    fields(&pid.to_string()).is_some_and(|(state, _)| is_stop(&state))
}

/// Whether any process of a group is.
pub fn is_any_stopped(group: i32) -> bool {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut names = processes.filter_map(|entry| entry.file_name().into_string().ok());
    names.any(|name| {
        name.starts_with(|letter: char| letter.is_ascii_digit())
            && fields(&name).is_some_and(|(state, of)| of == group && is_stop(&state))
    })
}

fn is_stop(state: &str) -> bool {
    // By a signal, or by a debugger.
    state == "T" || state == "t"
}

/// A process's state, and its group.
fn fields(pid: &str) -> Option<(String, i32)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.to_owned();
    Some((state, fields.nth(1)?.parse().ok()?))
}
