//! Which files a build takes.

use super::*;
use std::{
    collections::BTreeMap,
    os::unix::fs::{PermissionsExt, symlink},
};

fn template() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("body/Dockerfile", "FROM x");
    write("body/rootfs/etc/a", "a");
    write("body/kernel/vivarium_kernel/worker.py", "pass");
    write(
        "body/kernel/vivarium_kernel/__pycache__/worker.pyc",
        "noise",
    );
    write("body/src/main.rs", "fn main() {}");
    write("body/build-ca/ca.crt", "ca");
    write("crates/wire/src/lib.rs", "");
    write("Cargo.toml", "[workspace]");
    dir
}

fn digest(dir: &Path) -> String {
    Context::collect(dir)
        .unwrap()
        .digest(BTreeMap::new().iter())
        .unwrap()
}

#[test]
fn the_tar_is_the_same_for_the_same_files() {
    let (one, two) = (template(), template());
    let tar = |dir: &Path| Context::collect(dir).unwrap().pack(Vec::new()).unwrap();
    assert_eq!(tar(one.path()), tar(two.path()));
    let bytes = tar(one.path());
    let mut archive = tar::Archive::new(bytes.as_slice());
    let (mut names, mut modes) = (Vec::new(), Vec::new());
    for entry in archive.entries().unwrap() {
        let entry = entry.unwrap();
        names.push(String::from_utf8(entry.path_bytes().into_owned()).unwrap());
        modes.push(entry.header().mode().unwrap());
    }
    let mode = |name: &str| modes[names.iter().position(|one| one == name).unwrap()];
    // As Docker's own client writes them: by these the engine knows what it has built already.
    assert_eq!(mode("body/rootfs/etc/a"), 0o644);
    assert_eq!(mode("body/rootfs/etc/"), 0o755);
    assert!(!names.iter().any(|name| name.contains("__pycache__")));
}

#[test]
fn the_digest_follows_contents_modes_and_arguments() {
    let dir = template();
    let before = digest(dir.path());
    assert_eq!(before, digest(template().path()));
    let file = dir.path().join("body/rootfs/etc/a");
    std::fs::write(&file, "b").unwrap();
    let changed = digest(dir.path());
    assert_ne!(before, changed);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert_ne!(changed, digest(dir.path()));
    let arguments = BTreeMap::from([("BASE".to_owned(), "x".to_owned())]);
    let with = Context::collect(dir.path())
        .unwrap()
        .digest(arguments.iter())
        .unwrap();
    assert_ne!(with, digest(dir.path()));
}

#[test]
fn with_a_prebuilt_binary_the_sources_do_not_count() {
    let dir = template();
    let binary = dir
        .path()
        .join(format!("body/bin/{}/body", std::env::consts::ARCH));
    std::fs::create_dir_all(binary.parent().unwrap()).unwrap();
    std::fs::write(&binary, "elf").unwrap();
    let before = digest(dir.path());
    std::fs::write(dir.path().join("body/src/main.rs"), "fn main() { }").unwrap();
    std::fs::write(dir.path().join("body/build-ca/ca.crt"), "other").unwrap();
    assert_eq!(before, digest(dir.path()));
    std::fs::write(&binary, "elf2").unwrap();
    assert_ne!(before, digest(dir.path()));
}

#[test]
fn certificates_from_elsewhere_are_packed_and_make_nothing_stale() {
    let (dir, elsewhere) = (template(), tempfile::tempdir().unwrap());
    let bundle = elsewhere.path().join("bundle.pem");
    std::fs::write(&bundle, "ours").unwrap();
    let context = Context::collect(dir.path())
        .unwrap()
        .with_certificates(bundle);
    let none = BTreeMap::new();
    assert_eq!(context.digest(none.iter()).unwrap(), digest(dir.path()));
    let bytes = context.pack(Vec::new()).unwrap();
    let mut archive = tar::Archive::new(bytes.as_slice());
    let mut names = archive.entries().unwrap().map(|entry| {
        let entry = entry.unwrap();
        entry.path().unwrap().display().to_string()
    });
    assert!(names.any(|name| name == "body/build-ca/given.crt"));
}

#[test]
fn a_folder_without_dockerfile_is_no_template() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(
        Context::collect(dir.path()),
        Err(LifecycleError::NoTemplate { .. })
    ));
    // A machine's repo is somebody's own: where templates are looked for doesn't help there.
    let template = std::path::Path::new("/nowhere");
    assert!(matches!(
        Context::of_repo(dir.path(), template, false),
        Err(LifecycleError::NoDockerfile)
    ));
}

