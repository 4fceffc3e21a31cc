//! Secrets: a file of the lower-case name wins over the environment.

use std::path::{Path, PathBuf};

use rand::RngExt as _;

/// Whether what stands in a variable of this name is secret.
pub fn is_secret(name: &str) -> bool {
    name.ends_with("_API_KEY") || ["OS_TOKEN", "VNC_PASSWORD"].contains(&name)
}

/// Where files of secrets lie: those that were mounted, which change while the machine runs, then
/// those that PID 1 copied or made at boot.
pub fn folders() -> [PathBuf; 2] {
    [
        crate::paths::mounted_secrets_dir(),
        crate::paths::secrets_dir(),
    ]
}

/// The secret of this name (`OS_TOKEN`), where there is one.
pub fn find(name: &str) -> Option<String> {
    find_in(&folders(), name)
}

/// A file that is empty is none.
fn find_in(folders: &[PathBuf], name: &str) -> Option<String> {
    let file = name.to_lowercase();
    for folder in folders {
        if let Ok(text) = std::fs::read_to_string(folder.join(&file)) {
            let text = text.trim();
            if !text.is_empty() {
                return Some(text.to_owned());
            }
        }
    }
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The secret of this name, or one that is made for as long as this boot; whether it was made now.
/// A supervisor that is started anew finds what the one before it made.
pub fn find_or_make(name: &str, length: usize) -> (String, bool) {
    found_or_made(find(name), &crate::paths::secrets_dir(), name, length)
}

fn found_or_made(
    found: Option<String>,
    folder: &Path,
    name: &str,
    length: usize,
) -> (String, bool) {
    if let Some(found) = found {
        return (found, false);
    }
    let secret = make(length);
    if !folder.is_dir() {
        // No machine: `body mcp` alone.
        return (secret, true);
    }
    // As a whole: an empty file that nobody can write to would stay, and each supervisor make another.
    let file = folder.join(name.to_lowercase());
    let kept = crate::atomic_file::write(&file, secret.as_bytes(), 0o400);
    if let Err(error) = kept {
        tracing::warn!(%error, "{name} could not be kept: it is good until the supervisor is started anew");
    }
    (secret, true)
}

/// A new one, of so many letters and digits.
pub fn make(length: usize) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
    let mut random = rand::rng();
    (0..length)
        .map(|_| char::from(LETTERS[random.random_range(0..LETTERS.len())]))
        .collect()
}

/// All secrets that are keys of services: `*_API_KEY`.
pub fn api_keys() -> Vec<(String, String)> {
    let entries = folders()
        .into_iter()
        .flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten().flatten());
    let files = entries.map(|entry| entry.file_name().to_string_lossy().to_uppercase());
    let mut names: Vec<String> = files
        .chain(std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()))
        .filter(|name| name.ends_with("_API_KEY"))
        .collect();
    names.sort();
    names.dedup();
    names
        .into_iter()
        .filter_map(|name| find(&name).map(|value| (name, value)))
        .collect()
}

/// The keys that kernels get: those that `KERNEL_API_KEYS` lists, and none where it says nothing.
pub fn kernel_keys() -> Vec<(String, String)> {
    let listed = std::env::var("KERNEL_API_KEYS").unwrap_or_default();
    let names = listed.split(',').map(str::trim);
    names
        .filter(|name| name.ends_with("_API_KEY"))
        .filter_map(|name| find(name).map(|value| (name.to_owned(), value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};

    use super::*;

    #[test]
    fn what_is_made_is_made_once_a_boot() {
        let folder = tempfile::tempdir().unwrap();
        let (made, now) = found_or_made(None, folder.path(), "OS_TOKEN", 32);
        assert!(now && made.len() == 32);
        let kept = std::fs::read_to_string(folder.path().join("os_token")).unwrap();
        assert_eq!(kept, made);
        let again = found_or_made(Some(kept), folder.path(), "OS_TOKEN", 32);
        assert_eq!(again, (made, false));
    }

    #[test]
    fn a_supervisor_that_was_killed_while_it_made_one_costs_no_more_than_that_one() {
        let folder = tempfile::tempdir().unwrap();
        let name = "VIVARIUM_TEST_TOKEN";
        // Root may write to what nobody can: that it is another file is seen by its number.
        for left in ["vivarium_test_token", "vivarium_test_token.new"] {
            let options = std::fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o400)
                .to_owned();
            options.open(folder.path().join(left)).unwrap();
        }
        let file = folder.path().join("vivarium_test_token");
        let empty = std::fs::metadata(&file).unwrap().ino();
        let find = || find_in(&[folder.path().to_owned()], name);
        assert_eq!(find(), None);
        let (made, now) = found_or_made(find(), folder.path(), name, 32);
        let kept = std::fs::metadata(&file).unwrap();
        assert!(now && kept.ino() != empty);
        assert_eq!(kept.permissions().mode() & 0o777, 0o400);
        assert_eq!(
            found_or_made(find(), folder.path(), name, 32),
            (made, false)
        );
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_mounted_file_counts_over_one_of_the_boot_and_as_long_as_it_is_there() {
        let (mounted, copied) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let folders = [mounted.path().to_owned(), copied.path().to_owned()];
        let find = || find_in(&folders, "VIVARIUM_TEST_API_KEY");
        let name = "vivarium_test_api_key";
        std::fs::write(copied.path().join(name), "of the boot").unwrap();
        assert_eq!(find().as_deref(), Some("of the boot"));
        std::fs::write(mounted.path().join(name), "set since\n").unwrap();
        assert_eq!(find().as_deref(), Some("set since"));
        std::fs::remove_file(mounted.path().join(name)).unwrap();
        assert_eq!(find().as_deref(), Some("of the boot"));
    }

    #[test]
    fn keys_tokens_and_passwords_are_secret() {
        for (name, secret) in [
            ("OPENAI_API_KEY", true),
            ("OS_TOKEN", true),
            ("VNC_PASSWORD", true),
            ("KERNEL_API_KEYS", false),
            ("PATH", false),
        ] {
            assert_eq!(is_secret(name), secret, "{name}");
        }
    }
}
