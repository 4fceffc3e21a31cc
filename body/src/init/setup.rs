//! What PID 1 does before anything else runs: as root it enters the host user's
//! uid, owns the home, copies the secrets to where that user reads them and
//! clears what an earlier life left; then it drops, for good.

use std::{
    collections::HashSet,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use nix::{
    fcntl::{AT_FDCWD, AtFlags},
    unistd::{Gid, Uid, chown, fchownat, getuid, setgid, setgroups, setuid},
};

use super::given::Given;

const USER: &str = "os";
/// Where the container engine's socket is, for machines that replace themselves.
const ENGINE_SOCKET: &str = "/var/run/docker.sock";

/// Who the machine's user is, for all that PID 1 starts: its own environment is still root's.
pub fn identity() -> Vec<(&'static str, &'static str)> {
    if std::process::id() == 1 {
        vec![("HOME", "/root"), ("USER", USER), ("LOGNAME", USER)]
    } else {
        Vec::new()
    }
}

/// Prepares the machine; returns as the machine's user, with what all that is started is given.
pub fn prepare() -> std::io::Result<Given> {
    let run = crate::paths::run_dir();
    fs::create_dir_all(&run)?;
    if std::process::id() == 1 {
        // Of the life before: secrets that were taken away since, or made for that life alone.
        let _ = fs::remove_dir_all(crate::paths::secrets_dir());
        // And kernels and cells, where the run folder is no tmpfs.
        let _ = fs::remove_dir_all(crate::paths::queues_dir());
    }
    if getuid().is_root() && std::process::id() == 1 {
        as_root(&run)?;
    }
    for folder in [
        crate::paths::logs_dir(),
        crate::paths::secrets_dir(),
        run.join("kernels"),
        crate::paths::queues_dir(),
    ] {
        fs::create_dir_all(&folder)?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
    }
    clear_leftovers();
    let mut given = Given::take(Path::new("/repo/.env"))?;
    given.trust_network();
    Ok(given)
}

/// Gives the home to the machine's user, and returns `/etc/passwd` and `/etc/group` with that user's
/// numbers, an empty line between them.
pub fn home() -> std::io::Result<String> {
    let (uid, gid) = ids();
    hand_over_home(Uid::from_raw(uid), Gid::from_raw(gid))?;
    let passwd = entered(
        &fs::read_to_string("/etc/passwd")?,
        USER,
        &[(2, uid), (3, gid)],
    );
    let group = entered(&fs::read_to_string("/etc/group")?, USER, &[(2, gid)]);
    Ok(format!("{passwd}\n{group}"))
}

/// The machine's user and group.
fn ids() -> (u32, u32) {
    let id = |name: &str| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse::<u32>().ok())
            .filter(|id| *id != 0)
    };
    // Where nobody says who the host's user is, it is whose repo is mounted.
    let repo = fs::metadata("/repo").ok().filter(|found| found.uid() != 0);
    let repo = repo.map_or((1000, 1000), |found| (found.uid(), found.gid()));
    match id("VIVARIUM_UID") {
        Some(uid) => (uid, id("VIVARIUM_GID").unwrap_or(uid)),
        None => (repo.0, id("VIVARIUM_GID").unwrap_or(repo.1)),
    }
}

fn as_root(run: &Path) -> std::io::Result<()> {
    let (uid, gid) = ids();
    enter("/etc/passwd", USER, &[(2, uid), (3, gid)])?;
    enter("/etc/group", USER, &[(2, gid)])?;
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    let own = |path: &Path| chown(path, Some(uid), Some(gid)).map_err(std::io::Error::from);

    own(run)?;
    let secrets = crate::paths::secrets_dir();
    fs::create_dir_all(&secrets)?;
    own(&secrets)?;
    for path in unreadable(&crate::paths::mounted_secrets_dir(), uid.as_raw()) {
        if let (Ok(bytes), Some(name)) = (fs::read(&path), path.file_name()) {
            let copy = secrets.join(name);
            let _ = fs::remove_file(&copy);
            fs::write(&copy, bytes)?;
            fs::set_permissions(&copy, fs::Permissions::from_mode(0o400))?;
            own(&copy)?;
        }
    }
    // An engine makes what is mounted and not there as root.
    for folder in ["/root", "/data", "/root/host"] {
        if fs::metadata(folder).is_ok_and(|found| found.uid() == 0) {
            own(Path::new(folder))?;
        }
    }
    hand_over_home(uid, gid)?;
    let x11 = Path::new("/tmp/.X11-unix");
    fs::create_dir_all(x11)?;
    fs::set_permissions(x11, fs::Permissions::from_mode(0o1777))?;

    // Groups of the host's that the machine's user is in, such as that of the engine's socket.
    let more = std::env::var("VIVARIUM_GROUPS").unwrap_or_default();
    let more = more.split(',').filter_map(|group| group.parse().ok());
    let socket = fs::metadata(ENGINE_SOCKET).ok().map(|found| found.gid());
    let mut groups: Vec<Gid> = std::iter::once(gid)
        .chain(more.chain(socket).map(Gid::from_raw))
        .collect();
    groups.dedup();
    setgroups(&groups)?;
    setgid(gid)?;
    setuid(uid)?;
    Ok(())
}

