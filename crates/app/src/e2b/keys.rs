//! What gives access to one sandbox: its two tokens, and signatures of addresses. All of them are
//! derived from one key of this computer and the sandbox's id, so that none has to be stored and they
//! are the same after a restart.

use base64::{Engine as _, prelude::BASE64_STANDARD_NO_PAD};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use wire::sandbox::SandboxId;

/// Makes the tokens of sandboxes.
#[derive(Clone)]
pub(super) struct Keys([u8; 32]);

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(..)")
    }
}

/// What an address was signed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Read,
    Write,
}

/// The parts of a signed address.
#[derive(Clone, Debug)]
pub(super) struct Signed<'a> {
    pub(super) path: &'a str,
    pub(super) operation: Operation,
    /// Empty if none is named.
    pub(super) user: &'a str,
    /// Seconds since 1970.
    pub(super) expires: Option<u64>,
    pub(super) signature: &'a str,
}

impl Keys {
    pub(super) fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    fn derived(&self, what: &str, id: &SandboxId) -> String {
        let text = format!("{what}:{id}");
        let hash = blake3::keyed_hash(&self.0, text.as_bytes());
        hash.to_hex()[..40].to_owned()
    }

    /// What a client sends to a sandbox's processes and files.
    pub(super) fn envd_token(&self, id: &SandboxId) -> String {
        self.derived("envd", id)
    }

    /// What a client sends to a sandbox's ports.
    pub(super) fn traffic_token(&self, id: &SandboxId) -> String {
        self.derived("traffic", id)
    }

    /// Whether this is one of the sandbox's tokens.
    pub(super) fn opens(&self, id: &SandboxId, given: &str) -> bool {
        let is = |token: String| bool::from(token.as_bytes().ct_eq(given.as_bytes()));
        is(self.envd_token(id)) | is(self.traffic_token(id))
    }

    /// Whether the address was signed with this sandbox's token and still counts.
    pub(super) fn signed(&self, id: &SandboxId, signed: &Signed, now_s: u64) -> bool {
        if signed.expires.is_some_and(|expires| expires < now_s) {
            return false;
        }
        let operation = match signed.operation {
            Operation::Read => "read",
            Operation::Write => "write",
        };
        let token = self.envd_token(id);
        let mut text = format!("{}:{operation}:{}:{token}", signed.path, signed.user);
        if let Some(expires) = signed.expires {
            text += &format!(":{expires}");
        }
        let own = BASE64_STANDARD_NO_PAD.encode(Sha256::digest(text.as_bytes()));
        let given = signed.signature.strip_prefix("v1_").unwrap_or_default();
        bool::from(own.as_bytes().ct_eq(given.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> SandboxId {
        text.parse().unwrap()
    }

    fn address<'a>(signature: &'a str, expires: Option<u64>) -> Signed<'a> {
        Signed {
            path: "/home/user/a b",
            operation: Operation::Read,
            user: "",
            expires,
            signature,
        }
    }

    #[test]
    fn a_token_opens_its_own_sandbox_and_no_other() {
        let keys = Keys::new([7; 32]);
        let (one, other) = (id("i1jdz0aa"), id("i1jdz0ab"));
        let token = keys.envd_token(&one);
        assert!(keys.opens(&one, &token) && keys.opens(&one, &keys.traffic_token(&one)));
        assert!(!keys.opens(&other, &token) && !keys.opens(&one, ""));
        assert!(!Keys::new([8; 32]).opens(&one, &token));
        assert_eq!(format!("{keys:?}"), "Keys(..)");
    }

    #[test]
    fn an_address_counts_for_what_it_was_signed_for() {
        let keys = Keys::new([7; 32]);
        let one = id("i1jdz0aa");
        let sign = |text: &str| {
            let text = format!("{text}:{}", keys.envd_token(&one));
            "v1_".to_owned() + &BASE64_STANDARD_NO_PAD.encode(Sha256::digest(text.as_bytes()))
        };
        let signature = sign("/home/user/a b:read:");
        assert!(keys.signed(&one, &address(&signature, None), 100));
        assert!(!keys.signed(&id("i1jdz0ab"), &address(&signature, None), 100));
        // Another path, operation, user or end is another address.
        let mut other = address(&signature, None);
        other.operation = Operation::Write;
        assert!(!keys.signed(&one, &other, 100));
        other = address(&signature, None);
        other.path = "/home/user/a";
        assert!(!keys.signed(&one, &other, 100));
        other = address(&signature, None);
        other.user = "root";
        assert!(!keys.signed(&one, &other, 100));
        assert!(!keys.signed(&one, &address(&signature, Some(200)), 100));
        assert!(!keys.signed(&one, &address("v1_", None), 100));
    }

    #[test]
    fn an_address_ends() {
        let keys = Keys::new([7; 32]);
        let one = id("i1jdz0aa");
        let text = format!("/home/user/a b:read::{}:200", keys.envd_token(&one));
        let signature =
            "v1_".to_owned() + &BASE64_STANDARD_NO_PAD.encode(Sha256::digest(text.as_bytes()));
        assert!(keys.signed(&one, &address(&signature, Some(200)), 200));
        assert!(!keys.signed(&one, &address(&signature, Some(200)), 201));
        assert!(!keys.signed(&one, &address(&signature, Some(300)), 200));
    }
}
