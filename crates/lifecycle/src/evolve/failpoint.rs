//! Where a test kills the process in the middle of a run, as a power cut would.

/// Every place, in the order in which a run comes by.
pub const FAILPOINTS: &[&str] = &[
    "prepare", "prepared", "build", "built", "prove", "proving", "carry", "closed", "stored",
    "swap", "created", "stopped", "renamed", "placed", "started", "settle", "reloaded", "marked",
    "tidy", "removed", "undo",
];

/// More places, that a run comes by where a machine replaces itself.
pub const RESTARTER_FAILPOINTS: &[&str] = &["handing", "handed"];

/// Kills this process where `VIVARIUM_FAILPOINT` names the place, or the file that
/// `VIVARIUM_FAILPOINT_FILE` names does: once, as what is killed in a container is started again.
/// With ` hang` behind the place, the process stays there. Only in debug builds; others never
/// read the variables.
pub(crate) fn failpoint(place: &str) {
    let known = FAILPOINTS.contains(&place) || RESTARTER_FAILPOINTS.contains(&place);
    debug_assert!(known, "{place} is not in the list");
    #[cfg(debug_assertions)]
    match wanted(place).as_deref() {
        None => {}
        Some("hang") => loop {
            std::thread::park();
        },
        Some(_) => {
            let _ =
                nix::sys::signal::kill(nix::unistd::getpid(), nix::sys::signal::Signal::SIGKILL);
            // The first process of a container can't kill itself.
            std::process::exit(137);
        }
    }
}

/// What is to happen at this place.
#[cfg(debug_assertions)]
fn wanted(place: &str) -> Option<String> {
    if std::env::var_os("VIVARIUM_FAILPOINT").is_some_and(|wanted| wanted == place) {
        return Some(String::new());
    }
    let file = std::env::var_os("VIVARIUM_FAILPOINT_FILE")?;
    let text = std::fs::read_to_string(&file).ok()?;
    let how = text.trim().strip_prefix(place)?;
    let is_here = how.is_empty() || how.starts_with(' ');
    (is_here && std::fs::remove_file(&file).is_ok()).then(|| how.trim().to_owned())
}
