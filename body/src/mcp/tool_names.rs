//! Names of tools and prompts at the endpoint over all servers: short enough for every client, and
//! whose they are.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use parking_lot::Mutex;

/// The longest name that all clients and models take, in letters.
const LONGEST: usize = 64;
/// Letters of the digest that ends a name that was cut.
const DIGEST: usize = 8;
/// Names that are remembered.
const MOST: usize = 16 << 10;

/// A name as it is shown: one that is too long is cut, and ends with a digest of the whole, so that
/// it stays the same for as long as server and tool keep their names.
pub fn short(name: &str) -> Cow<'_, str> {
    if name.chars().count() <= LONGEST {
        return Cow::Borrowed(name);
    }
    let kept: String = name.chars().take(LONGEST - DIGEST - 1).collect();
    let digest = blake3::hash(name.as_bytes()).to_hex();
    Cow::Owned(format!("{kept}_{}", &digest[..DIGEST]))
}

/// Whether a name may be one that was cut.
pub fn may_be_short(name: &str) -> bool {
    let end = name.rsplit('_').next().unwrap_or_default();
    name.chars().count() == LONGEST
        && end.len() == DIGEST
        && end.bytes().all(|letter| letter.is_ascii_hexdigit())
}

/// Whose a name is: a server, and what the tool or prompt is called there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub server: Arc<str>,
    pub own: String,
}

/// What lists said whose names are, for those that don't say it by themselves.
#[derive(Default)]
pub struct ListedNames {
    tools: Mutex<HashMap<String, Named>>,
    prompts: Mutex<HashMap<String, Named>>,
}

impl ListedNames {
    fn of(&self, tool: bool) -> &Mutex<HashMap<String, Named>> {
        if tool { &self.tools } else { &self.prompts }
    }

    pub fn learn(&self, tool: bool, shown: &str, named: Named) {
        let mut names = self.of(tool).lock();
        if names.len() >= MOST {
            names.clear();
        }
        names.insert(shown.to_owned(), named);
    }

    pub fn find(&self, tool: bool, shown: &str) -> Option<Named> {
        self.of(tool).lock().get(shown).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_too_long_has_one_short_form_of_its_own() {
        let fits = "a".repeat(LONGEST);
        assert_eq!(short(&fits), fits);
        let (one, other) = (format!("{fits}b"), format!("{fits}c"));
        assert_eq!(short(&one).chars().count(), LONGEST);
        assert_eq!(short(&one), short(&one));
        assert_ne!(short(&one), short(&other));
        assert!(may_be_short(&short(&one)) && !may_be_short(&fits) && !may_be_short("x_01234567"));
        assert_eq!(short(&"ä".repeat(65)).chars().count(), LONGEST);
    }
}
