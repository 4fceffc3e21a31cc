//! The build context: which files of the template an image is made of, as a tar
//! that is the same for the same inputs, and their digest, by which `up` knows
//! that an image is stale.

mod files;

use std::{
    fs::File,
    io::{Read, Seek, Write},
    path::{Path, PathBuf},
};

use self::files::{BUILT, Entry, Kind, Place, walk};
use crate::error::LifecycleError;

/// What the image itself is made of.
const INPUTS: &[&str] = &[
    "body/Dockerfile",
    "body/rootfs",
    "body/kernel/requirements.txt",
    "body/kernel/vivarium_kernel",
    "body/mcp",
];
/// What the image of sandboxes is made of.
const SANDBOX_INPUTS: &[&str] = &[
    "docker/sandbox",
    "body/kernel/requirements.txt",
    "body/kernel/vivarium_kernel",
];
/// What the body's binary is built from, where none is prebuilt.
const SOURCES: &[&str] = &[
    "Cargo.toml",
    "Cargo.lock",
    "crates",
    "body/Cargo.toml",
    "body/compile.sh",
    "body/src",
];
/// Certificates of a network that inspects TLS: used in the build, never in the image.
pub(crate) const BUILD_CA: &str = "body/build-ca";
/// Those that the environment names, in there.
pub(crate) const GIVEN: &str = "given.crt";

/// The files of a build, collected.
#[derive(Clone, Debug)]
pub struct Context {
    /// Sorted by their paths inside the context.
    files: Vec<Entry>,
    /// Whether the body's binary is among them.
    pub prebuilt: bool,
}

impl Context {
    /// Looks through the template folder.
    ///
    /// # Errors
    /// [`LifecycleError::NoTemplate`] where it has no `body/Dockerfile`, else [`LifecycleError::File`].
    pub fn collect(template: &Path) -> Result<Self, LifecycleError> {
        if !template.join("body/Dockerfile").is_file() {
            return Err(LifecycleError::NoTemplate {
                path: template.into(),
            });
        }
        let binary = format!("body/bin/{}/body", std::env::consts::ARCH);
        let prebuilt = template.join(&binary).is_file();
        let mut files = Vec::new();
        for input in INPUTS {
            walk(template, input, true, &mut files)?;
        }
        if prebuilt {
            walk(template, &binary, true, &mut files)?;
        }
        for source in SOURCES {
            walk(template, source, !prebuilt, &mut files)?;
        }
        walk(template, BUILD_CA, false, &mut files)?;
        files.sort_by(|a: &Entry, b: &Entry| a.path.cmp(&b.path));
        Ok(Self { files, prebuilt })
    }

    /// The files of the image of sandboxes.
    ///
    /// # Errors
    /// [`LifecycleError::File`].
    pub fn of_sandbox(template: &Path) -> Result<Self, LifecycleError> {
        let mut files = Vec::new();
        for input in SANDBOX_INPUTS {
            walk(template, input, true, &mut files)?;
        }
        walk(template, BUILD_CA, false, &mut files)?;
        files.sort_by(|a: &Entry, b: &Entry| a.path.cmp(&b.path));
        Ok(Self {
            files,
            prebuilt: false,
        })
    }

    /// All files of a machine's repo, written into a folder, with the template's certificates and,
    /// where `shipped` says so, its binary of `body`.
    ///
    /// # Errors
    /// [`LifecycleError::NoDockerfile`] if there is none in it, else [`LifecycleError::File`].
    pub fn of_repo(folder: &Path, template: &Path, shipped: bool) -> Result<Self, LifecycleError> {
        if !folder.join("body/Dockerfile").is_file() {
            return Err(LifecycleError::NoDockerfile);
        }
        let mut context = Self::whole(folder)?;
        let binary = format!("body/bin/{}/body", std::env::consts::ARCH);
        if shipped && template.join(&binary).is_file() {
            walk(template, &binary, true, &mut context.files)?;
            context.prebuilt = true;
        }
        context
            .files
            .retain(|entry| !entry.path.starts_with(BUILD_CA));
        walk(template, BUILD_CA, false, &mut context.files)?;
        context.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(context)
    }

