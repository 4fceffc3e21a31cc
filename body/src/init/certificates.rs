//! Certificates of a network that inspects TLS: the image was built with them, and what runs in the
//! machine needs them as much, to install packages or to open a page. They are in no image; the
//! computer's person gave them, and they lie in the repo.

use std::{
    fs::File,
    io::Read,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// Those that the image has.
pub const SYSTEM: &str = "/etc/ssl/certs/ca-certificates.crt";
/// Where builds find the network's.
pub const GIVEN: &str = "/repo/body/build-ca";
/// More files, or larger ones, are no certificates of a network.
const MOST_FILES: usize = 64;
const MOST_BYTES: u64 = 4 << 20;
const BEGINS: &str = "-----BEGIN CERTIFICATE-----";

/// What takes a bundle that stands for all certificates: Python's `ssl`, requests, pip, curl, git, Node.js.
const VARIABLES: [&str; 6] = [
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "PIP_CERT",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "NODE_EXTRA_CA_CERTS",
];

/// Writes the image's certificates and those of the folder as one file. Returns the variables that name it; none
/// if the folder has no certificates.
pub fn variables(
    system: &Path,
    folder: &Path,
    bundle: &Path,
) -> std::io::Result<Vec<(String, String)>> {
    let given = given(folder);
    if given.is_empty() {
        return Ok(Vec::new());
    }
    let mut all = std::fs::read_to_string(system)?;
    for text in given {
        all.push('\n');
        all.push_str(text.trim());
        all.push('\n');
    }
    crate::atomic_file::write(bundle, all.as_bytes(), 0o644)?;
    let bundle = bundle.display().to_string();
    Ok(VARIABLES.map(|name| (name.into(), bundle.clone())).into())
}

/// The folder's certificates, by file name.
fn given(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "crt"))
        .collect();
    paths.sort();
    paths.truncate(MOST_FILES);
    paths.iter().filter_map(|path| certificates(path)).collect()
}

/// What a file has, if that is certificates. A link or a pipe is none: whatever runs in the machine may have made it.
fn certificates(path: &Path) -> Option<String> {
    let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
    let file = File::options().read(true).custom_flags(flags).open(path);
    let file = file.ok().filter(|file| {
        let found = file.metadata();
        found.is_ok_and(|found| found.is_file() && found.len() <= MOST_BYTES)
    })?;
    let mut text = String::new();
    file.take(MOST_BYTES).read_to_string(&mut text).ok()?;
    text.contains(BEGINS).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_networks_certificates_are_there_beside_the_images() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let (system, bundle) = (at("system.pem"), at("bundle.pem"));
        std::fs::write(&system, "SYSTEM").unwrap();
        let made = || variables(&system, folder.path(), &bundle).unwrap();

        std::fs::write(at(".gitkeep"), "").unwrap();
        std::fs::write(at("empty.crt"), "no certificate").unwrap();
        std::os::unix::fs::symlink(&system, at("link.crt")).unwrap();
        nix::unistd::mkfifo(&at("pipe.crt"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(made(), []);
        assert!(!bundle.exists());

        std::fs::write(at("b.crt"), format!("{BEGINS}\nB")).unwrap();
        std::fs::write(at("a.crt"), format!("# of the office\n{BEGINS}\nA\n\n")).unwrap();
        let made = made();
        assert!(made.contains(&("PIP_CERT".into(), bundle.display().to_string())));
        let text = std::fs::read_to_string(&bundle).unwrap();
        assert_eq!(
            text,
            format!("SYSTEM\n# of the office\n{BEGINS}\nA\n\n{BEGINS}\nB\n")
        );
    }
}
