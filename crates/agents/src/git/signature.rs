//! Who a commit of ours is by.

use std::time::{SystemTime, UNIX_EPOCH};

/// Name and address of an author, as the caller knows them: the person's git settings aren't read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    name: String,
    email: String,
}

impl Signature {
    /// With what git can't have in them left out.
    #[must_use]
    pub fn new(name: &str, email: &str) -> Self {
        let clean = |text: &str| -> String {
            let kept = text
                .chars()
                .filter(|char| !"<>".contains(*char) && !super::tree_path::is_unseen(*char));
            kept.take(200).collect::<String>().trim().to_owned()
        };
        let or = |text: String, otherwise: &str| match text.is_empty() {
            true => otherwise.to_owned(),
            false => text,
        };
        Self {
            name: or(clean(name), "Vivarium"),
            email: or(clean(email), "vivarium@localhost"),
        }
    }

    /// As a commit and a log of refs have it, at this time.
    pub(super) fn line(&self) -> String {
        let Self { name, email } = self;
        format!("{name} <{email}> {} +0000", now_s())
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn email(&self) -> &str {
        &self.email
    }
}

impl Default for Signature {
    fn default() -> Self {
        Self::new("", "")
    }
}

fn now_s() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_secs()
}