#[test]
fn a_template_that_a_machine_may_write_to_leads_nowhere_else() {
    let (dir, outside) = (template(), tempfile::tempdir().unwrap());
    std::fs::create_dir_all(outside.path().join("src")).unwrap();
    std::fs::write(outside.path().join("src/secret"), "x").unwrap();
    std::fs::write(outside.path().join("Dockerfile"), "FROM x").unwrap();
    std::fs::write(dir.path().join("body/rootfs/.env"), "KEY=x").unwrap();
    symlink(outside.path(), dir.path().join("body/rootfs/link")).unwrap();
    let names = |context: &Context| -> Vec<String> {
        let paths = context.files.iter().map(|entry| entry.path.clone());
        paths.collect()
    };
    let context = Context::collect(dir.path()).unwrap();
    let found = names(&context);
    assert!(found.contains(&"body/rootfs/link".to_owned()), "{found:?}");
    assert!(
        !found
            .iter()
            .any(|name| name.contains("secret") || name.contains(".env"))
    );
    context.pack(Vec::new()).unwrap();
    // What was a file when it was looked at is a link when it is packed.
    let file = dir.path().join("body/rootfs/etc/a");
    std::fs::remove_file(&file).unwrap();
    symlink(outside.path().join("src/secret"), &file).unwrap();
    assert!(context.pack(Vec::new()).is_err());
    // A folder above all inputs.
    std::fs::rename(dir.path().join("body"), dir.path().join("was")).unwrap();
    symlink(outside.path(), dir.path().join("body")).unwrap();
    let found = Context::collect(dir.path());
    let found = found.map(|context| names(&context)).unwrap_or_default();
    assert!(
        !found.iter().any(|name| name.starts_with("body/")),
        "{found:?}"
    );
}

/// Whether a path is left out by a `.dockerignore`: by the last pattern that it, or a folder above it,
/// matches. It knows as much of the patterns' language as the project's file uses.
fn is_ignored(patterns: &str, path: &str) -> bool {
    let matches = |pattern: &str, path: &str| {
        let (pattern, path) = match pattern.strip_prefix("**/") {
            Some(name) => (name, path.rsplit('/').next().unwrap_or_default()),
            None => (pattern, path),
        };
        match pattern.split_once('*') {
            Some((begin, end)) => {
                !path.contains('/')
                    && path.len() >= begin.len() + end.len()
                    && path.starts_with(begin)
                    && path.ends_with(end)
            }
            None => pattern == path,
        }
    };
    let ends = path.match_indices('/').map(|(at, _)| at);
    let above: Vec<&str> = ends.map(|at| &path[..at]).chain([path]).collect();
    let mut is_ignored = false;
    for line in patterns.lines().filter(|line| !line.starts_with('#')) {
        let (pattern, ignores) = match line.strip_prefix('!') {
            Some(pattern) => (pattern, false),
            None => (line, true),
        };
        if above.iter().any(|path| matches(pattern, path)) {
            is_ignored = ignores;
        }
    }
    is_ignored
}

#[test]
fn docker_build_in_a_clone_leaves_out_what_the_app_does() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let patterns = std::fs::read_to_string(project.join(".dockerignore")).unwrap();
    for (path, ignored) in [
        ("ui/src/a.ts", true),
        ("a.md", true),
        ("crates/a.md", false),
    ] {
        assert_eq!(is_ignored(&patterns, path), ignored, "{path}");
    }
    let dir = template();
    let names = [
        "plain.txt",
        ".env",
        ".env.local",
        ".env.example",
        ".env.sample",
        ".env.template",
        ".env.dist",
        ".envrc",
        "a.log",
        "a.md",
        "target/a",
        "node_modules/a",
        "__pycache__/a",
        "gen/a",
        "dist/a",
        ".git/config",
        "build-ca/a.crt",
    ];
    let folders = [
        "body/rootfs",
        "body/mcp",
        "body/kernel/vivarium_kernel",
        "body/src",
        "crates",
    ];
    let mut paths: Vec<String> = Vec::new();
    for folder in folders {
        paths.extend(names.map(|name| format!("{folder}/{name}")));
        paths.extend(names.map(|name| format!("{folder}/deep/{name}")));
    }
    for path in &paths {
        let file = dir.path().join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, "x").unwrap();
    }
    let context = Context::collect(dir.path()).unwrap();
    for path in &paths {
        let is_in = context.files.iter().any(|entry| entry.path == *path);
        assert_eq!(is_in, !is_ignored(&patterns, path), "{path}");
    }
    // Nothing that is copied into the image is left out as a whole.
    for input in INPUTS.iter().chain(SOURCES).chain(&[BUILD_CA]) {
        assert!(!is_ignored(&patterns, input), "{input}");
    }
}
