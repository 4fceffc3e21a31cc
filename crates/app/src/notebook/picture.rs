//! Pictures that lie beside a notebook file, for its text cells. What is no picture is never read out,
//! whatever a stranger's notebook refers to.

use std::{
    io::Read,
    os::unix::fs::OpenOptionsExt,
    path::{Component, Path, PathBuf},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use wire::{
    commands::{NotebookPicture, NotebookPictureRequest},
    failure::{Failure, FailureCode},
};

use crate::{App, blocking::on_disk};

/// No larger file is read.
const MOST_BYTES: u64 = 16 << 20;
/// As much of a drawing's beginning is searched for its element.
const SVG_HEAD: usize = 4096;

impl App {
    pub(crate) async fn notebook_picture(
        &self,
        request: NotebookPictureRequest,
    ) -> Result<NotebookPicture, Failure> {
        on_disk(move || read(&request)).await
    }
}

/// # Errors
/// [`Invalid`](FailureCode::Invalid) for an address that leads elsewhere than to a file beside the notebook,
/// and for a file that is no picture or too large; [`NotFound`](FailureCode::NotFound).
fn read(request: &NotebookPictureRequest) -> Result<NotebookPicture, Failure> {
    let invalid = |cause: &str| {
        Failure::new(FailureCode::Invalid, "The picture can't be shown").because(cause)
    };
    let path = beside(Path::new(&request.path), &request.address)
        .ok_or_else(|| invalid("its address is not relative to the notebook's folder"))?;
    // A pipe would have to be waited for.
    let mut options = std::fs::OpenOptions::new();
    options.read(true).custom_flags(nix::libc::O_NONBLOCK);
    let file = options.open(&path).map_err(|error| {
        Failure::new(FailureCode::NotFound, "The picture can't be read").because(error.to_string())
    })?;
    let cannot = |error: std::io::Error| invalid(&error.to_string());
    let found = file.metadata().map_err(cannot)?;
    if !found.is_file() {
        return Err(invalid("it is not a file"));
    }
    let mut bytes = Vec::new();
    file.take(MOST_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(cannot)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(invalid("it is larger than 16 MB"));
    }
    let mime_type = mime_type(&bytes)
        .ok_or_else(|| invalid("the file is not a PNG, JPEG, GIF, WebP or SVG picture"))?;
    Ok(NotebookPicture {
        mime_type: mime_type.into(),
        data: BASE64_STANDARD.encode(&bytes),
    })
}

/// Where a relative address leads; `None` for any other.
fn beside(notebook: &Path, address: &str) -> Option<PathBuf> {
    let end = address.find(['?', '#']).unwrap_or(address.len());
    let address = percent_encoding::percent_decode_str(&address[..end])
        .decode_utf8()
        .ok()?;
    let has_scheme = address
        .split_once(':')
        .is_some_and(|(before, _)| !before.contains('/'));
    if address.is_empty() || has_scheme || address.contains('\0') {
        return None;
    }
    let relative = Path::new(address.as_ref());
    let plain = |part| {
        matches!(
            part,
            Component::Normal(_) | Component::CurDir | Component::ParentDir
        )
    };
    let folder = notebook.is_absolute().then(|| notebook.parent())??;
    relative
        .components()
        .all(plain)
        .then(|| folder.join(relative))
}

/// By the content.
fn mime_type(bytes: &[u8]) -> Option<&'static str> {
    let head = &bytes[..bytes.len().min(SVG_HEAD)];
    if head.starts_with(b"\x89PNG\r\n\x1a\n") {
        Some("image/png")
    } else if head.starts_with(b"\xff\xd8\xff") {
        Some("image/jpeg")
    } else if head.starts_with(b"GIF87a") || head.starts_with(b"GIF89a") {
        Some("image/gif")
    } else if head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WEBP") {
        Some("image/webp")
    } else {
        let text = String::from_utf8_lossy(head);
        let text = text.trim_start_matches('\u{feff}').trim_start();
        let is_svg = text.starts_with("<svg")
            || (text.starts_with("<?xml") || text.starts_with("<!")) && text.contains("<svg");
        is_svg.then_some("image/svg+xml")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n....";

    fn asked(notebook: &Path, address: &str) -> Result<NotebookPicture, Failure> {
        read(&NotebookPictureRequest {
            path: notebook.display().to_string(),
            address: address.into(),
        })
    }

    #[test]
    fn pictures_beside_the_notebook_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let notebook = folder.path().join("work/a.ipynb");
        std::fs::create_dir_all(folder.path().join("work/my figures")).unwrap();
        let put =
            |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
        put("work/a.png", PNG);
        put("work/my figures/b.jpg", b"\xff\xd8\xff\xe0");
        put("c.svg", b"<?xml version='1.0'?>\n<!-- made -->\n<svg/>");
        for (address, mime_type) in [
            ("a.png", "image/png"),
            ("./a.png?raw=1#top", "image/png"),
            ("my%20figures/b.jpg", "image/jpeg"),
            ("my figures/b.jpg", "image/jpeg"),
            ("../c.svg", "image/svg+xml"),
        ] {
            let found = asked(&notebook, address).unwrap();
            assert_eq!(found.mime_type, mime_type, "{address}");
        }
        let found = asked(&notebook, "a.png").unwrap();
        assert_eq!(BASE64_STANDARD.decode(found.data).unwrap(), PNG);
    }

    #[test]
    fn nothing_else_is_read_out() {
        let folder = tempfile::tempdir().unwrap();
        let notebook = folder.path().join("a.ipynb");
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("key"), "-----BEGIN OPENSSH PRIVATE KEY-----").unwrap();
        std::fs::write(at("page.png"), "<!doctype html><title>x</title>").unwrap();
        std::fs::write(at("real.png"), PNG).unwrap();
        let large = std::fs::File::create(at("large.png")).unwrap();
        std::os::unix::fs::FileExt::write_at(&large, PNG, 0).unwrap();
        large.set_len(MOST_BYTES + 1).unwrap();
        nix::unistd::mkfifo(&at("pipe.png"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let absolute = at("real.png").display().to_string();
        for address in [
            "key",
            "page.png",
            "large.png",
            "pipe.png",
            "missing.png",
            ".",
            "",
            "a\0b",
            "file:real.png",
            "https://example.org/real.png",
            "//example.org/real.png",
            "%2fetc/real.png",
            &absolute,
        ] {
            assert!(asked(&notebook, address).is_err(), "{address:?}");
        }
        assert!(asked(Path::new("a.ipynb"), "real.png").is_err());
    }
}
