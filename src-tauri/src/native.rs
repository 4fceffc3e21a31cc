//! What a page can't do by itself: the clipboard, the system's file dialogs, files, links.

use std::path::PathBuf;

use parking_lot::Mutex;
use tauri::{AppHandle, State, ipc::InvokeBody, ipc::Request};
use tauri_plugin_dialog::{DialogExt, FilePath};
use wire::{
    advice::Advice,
    failure::{Failure, FailureCode},
};

/// The clipboard's owner: on X11 and Wayland what was copied lives as long as this.
#[derive(Default)]
pub struct Clipboard(Mutex<Option<arboard::Clipboard>>);

impl Clipboard {
    fn with<T>(
        &self,
        work: impl FnOnce(&mut arboard::Clipboard) -> Result<T, arboard::Error>,
    ) -> Result<T, Failure> {
        let told = |error: arboard::Error| {
            Failure::new(FailureCode::Internal, "The clipboard is not available")
                .because(error.to_string())
        };
        let mut slot = self.0.lock();
        let clipboard = match &mut *slot {
            Some(clipboard) => clipboard,
            None => slot.insert(arboard::Clipboard::new().map_err(told)?),
        };
        work(clipboard).map_err(told)
    }
}

/// The clipboard's text; empty where it holds none.
#[tauri::command(async)]
pub fn clipboard_read(clipboard: State<'_, Clipboard>) -> Result<String, Failure> {
    clipboard.with(|clipboard| match clipboard.get_text() {
        Err(arboard::Error::ContentNotAvailable) => Ok(String::new()),
        other => other,
    })
}

/// Puts text on the clipboard.
#[tauri::command(async)]
pub fn clipboard_write(clipboard: State<'_, Clipboard>, text: String) -> Result<(), Failure> {
    clipboard.with(|clipboard| clipboard.set_text(text))
}

/// Opens an address as the system does. The page asks for what a person clicked; whoever wrote the
/// link may be a stranger, so nothing but the web and mail is opened, and no mail with a file of
/// this computer attached.
#[tauri::command(async)]
pub fn open_link(url: String) -> Result<(), Failure> {
    let url = tauri::Url::parse(&url)
        .ok()
        .and_then(outward)
        .ok_or_else(|| {
            Failure::new(FailureCode::Invalid, "The link can't be opened")
                .because("only http, https and mailto links can be opened")
        })?;
    open::that_detached(url.as_str()).map_err(|error| {
        Failure::new(FailureCode::Internal, "The link could not be opened")
            .because(error.to_string())
            .next(Advice::OpenInBrowser { url: url.into() })
    })
}

/// The address as it may be opened. Of a mail's header fields those stay that RFC 6068 calls safe, and
/// its addressees: some mail programs attach any file that an address names.
fn outward(mut url: tauri::Url) -> Option<tauri::Url> {
    match url.scheme() {
        "http" | "https" => Some(url),
        "mailto" => {
            let fields: Vec<String> = url
                .query()
                .unwrap_or_default()
                .split('&')
                .filter(|field| {
                    let name = field.split('=').next().unwrap_or_default();
                    ["to", "cc", "subject", "body", "keywords", "comments"]
                        .iter()
                        .any(|safe| name.eq_ignore_ascii_case(safe))
                })
                .map(str::to_owned)
                .collect();
            url.set_query((!fields.is_empty()).then(|| fields.join("&")).as_deref());
            Some(url)
        }
        _ => None,
    }
}

/// Whether the window may go there: our own pages, and what these make themselves. A link never
/// takes their place.
pub fn is_ours(url: &tauri::Url) -> bool {
    match url.scheme() {
        "http" | "https" => {
            let host = url.host_str().unwrap_or_default();
            host == "tauri.localhost"
                || cfg!(not(feature = "custom-protocol")) && host == "localhost"
        }
        scheme => matches!(scheme, "tauri" | "about" | "blob" | "data"),
    }
}

/// Asks the person for a notebook: one that is there, or where to save. `None`: thought better of it.
#[tauri::command(async)]
pub fn ask_path(app: AppHandle, save: bool, suggestion: String) -> Option<PathBuf> {
    let mut dialog = app
        .dialog()
        .file()
        .add_filter("Notebooks", &["ipynb"])
        .add_filter("All files", &["*"]);
    let suggestion = PathBuf::from(suggestion);
    if let Some(folder) = suggestion.parent().filter(|folder| folder.is_dir()) {
        dialog = dialog.set_directory(folder);
    }
    if save && let Some(name) = suggestion.file_name() {
        dialog = dialog.set_file_name(name.to_string_lossy());
    }
    let chosen = if save {
        dialog.blocking_save_file()
    } else {
        dialog.blocking_pick_file()
    };
    chosen.and_then(|path| path.into_path().ok())
}

/// Asks where to keep these bytes (the request's body; the suggested name is in the header `name`),
/// and keeps them. `None`: thought better of it.
#[tauri::command(async)]
pub fn keep_file(app: AppHandle, request: Request<'_>) -> Result<Option<PathBuf>, Failure> {
    let InvokeBody::Raw(bytes) = request.body() else {
        return Err(Failure::new(FailureCode::Invalid, "The file is empty"));
    };
    let name = request
        .headers()
        .get("name")
        .and_then(|name| name.to_str().ok())
        .unwrap_or("file");
    let chosen = app.dialog().file().set_file_name(name).blocking_save_file();
    let Some(path) = chosen.and_then(|path: FilePath| path.into_path().ok()) else {
        return Ok(None);
    };
    std::fs::write(&path, bytes).map_err(|error| {
        Failure::new(
            FailureCode::Internal,
            format!("{} could not be written", path.display()),
        )
        .because(error.to_string())
    })?;
    Ok(Some(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_stays_with_its_own_pages() {
        let ours = |url: &str| is_ours(&tauri::Url::parse(url).expect("a URL"));
        for url in [
            "tauri://localhost/",
            "http://tauri.localhost/a",
            "about:srcdoc",
        ] {
            assert!(ours(url), "{url}");
        }
        for url in [
            "https://example.org/",
            "http://tauri.localhost.example.org/",
            "file:///etc/passwd",
            "http://localhost:8080/",
        ] {
            assert!(!ours(url), "{url}");
        }
    }

    #[test]
    fn a_mail_has_no_file_attached() {
        let opened = |url: &str| outward(tauri::Url::parse(url).expect("a URL")).map(String::from);
        for (given, expected) in [
            ("mailto:a@b.example", "mailto:a@b.example"),
            (
                "mailto:a@b.example?subject=x%20y&body=z",
                "mailto:a@b.example?subject=x%20y&body=z",
            ),
            (
                "mailto:a@b.example?attach=/home/ada/.ssh/id_rsa",
                "mailto:a@b.example",
            ),
            (
                "mailto:a@b.example?Subject=x&ATTACHMENT=~/.netrc&%61ttach=x",
                "mailto:a@b.example?Subject=x",
            ),
            (
                "https://a.example/?attach=1#x",
                "https://a.example/?attach=1#x",
            ),
        ] {
            assert_eq!(opened(given).as_deref(), Some(expected), "{given}");
        }
    }

    #[test]
    fn no_link_opens_a_file_or_a_program() {
        for url in [
            "file:///etc/passwd",
            "javascript:alert(1)",
            "vscode://x",
            "none",
        ] {
            let failure = open_link(url.to_owned()).expect_err("refused");
            assert_eq!(failure.code, FailureCode::Invalid, "{url}");
        }
    }
}
