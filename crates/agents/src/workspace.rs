//! Folders of this computer that an agent sees: which may be, and what stays out of its reach in them.

use std::path::{Component, Path, PathBuf};

use wire::agent::ReadOnlyMount;

use crate::{
    container::{HOME, WORKSPACE},
    error::AgentError,
};

/// Where engines of this computer listen.
const ENGINE_SOCKETS: [&str; 4] = [
    "/var/run/docker.sock",
    "/run/docker.sock",
    "/run/podman/podman.sock",
    "/run/containerd/containerd.sock",
];
/// Paths inside that are the helper's or the engine's.
const TAKEN: [&str; 5] = [init_client::INIT_FOLDER, "/proc", "/sys", "/dev", WORKSPACE];

/// A folder that is worked on in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InPlace {
    /// Without links.
    pub(crate) folder: PathBuf,
    /// Whether it has a repository's folder, or the file of a worktree, which only this computer writes.
    pub(crate) has_git: bool,
}

/// Looks at a folder that is to be worked on in place: it has to lie inside one of `allowed`, compared by
/// what both are without links, component by component.
pub(crate) fn in_place(path: &str, allowed: &[PathBuf]) -> Result<InPlace, AgentError> {
    let refused = |reason: &str| AgentError::Folder {
        path: path.to_owned(),
        reason: reason.to_owned(),
    };
    if !Path::new(path).is_absolute() {
        return Err(refused("an absolute path is expected"));
    }
    let folder = Path::new(path).canonicalize();
    let folder = folder.map_err(|error| refused(&error.to_string()))?;
    if !folder.is_dir() {
        return Err(refused("it isn't a folder"));
    }
    let allowed = allowed.iter().filter_map(|one| one.canonicalize().ok());
    let is_inside = |one: PathBuf| one.parent().is_some() && folder.starts_with(one);
    if !allowed.into_iter().any(is_inside) {
        return Err(AgentError::NotAllowed {
            path: folder.display().to_string(),
        });
    }
    if has_engine(&folder) {
        return Err(refused("the container engine's socket is in it"));
    }
    let has_git = match folder.join(".git").symlink_metadata() {
        Ok(found) if found.is_symlink() => {
            // Whatever it leads to would be mounted in its place.
            return Err(refused("its .git is a link"));
        }
        Ok(_) => true,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
        Err(error) => return Err(refused(&error.to_string())),
    };
    Ok(InPlace { folder, has_git })
}

/// Looks at something that is to be seen and not changed; its source without links.
pub(crate) fn read_only(mount: &ReadOnlyMount) -> Result<PathBuf, AgentError> {
    let refused = |path: &str, reason: &str| AgentError::Folder {
        path: path.to_owned(),
        reason: reason.to_owned(),
    };
    let target = Path::new(&mount.target);
    let is_plain = target
        .components()
        .all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    let holds = |taken: &&str| target.starts_with(taken) || Path::new(taken).starts_with(target);
    if !target.is_absolute()
        || !is_plain
        || mount.target.contains(':')
        || TAKEN.iter().any(holds)
        || Path::new(HOME).starts_with(target)
    {
        return Err(refused(&mount.target, "nothing can be mounted there"));
    }
    let source = Path::new(&mount.source);
    if !source.is_absolute() {
        return Err(refused(&mount.source, "an absolute path is expected"));
    }
    let source = source.canonicalize();
    let source = source.map_err(|error| refused(&mount.source, &error.to_string()))?;
    let found = source.metadata();
    let found = found.map_err(|error| refused(&mount.source, &error.to_string()))?;
    if !found.is_dir() && !found.is_file() {
        return Err(refused(&mount.source, "it is neither a file nor a folder"));
    }
    if has_engine(&source) {
        return Err(refused(
            &mount.source,
            "the container engine's socket is in it",
        ));
    }
    Ok(source)
}

/// Whether the engine could be told from inside what to do.
fn has_engine(folder: &Path) -> bool {
    let sockets = ENGINE_SOCKETS.iter().map(Path::new);
    let resolved = sockets.map(|socket| socket.canonicalize().unwrap_or_else(|_| socket.into()));
    resolved
        .into_iter()
        .any(|socket| socket.starts_with(folder))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::symlink};

    fn reason(found: Result<InPlace, AgentError>) -> String {
        found.unwrap_err().to_string()
    }

    #[test]
    fn only_what_lies_inside_an_allowed_folder_is_worked_on() {
        let all = tempfile::tempdir().unwrap();
        let root = all.path().canonicalize().unwrap();
        for folder in ["allowed/project", "allowed-not", "secret"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        symlink(root.join("secret"), root.join("allowed/link")).unwrap();
        symlink(root.join("allowed"), root.join("way")).unwrap();
        let allowed = [root.join("allowed")];
        let look = |path: &str| in_place(root.join(path).to_str().unwrap(), &allowed);
        assert_eq!(
            look("allowed/project").unwrap().folder,
            root.join("allowed/project")
        );
        assert_eq!(
            look("way/project").unwrap().folder,
            root.join("allowed/project")
        );
        assert!(look("allowed").is_ok());
        for path in [
            "allowed-not",
            "secret",
            "allowed/link",
            "allowed/../secret",
            ".",
        ] {
            assert!(reason(look(path)).contains("isn't inside"), "{path}");
        }
        assert!(in_place("allowed", &allowed).is_err());
        assert!(in_place("/", &[PathBuf::from("/")]).is_err());
    }

    #[test]
    fn a_repository_s_folder_is_found_and_a_link_in_its_place_refused() {
        let all = tempfile::tempdir().unwrap();
        let root = all.path().canonicalize().unwrap();
        let look = || in_place(root.to_str().unwrap(), std::slice::from_ref(&root));
        assert!(!look().unwrap().has_git);
        fs::create_dir(root.join(".git")).unwrap();
        assert!(look().unwrap().has_git);
        fs::remove_dir(root.join(".git")).unwrap();
        symlink("/etc", root.join(".git")).unwrap();
        assert!(reason(look()).contains("link"));
    }

    #[test]
    fn mounts_can_neither_hide_the_helper_nor_show_the_engine() {
        let all = tempfile::tempdir().unwrap();
        let source = all.path().to_str().unwrap().to_owned();
        let look = |source: &str, target: &str| {
            read_only(&ReadOnlyMount {
                source: source.into(),
                target: target.into(),
            })
        };
        assert!(look(&source, "/home/agent/.ssh").is_ok());
        for target in [
            "/",
            "/home",
            "/home/agent",
            "/workspace",
            "/workspace/a",
            "/.vivarium",
            "/dev/shm/vivarium/a",
            "/proc/1",
            "relative",
            "/a/../b",
            "/a:rw",
        ] {
            assert!(look(&source, target).is_err(), "{target}");
        }
        for source in ["/", "relative", "/does-not-exist", "/dev/null"] {
            assert!(look(source, "/home/agent/x").is_err(), "{source}");
        }
    }
}
