//! Keys that a person stores once and hands to machines: what a view sees of them, which is never
//! a value.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};

/// Answer of every command about keys: what is stored after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct SecretList {
    /// The keys, by name.
    pub secrets: Vec<SecretEntry>,
    /// Where a key is stored that is set now.
    pub place: SecretPlace,
    /// Why the keychain isn't used, if it isn't.
    pub without_keychain: Option<String>,
    /// The folder of the keys that are in files.
    pub folder: String,
}

/// A key without its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct SecretEntry {
    /// Its name, such as `OPENAI_API_KEY`.
    pub name: String,
    /// Names of the machines that have it.
    pub machines: Vec<String>,
    /// Where its value is stored.
    pub place: SecretPlace,
}

/// Where a key's value is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum SecretPlace {
    /// The keychain of the operating system.
    Keychain,
    /// A file that only its owner can read.
    File,
}

/// Asks for `secret_set`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct SecretSetRequest {
    /// Capital letters, digits and `_`.
    pub name: String,
    /// The key itself.
    #[cfg_attr(feature = "ts", ts(type = "string"))]
    pub value: SecretValue,
    /// Names of the machines that have it from now on; those that have it already if `None`.
    #[serde(default)]
    pub machines: Option<Vec<String>>,
}

/// Asks for `secret_hand`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct SecretHandRequest {
    /// Which key.
    pub name: String,
    /// Names of the machines that have it from now on, and no others.
    pub machines: Vec<String>,
}

/// Names a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct SecretName {
    /// As `secret_list` has it.
    pub name: String,
}

/// A key's value. It is not printed by `Debug`, and an error about it doesn't repeat it.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct SecretValue(String);

impl SecretValue {
    /// Of a text.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The text, for where the key is handed over.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(•••)")
    }
}

impl<'de> Deserialize<'de> for SecretValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // serde's own error would repeat what was given.
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => Ok(Self(text)),
            _ => Err(de::Error::custom("a key's value is a string")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_debug_nor_an_error_repeats_a_value() {
        let request: SecretSetRequest =
            serde_json::from_str(r#"{"name":"A_API_KEY","value":"s3cret"}"#).expect("a request");
        assert!(!format!("{request:?}").contains("s3cret"));
        assert_eq!(request.value.reveal(), "s3cret");
        for wrong in [r#"["s3cret"]"#, "5463", r#"{"s3cret":1}"#] {
            let error = serde_json::from_str::<SecretSetRequest>(&format!(
                r#"{{"name":"A_API_KEY","value":{wrong}}}"#
            ))
            .expect_err("no request");
            assert!(!error.to_string().contains("s3cret") && !error.to_string().contains("5463"));
        }
    }
}
