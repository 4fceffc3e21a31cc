//! Names that Linux allows: a path, an argument or a variable is bytes, seldom anything but UTF-8.

use std::{borrow::Cow, ffi::OsStr, fmt, path::Path};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::hex;

/// Bytes of a path, an argument or a variable. In JSON it is a string if the bytes are UTF-8, and
/// `{"hex": "…"}` if they aren't, so that no name is changed on its way.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(pub Vec<u8>);

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written<'a> {
    Text(Cow<'a, str>),
    Bytes { hex: String },
}

impl Name {
    /// The name's bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The name for a person: bytes that are no text are replaced.
    pub fn shown(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.shown())
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl From<String> for Name {
    fn from(text: String) -> Self {
        Self(text.into_bytes())
    }
}

impl From<&[u8]> for Name {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

#[cfg(unix)]
impl From<&OsStr> for Name {
    fn from(text: &OsStr) -> Self {
        use std::os::unix::ffi::OsStrExt;
        Self(text.as_bytes().to_vec())
    }
}

#[cfg(unix)]
impl From<&Path> for Name {
    fn from(path: &Path) -> Self {
        path.as_os_str().into()
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let written = match std::str::from_utf8(&self.0) {
            Ok(text) => Written::Text(Cow::Borrowed(text)),
            Err(_) => Written::Bytes {
                hex: hex::encode(&self.0),
            },
        };
        written.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Written::deserialize(deserializer)? {
            Written::Text(text) => Ok(Self(text.into_owned().into_bytes())),
            Written::Bytes { hex: text } => hex::decode(&text)
                .map(Self)
                .ok_or_else(|| D::Error::custom("invalid hexadecimal digits in a name")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_no_text_comes_back_as_it_was() {
        for (bytes, json) in [
            (&b"a b\n"[..], r#""a b\n""#),
            (b"\xff\x00a", r#"{"hex":"ff0061"}"#),
            (b"", r#""""#),
        ] {
            let name = Name(bytes.to_vec());
            assert_eq!(serde_json::to_string(&name).unwrap(), json);
            assert_eq!(serde_json::from_str::<Name>(json).unwrap(), name);
        }
        for wrong in [r#"{"hex":"f"}"#, r#"{"hex":"+1"}"#, "7", r#"{}"#] {
            assert!(serde_json::from_str::<Name>(wrong).is_err(), "{wrong}");
        }
    }
}
