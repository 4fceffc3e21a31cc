//! `/sessions/{id}/files`. What a sandbox made is always sent as an attachment of bytes: no browser
//! draws it as a page.

use axum::{
    Json,
    body::Body,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use sandbox::{ByteStream, FileErrorKind, SandboxError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use wire::sandbox::FileEntry;

use super::{
    Asking, Refusal, Service,
    output::{event, sse},
    request::{Asked, Given, Session},
};

/// Folder that is meant if none is named.
const HOME: &str = "/home/sandboxuser";

/// Which path.
#[derive(Deserialize)]
pub(super) struct At {
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    depth: Option<u32>,
    #[serde(default)]
    recursive: bool,
}

impl At {
    fn path(self) -> Result<String, Refusal> {
        match self.path {
            Some(path) if !path.is_empty() => Ok(path),
            _ => Err(Refusal::invalid("missing path")),
        }
    }
}

/// Answer of `GET /sessions/{id}/files`.
#[derive(Serialize, JsonSchema)]
pub(super) struct Listed {
    /// The folder.
    path: String,
    /// By name.
    files: Vec<FileEntry>,
}

/// `PUT /sessions/{id}/files`: a file with a content, a folder, or another name of a file.
#[derive(Deserialize, JsonSchema, Default)]
pub(super) struct Put {
    /// Instead of the query's.
    #[serde(default)]
    path: Option<String>,
    /// Content as text.
    #[serde(default)]
    content: Option<String>,
    /// Content as bytes.
    #[serde(default)]
    base64: Option<String>,
    /// Whether a folder is made, with those above it.
    #[serde(default)]
    folder: bool,
    /// A file or folder that gets this path.
    #[serde(default)]
    from: Option<String>,
}

/// A body as the crate `sandbox` takes files.
pub(crate) fn pieces(body: Body) -> impl Stream<Item = Result<Bytes, SandboxError>> + Send {
    body.into_data_stream()
        .map(|piece| piece.map_err(|error| broken(&error)))
}

/// A request that breaks off while a file is written.
pub(crate) fn broken(error: &dyn std::error::Error) -> SandboxError {
    let reason = format!("the request broke off: {error}");
    SandboxError::Invalid {
        field: "content",
        reason,
    }
}

/// As many bytes as were announced: a file that grows is cut there, one that shrinks ends the
/// connection.
pub(crate) fn exact(size: u64, content: ByteStream) -> ByteStream {
    stream::unfold((size, Some(content)), |(left, content)| async move {
        let mut content = content?;
        if left == 0 {
            return None;
        }
        match content.next().await {
            Some(Ok(mut bytes)) => {
                bytes.truncate(usize::try_from(left).unwrap_or(usize::MAX));
                let left = left - bytes.len() as u64;
                Some((Ok(bytes), (left, Some(content))))
            }
            Some(Err(error)) => Some((Err(error), (0, None))),
            None => {
                let error = SandboxError::File {
                    path: String::new(),
                    kind: FileErrorKind::Other,
                    reason: "the file became shorter while it was read".into(),
                };
                Some((Err(error), (0, None)))
            }
        }
    })
    .boxed()
}

pub(super) async fn list(
    State(service): State<Service>,
    Asking(owner): Asking,
    Session(id): Session,
    Asked(at): Asked<At>,
) -> Result<Json<Listed>, Refusal> {
    let depth = at.depth.unwrap_or(1).max(1);
    let path = at
        .path
        .filter(|path| !path.is_empty())
        .unwrap_or_else(|| HOME.into());
    let files = service.sandboxes()?.files(&owner, &id).await?;
    let files = files.list(&path, depth).await?;
    Ok(Json(Listed { path, files }))
}

pub(super) async fn put(
    State(service): State<Service>,
    Asking(owner): Asking,
    Session(id): Session,
    Asked(at): Asked<At>,
    Given(put): Given<Put>,
) -> Result<Json<FileEntry>, Refusal> {
    let At { path, .. } = at;
    let path = At {
        path: put.path.or(path),
        depth: None,
        recursive: false,
    }
    .path()?;
    let files = service.sandboxes()?.files(&owner, &id).await?;
    let content = match (put.content, put.base64) {
        (Some(_), Some(_)) => return Err(Refusal::invalid("either content or base64, not both")),
        (Some(text), None) => Some(Bytes::from(text)),
        (None, Some(base64)) => {
            let bytes = BASE64_STANDARD.decode(base64);
            let bytes =
                bytes.map_err(|error| Refusal::invalid(format!("invalid base64: {error}")))?;
            Some(Bytes::from(bytes))
        }
        (None, None) => None,
    };
    let entry = match (content, put.folder, put.from) {
        (None, true, None) => {
            files.make_dir(&path).await?;
            files.stat(&path).await?
        }
        (None, false, Some(from)) => files.rename(&from, &path).await?,
        (content, false, None) => {
            let content = content.unwrap_or_default();
            files
                .write(&path, stream::iter([Ok(content)]).boxed())
                .await?
        }
        _ => {
            return Err(Refusal::invalid(
                "only one of content, folder and from is possible",
            ));
        }
    };
    Ok(Json(entry))
}

pub(super) async fn remove(
    State(service): State<Service>,
    Asking(owner): Asking,
    Session(id): Session,
    Asked(at): Asked<At>,
) -> Result<Json<serde_json::Value>, Refusal> {
    let path = at.path()?;
    let files = service.sandboxes()?.files(&owner, &id).await?;
    files.remove(&path).await?;
    Ok(Json(json!({ "message": format!("{path} was removed.") })))
}

pub(super) async fn read(
    State(service): State<Service>,
    Asking(owner): Asking,
    Session(id): Session,
    Asked(at): Asked<At>,
) -> Result<Response, Refusal> {
    let path = at.path()?;
    let files = service.sandboxes()?.files(&owner, &id).await?;
    let (entry, content) = files.read(&path).await?;
    Ok(attachment(&entry, content))
}

/// A file as an answer.
pub(crate) fn attachment(entry: &FileEntry, content: ByteStream) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, entry.size_bytes.to_string()),
        (header::CONTENT_DISPOSITION, disposition(&entry.name)),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    let body = Body::from_stream(exact(entry.size_bytes, content));
    (headers, body).into_response()
}

