//! Files of `/repo` that may hold secrets. They are in no commit, build context or image, and a
//! rollback leaves them alone.

/// Ends of names of files that say which variables a `.env` takes, and hold no secret.
const EXAMPLES: [&[u8]; 4] = [b".example", b".sample", b".template", b".dist"];
/// Certificates of the network that this computer builds in.
const BUILD_CA: [&[u8]; 2] = [b"body/build-ca/", b"docker/build-ca/"];

/// Whether a path from the root of the repo is one of those: a file of variables, or a certificate
/// in a folder `build-ca`.
pub(crate) fn may_hold_secrets(path: &[u8]) -> bool {
    let lower = path.to_ascii_lowercase();
    let of_a_build = BUILD_CA.iter().any(|folder| lower.starts_with(folder));
    is_environment(path) || of_a_build && lower.ends_with(b".crt")
}

/// Whether a path is a file of variables: `.env` or `.env.*` in any folder, but for examples.
/// Letters count as the same in both cases, as some file systems take them.
pub fn is_environment(path: &[u8]) -> bool {
    let path = path.to_ascii_lowercase();
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let is_one = name == b".env" || name.starts_with(b".env.");
    is_one && !EXAMPLES.iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn environment_files_are_secret_and_their_examples_are_not() {
        for secret in [
            ".env",
            ".env.local",
            "sub/.env",
            ".ENV",
            "body/build-ca/x.crt",
            "docker/build-ca/x.crt",
        ] {
            assert!(may_hold_secrets(secret.as_bytes()), "{secret}");
        }
        for plain in [
            ".env.example",
            ".envrc",
            "env",
            "body/build-ca/.gitkeep",
            "a.crt",
            "x.env",
        ] {
            assert!(!may_hold_secrets(plain.as_bytes()), "{plain}");
        }
    }
}
