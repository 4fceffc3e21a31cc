//! When a schedule's times are: cron expressions in a time zone. An hour that the clock skips has its runs
//! right behind it, one that it repeats has them once, as cron does.

use std::str::FromStr as _;

use jiff::{Timestamp, tz::TimeZone};
use wire::task::{MissedRuns, ScheduleRequest};

use crate::TaskError;

/// Times of one schedule that are made good for at once.
const MOST_MISSED: usize = 100;

/// The times of a schedule.
#[derive(Debug)]
pub struct Cron {
    pattern: croner::Cron,
    zone: TimeZone,
}

impl Cron {
    /// Reads the times of a schedule.
    ///
    /// # Errors
    /// [`TaskError::Invalid`] with the field's name.
    pub fn of(request: &ScheduleRequest) -> Result<Self, TaskError> {
        let pattern = croner::Cron::from_str(&request.cron)
            .map_err(|error| TaskError::invalid("cron", error.to_string()))?;
        let name = request.time_zone.as_deref().unwrap_or("UTC");
        let zone = TimeZone::get(name).map_err(|_| {
            let reason = format!("{name:?} isn't an IANA time zone such as Europe/Berlin");
            TaskError::invalid("time_zone", reason)
        })?;
        Ok(Self { pattern, zone })
    }

    /// Unix milliseconds of the first time after this one.
    #[must_use]
    pub fn next(&self, after_ms: i64) -> Option<i64> {
        let after = Timestamp::from_millisecond(after_ms).ok()?;
        let after = after.to_zoned(self.zone.clone());
        let next = self.pattern.find_next_occurrence(&after, false).ok()?;
        Some(next.timestamp().as_millisecond())
    }

    /// How many tasks are made for a time that came and those that passed since, and the next one.
    #[must_use]
    pub fn due(&self, came_ms: i64, now_ms: i64, missed: MissedRuns) -> (usize, Option<i64>) {
        let mut passed = 0;
        let mut next = Some(came_ms);
        while let Some(time) = next.filter(|time| *time <= now_ms) {
            passed += 1;
            next = if passed < MOST_MISSED {
                self.next(time)
            } else {
                self.next(now_ms)
            };
        }
        let count = match missed {
            MissedRuns::All => passed,
            MissedRuns::Once => passed.min(1),
            // The last time counts as missed only if it is long past.
            MissedRuns::Skip => usize::from(passed == 1 && now_ms - came_ms < ON_TIME_MS),
        };
        (count, next)
    }
}

/// A time that came no longer ago than this was not missed.
const ON_TIME_MS: i64 = 60_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn cron(text: &str, zone: Option<&str>) -> Result<Cron, TaskError> {
        let request = serde_json::json!({
            "cron": text, "time_zone": zone, "task": {"kind": "exec"},
        });
        Cron::of(&serde_json::from_value(request).unwrap())
    }

    fn times(cron: &Cron, after: &str, count: usize) -> Vec<String> {
        let mut at = after.parse::<Timestamp>().unwrap().as_millisecond();
        let mut times = Vec::new();
        for _ in 0..count {
            at = cron.next(at).unwrap();
            times.push(Timestamp::from_millisecond(at).unwrap().to_string());
        }
        times
    }

    #[test]
    fn a_day_in_berlin_begins_when_it_does_there() {
        let cron = cron("0 9 * * *", Some("Europe/Berlin")).unwrap();
        // The clocks went forward on 2026-03-29.
        assert_eq!(
            times(&cron, "2026-03-27T12:00:00Z", 3),
            [
                "2026-03-28T08:00:00Z",
                "2026-03-29T07:00:00Z",
                "2026-03-30T07:00:00Z"
            ]
        );
    }

    #[test]
    fn an_hour_that_comes_twice_runs_once() {
        let cron = cron("30 2 * * *", Some("Europe/Berlin")).unwrap();
        // The clocks went back at three on 2026-10-25.
        let found = times(&cron, "2026-10-24T12:00:00Z", 2);
        assert_eq!(found[1], "2026-10-26T01:30:00Z", "{found:?}");
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_its_field() {
        let words = |cron: Result<Cron, TaskError>| cron.unwrap_err().to_string();
        assert!(words(cron("every day", None)).starts_with("invalid cron: "));
        assert!(words(cron("* * * * *", Some("Moon/Base"))).contains("IANA"));
    }

    #[test]
    fn times_that_passed_are_made_good_for_as_asked() {
        let cron = cron("* * * * *", None).unwrap();
        let (minute, now) = (60_000, 10 * 60_000 + 30_000);
        let next = Some(11 * minute);
        assert_eq!(cron.due(minute, now, MissedRuns::Once), (1, next));
        assert_eq!(cron.due(minute, now, MissedRuns::All), (10, next));
        assert_eq!(cron.due(minute, now, MissedRuns::Skip), (0, next));
        assert_eq!(cron.due(10 * minute, now, MissedRuns::Skip), (1, next));
        // Half a year of minutes isn't made good for one by one.
        let late = 262_800 * minute + 1;
        assert_eq!(cron.due(minute, late, MissedRuns::All).0, 100);
    }
}
