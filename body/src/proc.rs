//! Which process a number means: Linux gives numbers out again, but not with the same start.

use std::{fs::File, io::Read};

/// When a process started, in ticks since boot, and its session.
pub fn stat(pid: u32) -> Option<(u64, i32)> {
    // About 50 numbers and a name of 64 bytes at the most: one read, as this is done for each command.
    let mut text = [0; 2048];
    let length = File::open(format!("/proc/{pid}/stat"))
        .and_then(|mut file| file.read(&mut text))
        .ok()?;
    let text = String::from_utf8_lossy(&text[..length]);
    // The name in parentheses may hold anything.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    // One that is dead and only waits for its parent runs no more.
    if fields.first() == Some(&"Z") {
        return None;
    }
    Some((fields.get(19)?.parse().ok()?, fields.get(3)?.parse().ok()?))
}
