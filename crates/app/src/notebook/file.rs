//! Notebook files: read with a stamp, written aside and renamed, and never over what somebody else
//! wrote in between.

use std::{
    fs, io,
    io::{Read, Write},
    path::{Path, PathBuf},
};

use machine_client::json::{self, JsonError};
use serde::Serialize;
use serde_json::Value;
use wire::{
    commands::{NotebookFile, NotebookSaveRequest, NotebookSaved},
    failure::{Failure, FailureCode},
};

/// Larger files are somebody's mistake.
const LARGEST: u64 = 256 << 20;

/// Reads a notebook of nbformat 4.
///
/// # Errors
/// [`NotFound`](FailureCode::NotFound), [`Invalid`](FailureCode::Invalid) where it is no notebook.
pub(crate) fn open(path: &str) -> Result<NotebookFile, Failure> {
    let path = absolute(path)?;
    let bytes = read(&path)?.ok_or_else(|| {
        Failure::new(
            FailureCode::NotFound,
            format!("File not found: {}", path.display()),
        )
        .next("Check the path. It must be a path on the computer that runs Vivarium.")
    })?;
    let content: Value = json::from_slice(&bytes).map_err(|error| {
        not_a_notebook(&path, &error.into())
            .next("The file was not changed. An intact copy may be in a backup or version control.")
    })?;
    check(&content).map_err(|why| not_a_notebook(&path, &why))?;
    Ok(NotebookFile {
        stamp: stamp(&bytes),
        path: path.display().to_string(),
        content,
    })
}

/// What is on the disk now: its stamp, or `None` where there is no file.
///
/// # Errors
/// Where the file can't be read.
pub(crate) fn stamp_of(path: &str) -> Result<Option<String>, Failure> {
    Ok(read(&absolute(path)?)?.map(|bytes| stamp(&bytes)))
}

/// Writes a notebook, as Jupyter does: sorted keys, one blank of indent, a line's end.
///
/// # Errors
/// [`Changed`](FailureCode::Changed) where the file is not what `stamp` says, unless `overwrite` is
/// said; nothing is written then.
pub(crate) fn save(request: &NotebookSaveRequest) -> Result<NotebookSaved, Failure> {
    let wanted = absolute(&request.path)?;
    let path = named(wanted.clone());
    // Whoever said yes to it said so of the name that was given.
    let overwrite = request.overwrite && path == wanted;
    check(&request.content).map_err(|why| not_a_notebook(&path, &why))?;
    // A link stays one: what it leads to is written.
    let path = path.canonicalize().unwrap_or(path);
    let there = read(&path)?.map(|bytes| stamp(&bytes));
    if !overwrite && there.is_some() && there != request.stamp {
        let words = if request.stamp.is_some() {
            "was changed by another program since it was opened"
        } else {
            "already exists"
        };
        return Err(
            Failure::new(FailureCode::Changed, format!("{} {words}", path.display()))
                .next("Save under another name, reload it, or overwrite it."),
        );
    }
    let bytes = written(&request.content).map_err(|error| failed(&path, &error))?;
    replace(&path, &bytes).map_err(|error| failed(&path, &error))?;
    Ok(NotebookSaved {
        stamp: stamp(&bytes),
        path: path.display().to_string(),
    })
}

/// Why a file is not taken for a notebook.
#[derive(Debug, thiserror::Error)]
enum NotANotebook {
    #[error("it is not JSON: {0}")]
    Json(#[from] JsonError),
    #[error("its nbformat is {0}, but only 4 is supported")]
    OtherFormat(u64),
    #[error("it has no nbformat")]
    NoFormat,
    #[error("it has no list of cells")]
    NoCells,
    #[error("cell {place} has an unknown type: {kind}")]
    Cell { place: usize, kind: Value },
}

fn check(content: &Value) -> Result<(), NotANotebook> {
    match content["nbformat"].as_u64() {
        Some(4) => {}
        Some(other) => return Err(NotANotebook::OtherFormat(other)),
        None => return Err(NotANotebook::NoFormat),
    }
    let cells = content["cells"].as_array().ok_or(NotANotebook::NoCells)?;
    let odd = cells.iter().position(|cell| {
        !matches!(
            cell["cell_type"].as_str(),
            Some("code" | "markdown" | "raw")
        )
    });
    odd.map_or(Ok(()), |at| {
        Err(NotANotebook::Cell {
            place: at + 1,
            kind: cells[at]["cell_type"].clone(),
        })
    })
}

fn not_a_notebook(path: &Path, why: &NotANotebook) -> Failure {
    Failure::new(
        FailureCode::Invalid,
        format!("{} is not a valid notebook", path.display()),
    )
    .because(why.to_string())
    .next("The file was not changed. Fix it in an editor, or open it in Jupyter and save it again.")
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    let code = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FailureCode::DiskFull,
        _ => FailureCode::Internal,
    };
    Failure::new(code, format!("{} could not be written", path.display()))
        .because(error.to_string())
        .next("The file on disk was not changed. Save under another name or in another folder.")
}