    /// Adds one more prebuilt binary of the template; where it has none, all are compiled.
    ///
    /// # Errors
    /// [`LifecycleError::File`].
    pub fn with_prebuilt(mut self, template: &Path, name: &str) -> Result<Self, LifecycleError> {
        if self.prebuilt {
            let binary = format!("body/bin/{}/{name}", std::env::consts::ARCH);
            self.prebuilt = template.join(&binary).is_file();
            walk(template, &binary, true, &mut self.files)?;
        }
        Ok(self)
    }

    /// Adds prebuilt binaries from elsewhere on this computer, so that nothing is compiled.
    #[must_use]
    pub fn with_binaries(mut self, names: &[&str], place: impl Fn(&str) -> PathBuf) -> Self {
        for name in names {
            self.files.push(Entry {
                path: format!("body/bin/{}/{name}", std::env::consts::ARCH),
                place: Place::At(place(name)),
                kind: Kind::File { executable: true },
                counts: true,
            });
            self.prebuilt = true;
        }
        self
    }

    /// Adds a bundle of certificates from elsewhere on this computer: as those in the template's
    /// `body/build-ca`, they are used while the image is built and make none stale.
    #[must_use]
    pub fn with_certificates(mut self, bundle: PathBuf) -> Self {
        self.files.push(Entry {
            path: format!("{BUILD_CA}/{GIVEN}"),
            place: Place::At(bundle),
            kind: Kind::File { executable: false },
            counts: false,
        });
        self
    }

