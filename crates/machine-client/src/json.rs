//! JSON that comes from inside a machine. Few bytes can be very many values (`[],[],[]…`), which take
//! many times as much memory once they are read: so they are counted before.

use serde::de::DeserializeOwned;

/// The most values of one text: numbers, texts, lists, objects and their fields.
pub const MOST_VALUES: usize = 4_000_000;

/// Why a text could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// It has more values than anything that is asked for.
    #[error("it has more than {limit} values")]
    TooMany {
        /// The most that are read.
        limit: usize,
    },
    /// It isn't JSON, or not of the expected shape.
    #[error(transparent)]
    Invalid(#[from] serde_json::Error),
}

/// Reads a text of [`MOST_VALUES`] at most.
///
/// # Errors
/// [`JsonError`].
pub fn from_slice<T: DeserializeOwned>(text: &[u8]) -> Result<T, JsonError> {
    from_slice_up_to(text, MOST_VALUES)
}

fn from_slice_up_to<T: DeserializeOwned>(text: &[u8], limit: usize) -> Result<T, JsonError> {
    if values(text) > limit {
        return Err(JsonError::TooMany { limit });
    }
    Ok(serde_json::from_slice(text)?)
}

/// About how many values there are: what begins or separates them is counted, outside of texts.
fn values(text: &[u8]) -> usize {
    let (mut count, mut is_text, mut is_escaped) = (1, false, false);
    for byte in text {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_text => is_escaped = true,
            b'"' => is_text = !is_text,
            b',' | b'[' | b'{' | b':' if !is_text => count += 1,
            _ => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn values_are_counted_outside_of_texts() {
        assert_eq!(values(b"7"), 1);
        assert_eq!(values(br#""[,:{\"[,\\""#), 1);
        assert_eq!(values(br#"{"a":[1,2,3],"b":{}}"#), 9);
        assert_eq!(values(br#"["\\",1]"#), 3);
    }

    #[test]
    fn few_bytes_of_many_values_are_not_read() {
        let many = format!("[{}[]]", "[],".repeat(1000));
        let refused = from_slice_up_to::<Value>(many.as_bytes(), 1000);
        assert!(matches!(refused, Err(JsonError::TooMany { limit: 1000 })));
        // A long text is one.
        let long = json!(["[],".repeat(1_000_000)]).to_string();
        assert!(from_slice_up_to::<Value>(long.as_bytes(), 10).is_ok());
        assert!(matches!(
            from_slice::<Value>(b"{"),
            Err(JsonError::Invalid(_))
        ));
    }
}