/// With `~` for the home folder; other paths must be whole.
fn absolute(path: &str) -> Result<PathBuf, Failure> {
    let path = path.trim();
    let full = match path.strip_prefix("~/") {
        Some(rest) => std::env::home_dir().map(|home| home.join(rest)),
        None => Some(PathBuf::from(path)).filter(|path| path.is_absolute()),
    };
    full.ok_or_else(|| {
        Failure::new(
            FailureCode::Invalid,
            format!("{path:?} is not an absolute path"),
        )
        .next("Use a path that starts with / or ~/.")
    })
}

fn named(path: PathBuf) -> PathBuf {
    if path
        .extension()
        .is_some_and(|extension| extension == "ipynb")
    {
        return path;
    }
    let mut name = path.into_os_string();
    name.push(".ipynb");
    name.into()
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, Failure> {
    let told = |error: io::Error| {
        Failure::new(
            FailureCode::Invalid,
            format!("{} can't be read", path.display()),
        )
        .because(error.to_string())
        .next("Check its permissions and that it is a file.")
    };
    let file = match open_file(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(told(error)),
    };
    let meta = file.metadata().map_err(told)?;
    if !meta.is_file() {
        return Err(told(io::Error::other("it is not a file")));
    }
    let too_large = |bytes: u64| {
        let (megabytes, most) = (bytes >> 20, LARGEST >> 20);
        told(io::Error::other(format!(
            "it is {megabytes} MB large; the limit is {most} MB"
        )))
    };
    if meta.len() > LARGEST {
        return Err(too_large(meta.len()));
    }
    // A machine may be writing to it.
    let mut bytes = Vec::new();
    file.take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(told)?;
    match bytes.len() as u64 {
        size if size > LARGEST => Err(too_large(size)),
        _ => Ok(Some(bytes)),
    }
}

/// Opens what may be something else than a file in a folder that a machine writes to: nothing is
/// waited for.
#[cfg(unix)]
fn open_file(path: &Path) -> io::Result<fs::File> {
    use std::os::unix::fs::OpenOptionsExt;
    let flags = nix::libc::O_NONBLOCK | nix::libc::O_NOCTTY;
    fs::File::options()
        .read(true)
        .custom_flags(flags)
        .open(path)
}

#[cfg(not(unix))]
fn open_file(path: &Path) -> io::Result<fs::File> {
    fs::File::open(path)
}

fn stamp(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

fn written(content: &Value) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b" ");
    content.serialize(&mut serde_json::Serializer::with_formatter(
        &mut bytes, formatter,
    ))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Aside, on the disk, then in place: at any moment there is one whole file.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder)?;
    let mut aside = tempfile::Builder::new()
        .prefix(".vivarium-")
        .suffix(".ipynb~")
        .tempfile_in(folder)?;
    aside.write_all(bytes)?;
    if let Ok(meta) = fs::metadata(path) {
        aside.as_file().set_permissions(meta.permissions())?;
    } else {
        readable(aside.as_file())?;
    }
    aside.as_file().sync_all()?;
    aside.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// A new file is for those who may read the folder's other files, as an editor makes it.
