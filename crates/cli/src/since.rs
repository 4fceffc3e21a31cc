//! A time that a person gives: how long ago, or when.

use jiff::{SignedDuration, Timestamp};

/// Reads a duration before now (`90s`, `10m`, `1h30m`) or a time in RFC 3339 (`2026-11-30T12:00:00Z`).
///
/// # Errors
/// What was expected.
pub fn parse(text: &str) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    let expected = || {
        format!(
            "{text:?} isn't a duration such as 10m or 1h30m, or a time such as 2026-11-30T12:00:00Z"
        )
    };
    let ago: SignedDuration = text.parse().map_err(|_| expected())?;
    if ago.is_negative() {
        return Err(expected());
    }
    Timestamp::now().checked_sub(ago).map_err(|_| expected())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_times_are_read() {
        let at = parse("2026-11-30T12:00:00Z").unwrap();
        assert_eq!(at.as_second(), 1_796_040_000);
        for (text, seconds) in [("90s", 90), ("10m", 600), ("1h30m", 5400), ("2h", 7200)] {
            let ago = Timestamp::now().duration_since(parse(text).unwrap());
            assert!(
                (seconds - 60..=seconds + 60).contains(&ago.as_secs()),
                "{text}: {ago}"
            );
        }
        for text in ["", "soon", "10", "-5m", "12:00", "99999999999h"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
