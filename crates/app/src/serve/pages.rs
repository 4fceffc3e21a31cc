//! The UI's files, which are part of the binary of `vivarium`.

use axum::{
    Router,
    extract::Path,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use wire::{
    advice::Advice,
    failure::{Failure, FailureCode},
};

use crate::page_policy;

/// What `npm run build` made, or nothing. Only `vivarium` serves it: the window's program has the pages
/// from Tauri, and would carry them twice.
#[cfg(any(feature = "pages", test))]
mod built {
    use rust_embed::{EmbeddedFile, RustEmbed};

    #[derive(RustEmbed)]
    #[folder = "../../ui/dist/"]
    #[allow_missing = true]
    struct Files;

    pub(super) fn get(path: &str) -> Option<EmbeddedFile> {
        Files::get(path)
    }
}

#[cfg(not(any(feature = "pages", test)))]
mod built {
    pub(super) fn get(_path: &str) -> Option<rust_embed::EmbeddedFile> {
        None
    }
}

/// Where the app shows in `index.html`. The one that `src-tauri/build.rs` writes if the UI isn't
/// built has no such place.
const MOUNT_POINT: &str = "id=\"app\"";

/// The pages of this build, which are known to be there.
#[derive(Debug)]
pub(super) struct Pages(());

impl Pages {
    /// Looks for them.
    ///
    /// # Errors
    /// [`NotFound`](FailureCode::NotFound) if the UI wasn't built before this program.
    pub(super) fn find() -> Result<Self, Failure> {
        Self::of(built::get("index.html").map(|index| index.data).as_deref())
    }

    /// Those that this `index.html` starts.
    pub(super) fn of(index: Option<&[u8]>) -> Result<Self, Failure> {
        let starts_the_app = |index: &[u8]| String::from_utf8_lossy(index).contains(MOUNT_POINT);
        if index.is_some_and(starts_the_app) {
            return Ok(Self(()));
        }
        let failure = Failure::new(
            FailureCode::NotFound,
            "This build of vivarium does not include the pages",
        );
        Err(failure
            .because("ui/dist was empty when vivarium was built.")
            .next(Advice::BuildPages))
    }

    /// `/` and every file of the UI. They hold no secret, so they want no token.
    pub(super) fn routes(self, bridge_port: u16) -> Router {
        let policy = page_policy(&format!("'self' ws://127.0.0.1:{bridge_port}"));
        let index = {
            let policy = policy.clone();
            move || async move { file("index.html", &policy) }
        };
        Router::new().route("/", get(index)).route(
            "/{*path}",
            get(move |Path(path): Path<String>| async move { file(&path, &policy) }),
        )
    }
}

fn file(path: &str, policy: &str) -> Response {
    let Some(file) = built::get(path) else {
        return (StatusCode::NOT_FOUND, "File not found.\n").into_response();
    };
    // Names under assets/ change with their content.
    let keep = if path.starts_with("assets/") {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let headers = [
        (header::CONTENT_TYPE, file.metadata.mimetype()),
        (header::CACHE_CONTROL, keep),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, file.data.into_owned()).into_response()
}
