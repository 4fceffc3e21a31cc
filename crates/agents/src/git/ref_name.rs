//! Names of refs, and the ids by which agents' refs are named.

use std::fmt;

use super::error::GitError;

/// Below this an agent's work is kept in the person's repository.
const VIVARIUM: &str = "refs/vivarium/";
/// The longest name.
const LONGEST: usize = 200;

/// What names an agent in refs and branches: 1 to 63 lower-case letters, digits and hyphens, the
/// first one a letter or digit.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkId(String);

impl WorkId {
    /// Takes the id of an agent.
    ///
    /// # Errors
    /// [`GitError::Invalid`] for one that can't be part of a ref's name, and for `wip`, which is the
    /// name of a folder of refs.
    pub fn parse(id: &str) -> Result<Self, GitError> {
        let is_part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let is_id = (1..=63).contains(&id.len())
            && id.bytes().all(is_part)
            && !id.starts_with('-')
            && id != "wip";
        if !is_id {
            return Err(GitError::Invalid {
                what: "agent id",
                value: id.to_owned(),
            });
        }
        Ok(Self(id.to_owned()))
    }

    /// The branch on which the agent works, in its own clone.
    #[must_use]
    pub fn branch(&self) -> RefName {
        RefName(format!("refs/heads/agent/{}", self.0))
    }

    /// The ref of the agent's commits in the person's repository.
    #[must_use]
    pub fn work(&self) -> RefName {
        RefName(format!("{VIVARIUM}{}", self.0))
    }

    /// The ref of what the agent hasn't committed, in the person's repository.
    #[must_use]
    pub fn wip(&self) -> RefName {
        RefName(format!("{VIVARIUM}wip/{}", self.0))
    }
}

impl fmt::Display for WorkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The full name of a ref, such as `refs/heads/main`: one that git takes, and of which no part leads
/// out of the folder of refs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RefName(String);

impl RefName {
    /// Takes a full name.
    ///
    /// # Errors
    /// [`GitError::Invalid`] for what git refuses too (`git check-ref-format`).
    pub fn parse(name: &str) -> Result<Self, GitError> {
        let is_name = name.len() <= LONGEST && name.starts_with("refs/") && is_well_formed(name);
        if !is_name {
            return Err(GitError::Invalid {
                what: "ref name",
                value: name.to_owned(),
            });
        }
        Ok(Self(name.to_owned()))
    }

    /// Takes the name of a branch, such as `main`.
    ///
    /// # Errors
    /// [`GitError::Invalid`] for what git refuses too.
    pub fn branch(name: &str) -> Result<Self, GitError> {
        let invalid = || GitError::Invalid {
            what: "branch name",
            value: name.to_owned(),
        };
        // Git's commands take these for something else.
        if name.starts_with('-') || name == "HEAD" || name == "@" {
            return Err(invalid());
        }
        Self::parse(&format!("refs/heads/{name}")).map_err(|_| invalid())
    }

    /// The full name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Without `refs/heads/`, if it is a branch.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.strip_prefix("refs/heads/").unwrap_or(&self.0)
    }

    /// Whether it is a branch.
    #[must_use]
    pub fn is_branch(&self) -> bool {
        self.0.starts_with("refs/heads/")
    }
}

impl fmt::Display for RefName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The rules of `git check-ref-format`. Letters beyond ASCII are fine, unseen characters aren't.
fn is_well_formed(name: &str) -> bool {
    let is_forbidden =
        |char: char| char == ' ' || "~^:?*[\\".contains(char) || super::tree_path::is_unseen(char);
    let is_part = |part: &str| {
        let lower = part.to_ascii_lowercase();
        !part.is_empty()
            && !part.starts_with('.')
            && !part.ends_with('.')
            // On a file system that ignores case, `.LOCK` is the lock of another ref.
            && !lower.ends_with(".lock")
    };
    !name.chars().any(is_forbidden)
        && !name.contains("..")
        && !name.contains("@{")
        && name.split('/').all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for name in [
            "",
            "refs",
            "HEAD",
            "refs/",
            "refs//a",
            "refs/../config",
            "refs/heads/a/../../../x",
            "refs/heads/.git",
            "refs/heads/a.lock",
            "refs/heads/a.LOCK/b",
            "refs/heads/a.",
            "refs/heads/a b",
            "refs/heads/a\nb",
            "refs/heads/a\0b",
            "refs/heads/a\u{202e}b",
            "refs/heads/@{u}",
            "refs/heads/a:b",
            "refs/heads/a\\b",
            "/refs/heads/a",
        ] {
            assert!(RefName::parse(name).is_err(), "{name:?}");
        }
        assert!(RefName::parse(&format!("refs/heads/{}", "a".repeat(300))).is_err());
        for name in ["-d", "HEAD", "@", "", "../x"] {
            assert!(RefName::branch(name).is_err(), "{name:?}");
        }
        assert_eq!(RefName::branch("fix/ä-1").unwrap().short(), "fix/ä-1");
    }

    #[test]
    fn ids_are_plain_and_none_is_a_folder_of_refs() {
        for id in [
            "",
            "wip",
            "A",
            "a/b",
            "..",
            "-a",
            "a.lock",
            "ä",
            &"a".repeat(64),
        ] {
            assert!(WorkId::parse(id).is_err(), "{id:?}");
        }
        let id = WorkId::parse("01-ab").unwrap();
        assert_eq!(id.work().as_str(), "refs/vivarium/01-ab");
        assert_eq!(id.wip().as_str(), "refs/vivarium/wip/01-ab");
        assert_eq!(id.branch().short(), "agent/01-ab");
    }
}