    /// Digest of what the image is made of, with the build arguments.
    ///
    /// # Errors
    /// [`LifecycleError::File`].
    pub fn digest<'a>(
        &self,
        arguments: impl Iterator<Item = (&'a String, &'a String)>,
    ) -> Result<String, LifecycleError> {
        let mut hasher = blake3::Hasher::new();
        // Lengths before texts, so that no two lists of inputs read the same.
        fn add(hasher: &mut blake3::Hasher, bytes: &[u8]) {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        }
        for (name, value) in arguments {
            add(&mut hasher, name.as_bytes());
            add(&mut hasher, value.as_bytes());
        }
        for entry in self.files.iter().filter(|entry| entry.counts) {
            add(&mut hasher, entry.path.as_bytes());
            match entry.kind {
                Kind::File { executable } => {
                    add(&mut hasher, &[1, u8::from(executable)]);
                    let (file, size) = entry.open()?;
                    hasher.update(&size.to_le_bytes());
                    hasher
                        .update_reader(exactly(file, size))
                        .map_err(LifecycleError::file("read", &entry.on_host()))?;
                }
                Kind::Link => {
                    add(&mut hasher, &[2]);
                    add(
                        &mut hasher,
                        entry.read_link()?.as_os_str().as_encoded_bytes(),
                    );
                }
                Kind::Folder => add(&mut hasher, &[3]),
            }
        }
        Ok(hasher.finalize().to_hex().to_string())
    }

    /// The tar, in a file without a name in this folder: sorted, no times, no owners. Not in the
    /// system's folder for such files, which may be in memory.
    ///
    /// # Errors
    /// [`LifecycleError::File`].
    pub fn spool(&self, folder: &Path) -> Result<File, LifecycleError> {
        let failed = |error| LifecycleError::file("write to", folder)(error);
        let mut file = self.pack(tempfile::tempfile_in(folder).map_err(failed)?)?;
        file.rewind().map_err(failed)?;
        Ok(file)
    }

    /// Writes the tar somewhere; no more of a file is in memory than a buffer. Folders end in a
    /// slash, as in what Docker's own client sends: the engine compares names too, and builds by both
    /// take each other's layers from its cache.
    fn pack<W: Write>(&self, into: W) -> Result<W, LifecycleError> {
        let mut tar = tar::Builder::new(into);
        for entry in &self.files {
            let failed = |error| LifecycleError::file("pack", &entry.on_host())(error);
            let mut header = tar::Header::new_gnu();
            header.set_mtime(0);
            header.set_uid(0);
            header.set_gid(0);
            match entry.kind {
                Kind::File { executable } => {
                    let (file, size) = entry.open()?;
                    header.set_entry_type(tar::EntryType::Regular);
                    header.set_mode(if executable { 0o755 } else { 0o644 });
                    header.set_size(size);
                    tar.append_data(&mut header, &entry.path, exactly(file, size))
                        .map_err(failed)?;
                }
                Kind::Link => {
                    header.set_entry_type(tar::EntryType::Symlink);
                    header.set_mode(0o777);
                    header.set_size(0);
                    tar.append_link(&mut header, &entry.path, entry.read_link()?)
                        .map_err(failed)?;
                }
                Kind::Folder => {
                    header.set_entry_type(tar::EntryType::Directory);
                    header.set_mode(0o755);
                    header.set_size(0);
                    tar.append_data(&mut header, format!("{}/", entry.path), std::io::empty())
                        .map_err(failed)?;
                }
            }
        }
        tar.into_inner()
            .map_err(LifecycleError::file("pack", Path::new("the build context")))
    }

    /// Every file of a template but what is built, for a machine's working copy.
    ///
    /// # Errors
    /// [`LifecycleError::File`].
    pub fn whole(template: &Path) -> Result<Self, LifecycleError> {
        let mut files = Vec::new();
        for child in std::fs::read_dir(template).map_err(LifecycleError::file("read", template))? {
            let name = child
                .map_err(LifecycleError::file("read", template))?
                .file_name();
            if let Some(name) = name.to_str().filter(|name| !BUILT.contains(name)) {
                walk(template, name, true, &mut files)?;
            }
        }
        files.retain(|entry| !entry.path.starts_with("body/bin") && !entry.path.ends_with(".crt"));
        files.sort_by(|a: &Entry, b: &Entry| a.path.cmp(&b.path));
        Ok(Self {
            files,
            prebuilt: false,
        })
    }

    /// Copies the files into a folder.
    ///
    /// # Errors
    /// [`LifecycleError::File`].
    pub fn copy_to(&self, folder: &Path) -> Result<(), LifecycleError> {
        for entry in &self.files {
            let target = folder.join(&entry.path);
            let failed = |error| LifecycleError::file("copy to", &target)(error);
            let parent = if entry.kind == Kind::Folder {
                Some(target.as_path())
            } else {
                target.parent()
            };
            if let Some(parent) = parent {
                std::fs::create_dir_all(parent).map_err(failed)?;
            }
            match entry.kind {
                Kind::File { .. } => {
                    let (mut file, _) = entry.open()?;
                    let mode = file.metadata().map_err(failed)?.permissions();
                    let mut copy = File::create(&target).map_err(failed)?;
                    std::io::copy(&mut file, &mut copy).map_err(failed)?;
                    copy.set_permissions(mode).map_err(failed)?;
                }
                Kind::Link => {
                    std::os::unix::fs::symlink(entry.read_link()?, &target).map_err(failed)?
                }
                Kind::Folder => {}
            }
        }
        Ok(())
    }
}

/// Digest of what the body's binary is built from.
///
/// # Errors
/// [`LifecycleError::File`].
pub fn sources_digest(folder: &Path) -> Result<String, LifecycleError> {
    let mut files = Vec::new();
    for source in SOURCES {
        walk(folder, source, true, &mut files)?;
    }
    files.sort_by(|a: &Entry, b: &Entry| a.path.cmp(&b.path));
    let context = Context {
        files,
        prebuilt: false,
    };
    context.digest(std::iter::empty())
}

/// Whether a path is of what the body's binary is built from.
pub(crate) fn is_source(path: &[u8]) -> bool {
    SOURCES.iter().any(|source| {
        let rest = path.strip_prefix(source.as_bytes());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    })
}

/// As many bytes as were announced, should the file grow or shrink meanwhile.
fn exactly(file: File, size: u64) -> impl Read {
    file.chain(std::io::repeat(0)).take(size)
}

#[cfg(test)]
mod tests;
