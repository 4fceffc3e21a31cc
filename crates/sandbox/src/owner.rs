//! Who a sandbox belongs to.

use serde::{Deserialize, Serialize};

/// Who asks, and whom a sandbox belongs to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// The person at this computer, who sees all of them.
    Person,
    /// A program with an access token, by the token's name; it sees its own.
    Token(String),
    /// The programs of a machine, by the machine's id; they see its own.
    Machine(String),
}

impl Owner {
    /// Whether it may see and use what belongs to `other`.
    #[must_use]
    pub fn sees(&self, other: &Self) -> bool {
        matches!(self, Self::Person) || self == other
    }

    /// The token's name.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        match self {
            Self::Person | Self::Machine(_) => None,
            Self::Token(name) => Some(name),
        }
    }

    /// The machine's id.
    #[must_use]
    pub fn machine(&self) -> Option<&str> {
        match self {
            Self::Machine(id) => Some(id),
            Self::Person | Self::Token(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_sees_only_what_is_its_own() {
        let (a, b) = (Owner::Token("a".into()), Owner::Token("b".into()));
        assert!(a.sees(&a) && Owner::Person.sees(&a) && Owner::Person.sees(&Owner::Person));
        assert!(!a.sees(&b) && !a.sees(&Owner::Person));
    }

    #[test]
    fn a_machine_sees_only_what_is_its_own_also_if_a_token_has_its_name() {
        let (a, b) = (Owner::Machine("a".into()), Owner::Machine("b".into()));
        let token = Owner::Token("a".into());
        assert!(a.sees(&a) && Owner::Person.sees(&a));
        assert!(!a.sees(&b) && !a.sees(&token) && !token.sees(&a) && !a.sees(&Owner::Person));
        assert_eq!((a.token(), a.machine()), (None, Some("a")));
    }
}
