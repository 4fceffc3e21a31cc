//! Revisions of the protocol.

/// Those with `initialize` and sessions, oldest first.
pub const WITH_SESSIONS: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];
/// The newest of them.
pub const NEWEST_WITH_SESSIONS: &str = "2025-11-25";
/// The one where every request stands for itself.
pub const STATELESS: &str = "2026-07-28";
/// The one that knows batches over HTTP.
pub const BATCHES: &str = "2025-03-26";
/// The first one whose clients take an event without data, to come back with its id.
pub const PRIMES: &str = "2025-11-25";

/// What is spoken with a client that asks for one revision, to a server that speaks another.
pub fn agreed(asked: &str, server: &str) -> String {
    let known = |version: &str| {
        WITH_SESSIONS
            .iter()
            .find(|known| **known == version)
            .copied()
    };
    let asked = known(asked).unwrap_or(NEWEST_WITH_SESSIONS);
    // Dates sort as they are.
    match known(server) {
        Some(server) if server < asked => server.to_owned(),
        _ => asked.to_owned(),
    }
}

/// All that a client may ask for, newest first.
pub fn all() -> Vec<&'static str> {
    let mut all = vec![STATELESS];
    all.extend(WITH_SESSIONS.iter().rev());
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_of_both_is_spoken() {
        assert_eq!(agreed("2025-03-26", "2025-11-25"), "2025-03-26");
        assert_eq!(agreed("2025-11-25", "2024-11-05"), "2024-11-05");
        assert_eq!(agreed("2099-01-01", "2025-11-25"), "2025-11-25");
        assert_eq!(agreed("2025-06-18", "odd"), "2025-06-18");
    }
}