/// Files of a folder that a user can't read as their owner. What that user can read is read where
/// it lies: a copy would hide that it changes.
fn unreadable(folder: &Path, uid: u32) -> Vec<PathBuf> {
    let is_owners = |path: &Path, mode: u32| {
        let found = fs::metadata(path);
        found.is_ok_and(|found| found.uid() == uid && found.mode() & mode == mode)
    };
    let is_open = is_owners(folder, 0o500);
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| !(is_open && is_owners(path, 0o400)))
        .collect()
}

/// A home made under another uid (1000 in the image) is handed over, but for what is mounted inside it.
fn hand_over_home(uid: Uid, gid: Gid) -> std::io::Result<()> {
    let home = Path::new("/root");
    if fs::metadata(home)?.uid() == uid.as_raw() {
        return Ok(());
    }
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let mounted: HashSet<&Path> = mounts
        .lines()
        .filter_map(|line| line.split(' ').nth(1))
        .map(Path::new)
        .collect();
    let mut waiting = vec![home.to_owned()];
    while let Some(path) = waiting.pop() {
        fchownat(
            AT_FDCWD,
            &path,
            Some(uid),
            Some(gid),
            AtFlags::AT_SYMLINK_NOFOLLOW,
        )?;
        if fs::symlink_metadata(&path)?.is_dir() {
            let inside = fs::read_dir(&path)?.flatten().map(|entry| entry.path());
            waiting.extend(inside.filter(|path| !mounted.contains(path.as_path())));
        }
    }
    Ok(())
}

/// Writes numbers into the fields of a user's line, aside and renamed.
fn enter(file: &str, user: &str, fields: &[(usize, u32)]) -> std::io::Result<()> {
    let Ok(text) = fs::read_to_string(file) else {
        return Ok(());
    };
    let changed = entered(&text, user, fields);
    if changed != text {
        crate::atomic_file::write(Path::new(file), changed.as_bytes(), 0o644)?;
    }
    Ok(())
}

fn entered(text: &str, user: &str, fields: &[(usize, u32)]) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        let mut parts: Vec<String> = line.split(':').map(str::to_owned).collect();
        if parts.first().is_some_and(|name| name == user) {
            for (index, number) in fields {
                if let Some(part) = parts.get_mut(*index) {
                    *part = number.to_string();
                }
            }
        }
        lines.push(parts.join(":"));
    }
    lines.join("\n") + "\n"
}

/// What a life that ended hard leaves, and what then stops the display or the browser.
fn clear_leftovers() {
    if std::process::id() != 1 {
        return;
    }
    for file in ["/tmp/.X99-lock", "/tmp/.X11-unix/X99"] {
        let _ = fs::remove_file(file);
    }
    for lock in ["SingletonLock", "SingletonCookie", "SingletonSocket"] {
        let _ = fs::remove_file(crate::paths::home().join(".config/chromium").join(lock));
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::{entered, unreadable};

    #[test]
    fn only_what_the_user_cannot_read_is_copied() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let set = |name: &str, mode| {
            fs::write(path.join(name), "x").unwrap();
            fs::set_permissions(path.join(name), fs::Permissions::from_mode(mode)).unwrap();
        };
        set("own", 0o600);
        set("closed", 0o000);
        let uid = nix::unistd::geteuid().as_raw();
        assert_eq!(unreadable(path, uid), [path.join("closed")]);
        // Another's files are copied, whatever their mode.
        assert_eq!(unreadable(path, uid + 1).len(), 2);
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(
            unreadable(&path.join("missing"), uid),
            [] as [std::path::PathBuf; 0]
        );
    }

    #[test]
    fn a_uid_is_entered_for_one_user_alone() {
        let text = "root:x:0:0:root:/var/root:/bin/bash\nos:x:1000:1000::/root:/bin/bash\nosx:x:7:7::/:/bin/sh\n";
        let changed = entered(text, "os", &[(2, 1234), (3, 5678)]);
        assert_eq!(changed, text.replace("os:x:1000:1000:", "os:x:1234:5678:"));
        assert_eq!(entered(text, "nobody", &[(2, 1)]), text);
    }
}
