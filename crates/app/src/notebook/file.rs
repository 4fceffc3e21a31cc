//! Notebook files: read with a stamp, written aside and renamed, and never over what somebody else
//! wrote in between. What nobody changed is written as it stood in the file.

mod content;
mod layout;
mod rewrite;
mod tree;
mod upgrade;

use std::{
    fs, io,
    io::{Read, Write},
    path::{Path, PathBuf},
};

use wire::{
    advice::Advice,
    commands::{NotebookFile, NotebookPath, NotebookSaveRequest, NotebookSaved, NotebookStamp},
    failure::{Failure, FailureCode},
};

use self::content::{NotANotebook, check, content_of, over};
use crate::{App, blocking::on_disk};

/// Larger files are somebody's mistake.
const LARGEST: u64 = 256 << 20;

impl App {
    pub(crate) async fn notebook_open(
        &self,
        request: NotebookPath,
    ) -> Result<NotebookFile, Failure> {
        on_disk(move || open(&request.path)).await
    }

    pub(crate) async fn notebook_stamp(
        &self,
        request: NotebookPath,
    ) -> Result<NotebookStamp, Failure> {
        let stamp = on_disk(move || stamp_of(&request.path)).await?;
        Ok(NotebookStamp { stamp })
    }

    pub(crate) async fn notebook_save(
        &self,
        request: NotebookSaveRequest,
    ) -> Result<NotebookSaved, Failure> {
        on_disk(move || save(&request)).await
    }
}

/// Reads a notebook of nbformat 4, or an older one as nbformat 4 has it.
///
/// # Errors
/// [`NotFound`](FailureCode::NotFound), [`Invalid`](FailureCode::Invalid) where it is no notebook.
fn open(path: &str) -> Result<NotebookFile, Failure> {
    let path = absolute(path)?;
    let bytes = read(&path)?.ok_or_else(|| {
        Failure::new(
            FailureCode::NotFound,
            format!("File not found: {}", path.display()),
        )
        .next(Advice::CheckNotebookPath)
    })?;
    let (content, upgraded_from) = content_of(&bytes)
        .map_err(|why| not_a_notebook(&path, &why).next(Advice::RestoreNotebook))?;
    check(&content).map_err(|why| not_a_notebook(&path, &why))?;
    Ok(NotebookFile {
        stamp: stamp(&bytes),
        path: path.display().to_string(),
        content,
        upgraded_from,
    })
}

/// What is on the disk now: its stamp, or `None` where there is no file.
///
/// # Errors
/// Where the file can't be read.
fn stamp_of(path: &str) -> Result<Option<String>, Failure> {
    Ok(read(&absolute(path)?)?.map(|bytes| stamp(&bytes)))
}

/// Writes a notebook over the text that it was read from, or one that is in no file yet as Jupyter does:
/// sorted keys, one blank of indent, a line's end.
///
/// # Errors
/// [`Changed`](FailureCode::Changed) where the file is not what `stamp` says, unless `overwrite` is
/// said; nothing is written then.
fn save(request: &NotebookSaveRequest) -> Result<NotebookSaved, Failure> {
    let wanted = absolute(&request.path)?;
    let path = named(wanted.clone());
    // Whoever said yes to it said so of the name that was given.
    let overwrite = request.overwrite && path == wanted;
    check(&request.content).map_err(|why| not_a_notebook(&path, &why))?;
    // A link stays one: what it leads to is written.
    let path = path.canonicalize().unwrap_or(path);
    let before = read(&path)?;
    let there = before.as_deref().map(stamp);
    if !overwrite && there.is_some() && there != request.stamp {
        let words = if request.stamp.is_some() {
            "was changed by another program since it was opened"
        } else {
            "already exists"
        };
        return Err(
            Failure::new(FailureCode::Changed, format!("{} {words}", path.display()))
                .next(Advice::SaveElsewhereOrOverwrite),
        );
    }
    let origin = request.from.as_deref().map(absolute).transpose()?;
    let origin = match origin {
        // Where it can't be read, the new file has nothing to be like.
        Some(origin) => read(&origin).unwrap_or(None),
        None => None,
    };
    let text = origin
        .or(before)
        .and_then(|bytes| over(&bytes, &request.content));
    let text = text.unwrap_or_else(|| layout::written(&request.content));
    replace(&path, text.as_bytes()).map_err(|error| failed(&path, &error))?;
    Ok(NotebookSaved {
        stamp: stamp(text.as_bytes()),
        path: path.display().to_string(),
    })
}

fn not_a_notebook(path: &Path, why: &NotANotebook) -> Failure {
    Failure::new(
        FailureCode::Invalid,
        format!("{} is not a valid notebook", path.display()),
    )
    .because(why.to_string())
    .next(Advice::FixNotebook)
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    let code = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FailureCode::DiskFull,
        _ => FailureCode::Internal,
    };
    Failure::new(code, format!("{} could not be written", path.display()))
        .because(error.to_string())
        .next(Advice::SaveElsewhere)
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
        .next(Advice::UseWholePath)
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
        .next(Advice::CheckFile)
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
mod tests;
