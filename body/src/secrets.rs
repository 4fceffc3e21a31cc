//! Secrets: a file of the lower-case name wins over the environment.

use rand::RngExt as _;

/// The secret of this name (`OS_TOKEN`), where there is one.
pub fn find(name: &str) -> Option<String> {
    let file = name.to_lowercase();
    for folder in [crate::paths::secrets_dir(), "/run/secrets".into()] {
        if let Ok(text) = std::fs::read_to_string(folder.join(&file)) {
            let text = text.trim();
            if !text.is_empty() {
                return Some(text.to_owned());
            }
        }
    }
    std::env::var(name).ok().filter(|value| !value.is_empty())
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
    let folders = [crate::paths::secrets_dir(), "/run/secrets".into()];
    let entries = folders
        .iter()
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
