//! Times in requests.

use serde_json::Value;

use crate::TaskError;

/// Unix milliseconds of a time in a request: Unix seconds, or a text such as `2026-12-01T08:00:00Z`.
pub(crate) fn read(field: &'static str, given: Option<&Value>) -> Result<Option<i64>, TaskError> {
    let refused = || {
        TaskError::invalid(
            field,
            "Unix seconds or a time such as 2026-12-01T08:00:00Z is expected",
        )
    };
    match given {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(number)) => {
            let seconds = number.as_f64().ok_or_else(refused)?;
            // Until the year 9999.
            if !(0.0..=253_402_300_799.0).contains(&seconds) {
                return Err(refused());
            }
            #[allow(clippy::cast_possible_truncation, reason = "the range was checked")]
            Ok(Some((seconds * 1000.0) as i64))
        }
        Some(Value::String(text)) => {
            let time: jiff::Timestamp = text.parse().map_err(|_| refused())?;
            Ok(Some(time.as_millisecond()))
        }
        Some(_) => Err(refused()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_time_is_seconds_or_text() {
        let read = |value| read("run_at", Some(&value)).ok().flatten();
        assert_eq!(read(json!(1.5)), Some(1500));
        assert_eq!(read(json!("1970-01-01T01:00:00+01:00")), Some(0));
        for wrong in [json!(-1), json!("soon"), json!([]), json!(1e300)] {
            assert_eq!(read(wrong), None);
        }
    }
}
