//! Which process a number means: Linux gives numbers out again, but not with the same start.

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