/// An attachment's name (RFC 6266): every byte that isn't plain is escaped.
fn disposition(name: &str) -> String {
    let mut text = "attachment; filename*=UTF-8''".to_owned();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-') {
            text.push(char::from(byte));
        } else {
            text += &format!("%{byte:02X}");
        }
    }
    text
}

pub(super) async fn write(
    State(service): State<Service>,
    Asking(owner): Asking,
    Session(id): Session,
    Asked(at): Asked<At>,
    body: Body,
) -> Result<Json<FileEntry>, Refusal> {
    let path = at.path()?;
    let files = service.sandboxes()?.files(&owner, &id).await?;
    Ok(Json(files.write(&path, pieces(body).boxed()).await?))
}

/// Changes in a folder, as events, for as long as the client listens.
pub(super) async fn watch(
    State(service): State<Service>,
    Asking(owner): Asking,
    Session(id): Session,
    Asked(at): Asked<At>,
) -> Result<Response, Refusal> {
    let recursive = at.recursive;
    let path = at.path()?;
    let files = service.sandboxes()?.files(&owner, &id).await?;
    let changes = files.watch(&path, recursive).await?;
    let events = changes.map(|change| match change {
        Ok(change) => event("change", None, &json!(change)),
        Err(error) => event("error", None, &json!({ "message": error.to_string() })),
    });
    Ok(sse(events).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(pieces: &[&'static [u8]]) -> ByteStream {
        let pieces: Vec<_> = pieces
            .iter()
            .map(|piece| Ok(Bytes::from_static(piece)))
            .collect();
        stream::iter(pieces).boxed()
    }

    async fn read(size: u64, pieces: &[&'static [u8]]) -> Result<Vec<u8>, String> {
        let mut exact = exact(size, content(pieces));
        let mut all = Vec::new();
        while let Some(piece) = exact.next().await {
            all.extend_from_slice(&piece.map_err(|error| error.to_string())?);
        }
        Ok(all)
    }

    #[tokio::test]
    async fn a_file_is_as_long_as_was_announced() {
        assert_eq!(read(4, &[b"ab", b"cd"]).await.unwrap(), b"abcd");
        assert_eq!(read(3, &[b"ab", b"cd", b"ef"]).await.unwrap(), b"abc");
        assert_eq!(read(0, &[]).await.unwrap(), b"");
        assert!(
            read(5, &[b"ab", b"cd"])
                .await
                .unwrap_err()
                .contains("shorter")
        );
    }

    #[test]
    fn a_name_can_t_say_anything_else() {
        let text = disposition("a b\"; filename=x.html\r\nX: y ä");
        assert_eq!(
            text,
            "attachment; filename*=UTF-8''a%20b%22%3B%20filename%3Dx.html%0D%0AX%3A%20y%20%C3%A4"
        );
    }

    #[tokio::test]
    async fn a_file_is_never_a_page() {
        let entry = FileEntry {
            name: "a.html".into(),
            path: "/tmp/a.html".into(),
            is_lossy: false,
            kind: wire::sandbox::FileKind::File,
            size_bytes: 2,
            mode: 0o644,
            uid: 1000,
            gid: 1000,
            modified_at_ms: 0,
            target: None,
        };
        let answer = attachment(&entry, content(&[b"<p"]));
        let headers = answer.headers();
        assert_eq!(headers[header::CONTENT_TYPE], "application/octet-stream");
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert!(
            headers[header::CONTENT_DISPOSITION]
                .to_str()
                .unwrap()
                .starts_with("attachment")
        );
    }
}
