//! The content security policy of the pages: what they may load and do, in the window as in a
//! browser. Only the addresses that they reach differ.

/// A directive a line, all but `connect-src`. The tests of the pages have the same file.
const DIRECTIVES: &str = include_str!("../../../ui/content-security-policy.txt");

/// The policy of pages that may reach these sources (as `connect-src` has them) and no others.
#[must_use]
pub fn page_policy(sources: &str) -> String {
    let mut policy = String::new();
    for directive in DIRECTIVES.lines().filter(|line| !line.is_empty()) {
        policy.push_str(directive);
        policy.push_str("; ");
    }
    policy + "connect-src " + sources
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_names_each_kind_once_and_lets_no_script_of_others_in() {
        let policy = page_policy("ws://127.0.0.1:7");
        let directives: Vec<(&str, &str)> = policy
            .split("; ")
            .map(|one| one.split_once(' ').expect("a value"))
            .collect();
        let mut names: Vec<&str> = directives.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all, "{policy}");
        for expected in [
            ("default-src", "'self'"),
            ("script-src", "'self'"),
            ("worker-src", "'self'"),
            // Sound and film of a cell's outputs, which they hold themselves.
            ("media-src", "'self' data: blob:"),
            ("object-src", "'none'"),
            ("base-uri", "'none'"),
            ("form-action", "'none'"),
            ("frame-ancestors", "'none'"),
            ("connect-src", "ws://127.0.0.1:7"),
        ] {
            assert!(directives.contains(&expected), "{expected:?} in {policy}");
        }
    }
}