#[cfg(unix)]
fn readable(file: &fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable(_: &fs::File) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn empty() -> Value {
        json!({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    }

    fn request(path: &Path, content: Value, stamp: Option<String>) -> NotebookSaveRequest {
        NotebookSaveRequest {
            path: path.display().to_string(),
            content,
            stamp,
            overwrite: false,
        }
    }

    #[test]
    fn a_round_trip_keeps_what_is_not_known() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.ipynb");
        let content = json!({
            "cells": [{"cell_type": "code", "id": "x", "source": ["1\n", "2"], "metadata": {"tags": ["t"]}, "outputs": [], "execution_count": null, "later": {"b": 1, "a": [2.5]}}],
            "metadata": {"kernelspec": {"name": "python3"}, "vendor": {"z": 1}}, "nbformat": 4, "nbformat_minor": 5, "extra": true,
        });
        let saved = save(&request(&path, content.clone(), None)).unwrap();
        let file = open(&saved.path).unwrap();
        assert_eq!((&file.content, &file.stamp), (&content, &saved.stamp));
        assert_eq!(stamp_of(&saved.path).unwrap(), Some(saved.stamp.clone()));
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("{\n \"cells\": [\n  {\n   \"cell_type\""),
            "{text}"
        );
        assert!(text.ends_with("}\n"));
        // Saved again, on top of what was opened.
        save(&request(&path, empty(), Some(saved.stamp))).unwrap();
    }

    #[test]
    fn what_somebody_else_wrote_is_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let saved = save(&request(&path, empty(), None)).unwrap();
        assert!(saved.path.ends_with("a.ipynb"));
        fs::write(&saved.path, "{}").unwrap();
        for stamp in [Some(saved.stamp.clone()), None] {
            let failure = save(&request(&path, empty(), stamp)).unwrap_err();
            assert_eq!(failure.code, FailureCode::Changed);
            assert_eq!(fs::read_to_string(&saved.path).unwrap(), "{}");
        }
        let over = |path: &Path| NotebookSaveRequest {
            overwrite: true,
            ..request(path, empty(), None)
        };
        // The yes was said of another name than the file's.
        let failure = save(&over(&path)).unwrap_err();
        assert_eq!(failure.code, FailureCode::Changed);
        save(&over(Path::new(&saved.path))).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn permissions_and_links_stay() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (
            folder.path().join("real.ipynb"),
            folder.path().join("link.ipynb"),
        );
        let saved = save(&request(&real, empty(), None)).unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        save(&request(&link, empty(), Some(saved.stamp))).unwrap();
        assert!(link.is_symlink());
        assert_eq!(
            fs::metadata(&real).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    #[cfg(unix)]
    #[test]
    fn what_a_machine_can_put_in_its_place_holds_nothing_up() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe.ipynb");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let name = pipe.display().to_string();
        assert_eq!(open(&name).unwrap_err().code, FailureCode::Invalid);
        let large = folder.path().join("large.ipynb");
        fs::File::create(&large).unwrap().set_len(1 << 40).unwrap();
        let name = large.display().to_string();
        assert_eq!(open(&name).unwrap_err().code, FailureCode::Invalid);
        let many = format!(
            "{{\"nbformat\":4,\"cells\":[{}0]}}",
            "0,".repeat(json::MOST_VALUES)
        );
        fs::write(&large, many).unwrap();
        let failure = open(&name).unwrap_err();
        assert!(failure.cause.is_some_and(|why| why.contains("values")));
    }

    #[test]
    fn what_is_no_notebook_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.ipynb");
        let name = path.display().to_string();
        assert_eq!(open(&name).unwrap_err().code, FailureCode::NotFound);
        assert_eq!(open("a.ipynb").unwrap_err().code, FailureCode::Invalid);
        for text in [
            "",
            "{",
            "[]",
            "{}",
            r#"{"nbformat": 3, "cells": []}"#,
            r#"{"nbformat": 4}"#,
            r#"{"nbformat": 4, "cells": [{}]}"#,
        ] {
            fs::write(&path, text).unwrap();
            let failure = open(&name).unwrap_err();
            assert_eq!(failure.code, FailureCode::Invalid, "{text}");
            assert!(failure.cause.is_some());
        }
        assert_eq!(
            open(&folder.path().display().to_string()).unwrap_err().code,
            FailureCode::Invalid
        );
    }
}
