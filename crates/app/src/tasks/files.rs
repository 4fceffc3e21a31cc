//! Files of this computer that a task gets. Only those of folders that the settings list can be read,
//! wherever a link in them leads.

use std::{
    fs::File,
    io,
    os::{fd::AsRawFd, unix::fs::OpenOptionsExt},
    path::{Path, PathBuf},
};

use nix::fcntl::OFlag;

/// Opens a file, if it is one in one of these folders.
///
/// # Errors
/// In words for whoever asked for it.
pub(super) fn open(path: &str, folders: &[PathBuf]) -> io::Result<(File, String)> {
    let refused = |why: &str| io::Error::other(format!("{path}: {why}"));
    let asked = Path::new(path);
    if !asked.is_absolute() {
        return Err(refused("an absolute path is expected"));
    }
    let mut options = File::options();
    // A pipe that nobody writes to must not hold up who asks for it.
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let opened = options.read(true).custom_flags(flags.bits()).open(asked);
    let denied = || refused("not found in the folders that the settings list (tasks.folders)");
    // Whether a file outside is there is nobody's business.
    let file = opened.map_err(|_| denied())?;
    // What was opened, whoever changes links meanwhile.
    let place = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
    let is_inside = folders.iter().any(|folder| {
        let folder = folder.canonicalize();
        folder.is_ok_and(|folder| place.starts_with(folder))
    });
    if !is_inside {
        return Err(denied());
    }
    if !file.metadata()?.is_file() {
        return Err(refused("not a file"));
    }
    let name = asked.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| refused("its name isn't text"))?;
    Ok((file, name.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn only_files_of_listed_folders_are_opened_wherever_a_link_leads() {
        let home = tempfile::tempdir().unwrap();
        let (listed, secret) = (home.path().join("listed"), home.path().join("secret"));
        fs::create_dir_all(listed.join("deep")).unwrap();
        fs::create_dir(&secret).unwrap();
        fs::write(listed.join("deep/a.txt"), "a").unwrap();
        fs::write(secret.join("key"), "k").unwrap();
        symlink(secret.join("key"), listed.join("link")).unwrap();
        symlink(&secret, listed.join("folder")).unwrap();
        symlink(&listed, home.path().join("alias")).unwrap();
        let path = |rest: &str| home.path().join(rest).display().to_string();
        let folders = [home.path().join("alias")];
        let (_, name) = open(&path("listed/deep/a.txt"), &folders).unwrap();
        assert_eq!(name, "a.txt");
        for refused in [
            "secret/key",
            "listed/link",
            "listed/folder/key",
            "listed/../secret/key",
            "listed/deep",
            "listed/nothing",
            "listed-beside",
        ] {
            assert!(open(&path(refused), &folders).is_err(), "{refused}");
        }
        assert!(open("listed/deep/a.txt", &folders).is_err());
        // Nothing is listed unless somebody lists it.
        assert!(open(&path("listed/deep/a.txt"), &[]).is_err());
        let words = |path: &str| open(path, &folders).unwrap_err().to_string();
        let (there, nowhere) = (words(&path("secret/key")), words(&path("secret/nothing")));
        assert_eq!(there.replace("key", ""), nowhere.replace("nothing", ""));
    }

    #[test]
    fn a_pipe_that_nobody_writes_to_is_not_waited_for() {
        let listed = tempfile::tempdir().unwrap();
        let pipe = listed.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let folders = [listed.path().to_owned()];
        let error = open(&pipe.display().to_string(), &folders).unwrap_err();
        assert!(error.to_string().contains("not a file"), "{error}");
    }
}
