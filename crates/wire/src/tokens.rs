//! Access tokens that a person makes for programs: what each may do, and what a view sees of them.
//! A token itself is shown once, when it is made; kept is its hash.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::secrets::SecretValue;

/// What every token begins with; 40 hexadecimal digits follow. Clients of E2B, which also speak to
/// `vivarium serve`, send only keys of this form.
pub const TOKEN_PREFIX: &str = "e2b_";
/// The file of a machine's secrets folder that has a [`TokenFile`].
pub const TOKEN_FILE: &str = "tokens.json";

/// What a token may do. Written as `read`, `exec`, `admin`, `mcp:NAME`, `mcp:*`.
///
/// `admin` includes all others, `exec` all but `admin`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// See state, logs, results.
    Read,
    /// Run code and commands, use the desktop and every MCP server.
    Exec,
    /// Everything, also settings, evolves and MCP configuration.
    Admin,
    /// Use one MCP server, or all of them if the name is `*`.
    Mcp(String),
}

/// A text isn't a scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeError(String);

impl fmt::Display for ScopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text: String = self.0.chars().take(64).collect();
        write!(
            f,
            "{text:?} isn't a scope: use read, exec, admin, mcp:NAME or mcp:*"
        )
    }
}

impl std::error::Error for ScopeError {}

impl Scope {
    /// The scope for all MCP servers.
    #[must_use]
    pub fn every_mcp_server() -> Self {
        Self::Mcp("*".into())
    }

    /// Whether a token of this scope may do what `needed` names.
    #[must_use]
    pub fn covers(&self, needed: &Self) -> bool {
        match (self, needed) {
            (Self::Admin, _)
            | (Self::Exec, Self::Read | Self::Exec | Self::Mcp(_))
            | (Self::Read, Self::Read) => true,
            (Self::Mcp(own), Self::Mcp(needed)) => own == "*" || own == needed,
            _ => false,
        }
    }
}

/// Whether one of a token's scopes covers what is needed.
#[must_use]
pub fn allows(scopes: &[Scope], needed: &Scope) -> bool {
    scopes.iter().any(|scope| scope.covers(needed))
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read => f.write_str("read"),
            Self::Exec => f.write_str("exec"),
            Self::Admin => f.write_str("admin"),
            Self::Mcp(name) => write!(f, "mcp:{name}"),
        }
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        let is_name = |name: &str| {
            !name.is_empty()
                && name.len() <= 64
                && !name.contains(|c: char| c.is_control() || c == ',')
        };
        match text {
            "read" => Ok(Self::Read),
            "exec" => Ok(Self::Exec),
            "admin" => Ok(Self::Admin),
            _ => match text.strip_prefix("mcp:") {
                Some(name) if is_name(name) && (name == "*" || !name.contains('*')) => {
                    Ok(Self::Mcp(name.into()))
                }
                _ => Err(ScopeError(text.into())),
            },
        }
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

/// What a machine reads of the tokens that it accepts besides its own. No token can be made of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenFile {
    /// One for each token.
    pub tokens: Vec<TokenRecord>,
}

/// A token as a machine knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// Its name.
    pub name: String,
    /// BLAKE3 of the token, in hex.
    pub hash: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
}

/// Answer of `token_list` and `token_remove`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct TokenList {
    /// By name.
    pub tokens: Vec<TokenEntry>,
}

/// A token without what it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct TokenEntry {
    /// Its name.
    pub name: String,
    /// What it may do.
    #[cfg_attr(feature = "ts", ts(type = "Array<string>"))]
    pub scopes: Vec<Scope>,
    /// Names of the machines that it is for; `None` if it is for all of them and for the app's own
    /// API.
    pub machines: Option<Vec<String>>,
    /// When it was made, in Unix milliseconds.
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub created_at_ms: u64,
}

/// Asks for `token_create`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct TokenCreateRequest {
    /// Letters, digits, `_`, `.` and `-`.
    pub name: String,
    /// What it may do.
    #[cfg_attr(feature = "ts", ts(type = "Array<string>"))]
    pub scopes: Vec<Scope>,
    /// Names of the machines that it is for; all of them and the app's own API if `None`.
    #[serde(default)]
    pub machines: Option<Vec<String>>,
    /// Whether a number is added to a name that is taken, instead of refusing it.
    #[serde(default)]
    pub numbered: bool,
}

/// Answer of `token_create`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct TokenCreated {
    /// The token. Nobody can show it again.
    #[cfg_attr(feature = "ts", ts(type = "string"))]
    pub token: SecretValue,
    /// What it may do.
    pub entry: TokenEntry,
}

/// Names a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct TokenName {
    /// As `token_list` has it.
    pub name: String,
}

/// One of the two credentials that every machine makes for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum CredentialKind {
    /// The token of its API and MCP endpoint, with every scope.
    Token,
    /// The password of its VNC server.
    VncPassword,
}

/// Asks for `machine_credential`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct CredentialRequest {
    /// Which of them.
    pub credential: CredentialKind,
}

/// Answer of `machine_credential`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct CredentialText {
    /// The credential.
    #[cfg_attr(feature = "ts", ts(type = "string"))]
    pub text: SecretValue,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(text: &str) -> Scope {
        text.parse().expect("a scope")
    }

    #[test]
    fn scopes_are_written_as_they_are_read() {
        for text in ["read", "exec", "admin", "mcp:computer", "mcp:*", "mcp:a b"] {
            assert_eq!(scope(text).to_string(), text);
            let json = serde_json::to_string(&scope(text)).expect("JSON");
            assert_eq!(
                serde_json::from_str::<Scope>(&json).expect("a scope"),
                scope(text)
            );
        }
        for text in [
            "", "Read", "mcp", "mcp:", "mcp:a,b", "mcp:a*", "write", "mcp:a\n", "exec ",
        ] {
            assert!(text.parse::<Scope>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_each_scope_covers() {
        let all = ["read", "exec", "admin", "mcp:a", "mcp:b", "mcp:*"];
        let covered = |own: &str| {
            let covered = all
                .into_iter()
                .filter(|needed| scope(own).covers(&scope(needed)));
            covered.collect::<Vec<_>>()
        };
        assert_eq!(covered("read"), ["read"]);
        assert_eq!(covered("exec"), ["read", "exec", "mcp:a", "mcp:b", "mcp:*"]);
        assert_eq!(covered("admin"), all);
        assert_eq!(covered("mcp:a"), ["mcp:a"]);
        assert_eq!(covered("mcp:*"), ["mcp:a", "mcp:b", "mcp:*"]);
        assert!(!allows(&[], &Scope::Read));
        assert!(allows(&[scope("mcp:a"), scope("read")], &Scope::Read));
    }
}
