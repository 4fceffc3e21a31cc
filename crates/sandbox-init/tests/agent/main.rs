//! The first process of an agent's container, as a process of this computer: with a terminal that is a
//! few lines of shell, so that no tmux is needed.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

mod helper;
mod hooks;
mod hostile;
mod keys;
mod lives;

use std::time::{Duration, Instant};

/// Waits until something is so.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
