//! Which names keys may have. In a machine a key is a file of the lower-case name, which counts over
//! a variable of that name: so nothing is a key that decides what runs there.

use super::error::SecretError;

const LONGEST: usize = 64;

/// Names that the machine, or every program, gives a meaning.
const RESERVED: [&str; 23] = [
    "OS_TOKEN",
    "VNC_PASSWORD",
    "HOST_HOME",
    "HOST_PWD",
    "BROWSER_USE_HEADLESS",
    "FILESYSTEM_ROOT",
    "KERNEL_PORT",
    "MCP_PORT",
    "VNC_PORT",
    "OS_ALLOWED_HOSTS",
    "OS_ALLOWED_ORIGINS",
    "KERNEL_API_KEYS",
    "LOG_LEVEL",
    "MCP_MAX_PROCESSES",
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "DISPLAY",
    "LANG",
    "TERM",
    "PWD",
];

/// Beginnings of such names.
const RESERVED_PREFIXES: [&str; 2] = ["VIVARIUM_", "LD_"];

/// Refuses what is no name of a key.
pub(super) fn check(name: &str) -> Result<(), SecretError> {
    let is_plain =
        |letter: char| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_';
    let is_valid = name.len() <= LONGEST
        && name.starts_with(|letter: char| letter.is_ascii_uppercase())
        && name.chars().all(is_plain);
    if !is_valid {
        let shown = name.chars().take(LONGEST).collect();
        return Err(SecretError::Name { name: shown });
    }
    if let Some(name) = RESERVED.iter().find(|reserved| **reserved == name) {
        return Err(SecretError::Reserved { name });
    }
    let prefix = RESERVED_PREFIXES
        .iter()
        .find(|prefix| name.starts_with(**prefix));
    prefix.map_or(Ok(()), |name| Err(SecretError::Reserved { name }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_variables_and_not_the_machines_own() {
        for name in ["OPENAI_API_KEY", "A", "GITHUB_TOKEN", "X2", &"A".repeat(64)] {
            assert!(check(name).is_ok(), "{name}");
        }
        let invalid = [
            "",
            "a_api_key",
            "A KEY",
            "1A",
            "_A",
            "A-B",
            "../A",
            "A\n",
            "Ä",
            "A=B",
        ];
        for name in invalid.into_iter().chain([&*"A".repeat(65)]) {
            assert!(
                matches!(check(name), Err(SecretError::Name { .. })),
                "{name}"
            );
        }
        for name in [
            "OS_TOKEN",
            "VNC_PASSWORD",
            "PATH",
            "VIVARIUM_X",
            "LD_PRELOAD",
        ] {
            assert!(
                matches!(check(name), Err(SecretError::Reserved { .. })),
                "{name}"
            );
        }
    }
}
