//! Where a test kills the process in the middle of a run, as a power cut would.

/// Every place, in the order in which a run comes by.
pub const FAILPOINTS: &[&str] = &[
    "prepare", "prepared", "build", "built", "prove", "proving", "carry", "closed", "stored",
    "swap", "created", "stopped", "renamed", "placed", "started", "settle", "reloaded", "marked",
    "tidy", "removed", "undo",
];

/// Kills this process where `VIVARIUM_FAILPOINT` names the place. Only in debug builds; others
/// never read the variable.
pub(crate) fn failpoint(place: &str) {
    debug_assert!(FAILPOINTS.contains(&place), "{place} is not in the list");
    #[cfg(debug_assertions)]
    if std::env::var_os("VIVARIUM_FAILPOINT").is_some_and(|wanted| wanted == place) {
        let _ = nix::sys::signal::kill(nix::unistd::getpid(), nix::sys::signal::Signal::SIGKILL);
    }
}
