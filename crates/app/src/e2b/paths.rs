//! Users and paths as E2B's clients name them: relative ones are below `/home/user`.

use axum::http::HeaderMap;
use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::{
    HOME, USER,
    connect::{Code, ConnectError},
};

/// Refuses another user than the sandbox's own: nothing in a sandbox runs as root.
pub(super) fn check_user(user: &str) -> Result<(), ConnectError> {
    match user {
        "" | USER | "sandboxuser" => Ok(()),
        "root" => Err(ConnectError::new(
            Code::PermissionDenied,
            "root isn't available in a sandbox: everything runs as the user \"user\"",
        )),
        other => Err(ConnectError::new(
            Code::Unauthenticated,
            format!(
                "invalid username: {:?}",
                other.chars().take(64).collect::<String>()
            ),
        )),
    }
}

/// Reads the user of `Authorization: Basic`, which is no login.
pub(super) fn check_user_of(headers: &HeaderMap) -> Result<(), ConnectError> {
    let given = headers
        .get("authorization")
        .and_then(|value| value.to_str().ok());
    let Some(encoded) = given.and_then(|given| given.strip_prefix("Basic ")) else {
        return Ok(());
    };
    let decoded = BASE64_STANDARD.decode(encoded.trim()).ok();
    let Some(text) = decoded.and_then(|bytes| String::from_utf8(bytes).ok()) else {
        return Err(ConnectError::new(
            Code::Unauthenticated,
            "Authorization can't be read",
        ));
    };
    check_user(text.split_once(':').map_or(text.as_str(), |(user, _)| user))
}

/// An absolute path.
pub(super) fn absolute(path: &str) -> String {
    if path.starts_with('/') {
        return path.to_owned();
    }
    let below = path
        .strip_prefix('~')
        .map_or(path, |rest| rest.trim_start_matches('/'));
    match below.trim_start_matches("./") {
        "" | "." => HOME.to_owned(),
        below => format!("{HOME}/{below}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_paths_are_below_the_home() {
        for (path, expected) in [
            ("", "/home/user"),
            (".", "/home/user"),
            ("~", "/home/user"),
            ("~/a", "/home/user/a"),
            ("a/b", "/home/user/a/b"),
            ("./a", "/home/user/a"),
            ("/tmp/a", "/tmp/a"),
            ("/", "/"),
        ] {
            assert_eq!(absolute(path), expected, "{path}");
        }
    }

    #[test]
    fn there_is_one_user_and_it_isn_t_root() {
        let of = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("authorization", value.parse().unwrap());
            check_user_of(&headers).map_err(|error| error.code)
        };
        let basic = |user: &str| format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:")));
        assert_eq!(of(&basic("user")), Ok(()));
        assert_eq!(of("Bearer x"), Ok(()));
        assert_eq!(of(&basic("root")), Err(Code::PermissionDenied));
        assert_eq!(of(&basic("nobody")), Err(Code::Unauthenticated));
        assert_eq!(of("Basic !"), Err(Code::Unauthenticated));
    }
}
