//! What an event takes of the memory, about: bytes of its JSON, and a share for each value in it,
//! since many small ones take far more than their text.

use std::io;

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};

/// A value's own share, beside its text.
const VALUE_BYTES: usize = 48;

/// About so many bytes.
pub(crate) fn weight(value: &impl Serialize) -> usize {
    let (mut text, mut values) = (Count(0), 0);
    let counting = Counting {
        values: &mut values,
    };
    let mut serializer = Serializer::with_formatter(&mut text, counting);
    // What can't be written as JSON is not sent either.
    if value.serialize(&mut serializer).is_err() {
        return VALUE_BYTES;
    }
    text.0 + (values + 1) * VALUE_BYTES
}

struct Count(usize);

impl io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Counting<'a> {
    values: &'a mut usize,
}

impl Formatter for Counting<'_> {
    fn begin_array_value<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        *self.values += 1;
        CompactFormatter.begin_array_value(writer, first)
    }

    fn begin_object_key<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        *self.values += 1;
        CompactFormatter.begin_object_key(writer, first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_small_values_weigh_more_than_one_text() {
        let text = weight(&"0,".repeat(1000));
        let values = weight(&vec![0; 1000]);
        assert!((2000..2100).contains(&text), "{text}");
        assert!(values > 1000 * VALUE_BYTES, "{values}");
    }
}
