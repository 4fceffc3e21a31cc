//! The engine's times (RFC 3339) as Unix milliseconds.

/// `2026-11-21T04:05:06.789Z` (also with an offset) → Unix milliseconds; `None` for what isn't a time
/// or is before 1970, as engines write for "never".
pub(crate) fn unix_ms(time: &str) -> Option<u64> {
    let time: jiff::Timestamp = time.parse().ok()?;
    u64::try_from(time.as_millisecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engine_times_become_unix_ms() {
        assert_eq!(unix_ms("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(unix_ms("2024-02-29T12:00:00.5Z"), Some(1_709_208_000_500));
        assert_eq!(
            unix_ms("2024-02-29T14:00:00.123456789+02:00"),
            Some(1_709_208_000_123)
        );
        assert_eq!(unix_ms("0001-01-01T00:00:00Z"), None);
        assert_eq!(unix_ms("soon"), None);
    }
}
