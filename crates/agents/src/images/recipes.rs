//! The Dockerfiles and what belongs to them, as a tar that is the same for the same files, and its digest,
//! by which a build knows that an image is out of date.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read, Seek},
    path::{Path, PathBuf},
};

use super::{
    AgentImage, Ground, ImageError, OwnDockerfile,
    folder::{Folder, Found},
};
use crate::catalogue::ToolId;

/// The most bytes of one context.
const LARGEST: u64 = 16 << 20;
/// Certificates of a network that inspects TLS: used in the build, never in the image.
const BUILD_CA: &str = "build-ca";
/// What every image's first program is made of.
const ENTRY: &str = "entry";
/// The tools' folder.
const AGENTS: &str = "agents";

/// Where the recipes lie.
#[derive(Clone, Debug)]
pub(super) struct Recipes {
    /// `docker/` of a template.
    docker: PathBuf,
    /// A folder with a person's own tools, a folder each.
    own: PathBuf,
}

/// What the engine builds from.
#[derive(Debug)]
pub(super) struct Context {
    /// The Dockerfile's path in it.
    pub dockerfile: String,
    files: BTreeMap<String, Entry>,
}

#[derive(Debug)]
struct Entry {
    bytes: Vec<u8>,
    executable: bool,
    /// Whether a change makes the image stale.
    counts: bool,
}

impl Recipes {
    pub(super) fn new(docker: PathBuf, own: PathBuf) -> Self {
        Self { docker, own }
    }

    /// The script that makes Debian's image where no registry is reachable.
    pub(super) fn base_script(&self) -> PathBuf {
        self.docker.join("base/make-debian.sh")
    }

    /// Whether a person has a Dockerfile of their own for a tool.
    pub(super) fn has_own(&self, tool: &ToolId) -> bool {
        self.own.join(tool.as_str()).join("Dockerfile").is_file()
    }

    /// The context of an image.
    pub(super) fn context(
        &self,
        image: &AgentImage,
        ground: &Ground,
    ) -> Result<Context, ImageError> {
        let docker = self.open(&self.docker)?;
        let mut context = Context {
            dockerfile: String::new(),
            files: BTreeMap::new(),
        };
        match image {
            AgentImage::Base => {
                let name = match ground {
                    Ground::Gpu => "Dockerfile.gpu",
                    _ => "Dockerfile",
                };
                context.dockerfile = name.to_owned();
                self.add_file(&mut context, &docker, name)?;
                self.add_folder(&mut context, &docker, ENTRY, true)?;
            }
            AgentImage::ToolBase => self.add_tool(&mut context, &docker, "base")?,
            AgentImage::All => self.add_tool(&mut context, &docker, "all")?,
            AgentImage::Tool(tool) => {
                for name in ["install-npm", "install-pypi"] {
                    self.add_file(&mut context, &docker, &format!("{AGENTS}/{name}"))?;
                }
                if !self.has_own(tool) {
                    self.add_tool(&mut context, &docker, tool.as_str())?;
                } else {
                    let own = self.open(&self.own)?;
                    let found = own.files(tool.as_str());
                    let found =
                        found.map_err(|error| self.failed(&self.own, tool.as_str(), error))?;
                    for mut file in found {
                        file.path = format!("{AGENTS}/{}", file.path);
                        context
                            .add(file, true)
                            .map_err(|error| self.failed(&self.own, tool.as_str(), error))?;
                    }
                    context.dockerfile = format!("{AGENTS}/{tool}/Dockerfile");
                }
            }
        }
        self.add_folder(&mut context, &docker, BUILD_CA, false)?;
        if let Some(bundle) = given_certificates() {
            let found = Found {
                path: format!("{BUILD_CA}/given.crt"),
                file: File::open(&bundle).map_err(ImageError::file("read", &bundle))?,
                executable: false,
            };
            let added = context.add(found, false);
            added.map_err(ImageError::file("read", &bundle))?;
        }
        match context.files.contains_key(&context.dockerfile) {
            true => Ok(context),
            false => Err(ImageError::NoRecipe {
                path: self.docker.join(&context.dockerfile),
            }),
        }
    }

    fn open(&self, folder: &Path) -> Result<Folder, ImageError> {
        Folder::open(folder).map_err(|_| ImageError::NoRecipe {
            path: folder.to_owned(),
        })
    }

    fn failed(&self, folder: &Path, path: &str, error: io::Error) -> ImageError {
        ImageError::file("read", &folder.join(path))(error)
    }

    fn add_tool(
        &self,
        context: &mut Context,
        docker: &Folder,
        name: &str,
    ) -> Result<(), ImageError> {
        let folder = format!("{AGENTS}/{name}");
        context.dockerfile = format!("{folder}/Dockerfile");
        self.add_folder(context, docker, &folder, true)
    }

    fn add_folder(
        &self,
        context: &mut Context,
        docker: &Folder,
        path: &str,
        counts: bool,
    ) -> Result<(), ImageError> {
        let failed = |error| self.failed(&self.docker, path, error);
        for file in docker.files(path).map_err(failed)? {
            context.add(file, counts).map_err(failed)?;
        }
        Ok(())
    }

    fn add_file(
        &self,
        context: &mut Context,
        docker: &Folder,
        path: &str,
    ) -> Result<(), ImageError> {
        let failed = |error| self.failed(&self.docker, path, error);
        let file = docker.file(path).map_err(failed)?;
        let mode = file.metadata().map_err(failed)?.permissions();
        let executable = std::os::unix::fs::PermissionsExt::mode(&mode) & 0o111 != 0;
        let path = path.to_owned();
        context
            .add(
                Found {
                    path,
                    file,
                    executable,
                },
                true,
            )
            .map_err(failed)
    }
}

impl Context {
    /// A project's own Dockerfile, alone.
    pub(super) fn of_dockerfile(file: &OwnDockerfile) -> Self {
        let entry = Entry {
            bytes: file.text().as_bytes().to_vec(),
            executable: false,
            counts: true,
        };
        Self {
            dockerfile: "Dockerfile".to_owned(),
            files: BTreeMap::from([("Dockerfile".to_owned(), entry)]),
        }
    }

    fn add(&mut self, found: Found, counts: bool) -> io::Result<()> {
        let taken: u64 = self
            .files
            .values()
            .map(|entry| entry.bytes.len() as u64)
            .sum();
        let mut bytes = Vec::new();
        found
            .file
            .take(LARGEST + 1 - taken)
            .read_to_end(&mut bytes)?;
        if taken + bytes.len() as u64 > LARGEST {
            let most = LARGEST >> 20;
            return Err(io::Error::other(format!(
                "the recipe's files are larger than {most} MiB"
            )));
        }
        let entry = Entry {
            bytes,
            executable: found.executable,
            counts,
        };
        self.files.insert(found.path, entry);
        Ok(())
    }

    /// The images that the Dockerfile begins with, by the arguments or their defaults: they are fetched
    /// first, so that a missing one is told as such.
    pub(super) fn images_below(&self, args: &BTreeMap<String, String>) -> Vec<String> {
        let Some(entry) = self.files.get(&self.dockerfile) else {
            return Vec::new();
        };
        let text = String::from_utf8_lossy(&entry.bytes);
        let (mut values, mut stages, mut images) = (args.clone(), Vec::new(), Vec::new());
        for line in text.lines() {
            let words: Vec<_> = line.split_whitespace().collect();
            match words.as_slice() {
                [word, argument, ..] if word.eq_ignore_ascii_case("ARG") && stages.is_empty() => {
                    if let Some((name, value)) = argument.split_once('=') {
                        values
                            .entry(name.to_owned())
                            .or_insert_with(|| value.to_owned());
                    }
                }
                [word, rest @ ..] if word.eq_ignore_ascii_case("FROM") => {
                    let mut rest = rest.iter().filter(|word| !word.starts_with("--"));
                    let Some(image) = rest.next() else { continue };
                    let image = values
                        .iter()
                        .fold((*image).to_owned(), |image, (name, value)| {
                            image.replace(&format!("${{{name}}}"), value)
                        });
                    // Other ways to write a variable are the engine's business.
                    let is_image = image != "scratch" && !image.contains('$');
                    if is_image && !stages.contains(&image) && !images.contains(&image) {
                        images.push(image);
                    }
                    stages.push(
                        rest.nth(1)
                            .map_or_else(String::new, |name| (*name).to_owned()),
                    );
                }
                _ => {}
            }
        }
        images
    }

    /// Digest of what the image is made of, with the build arguments and the ids of the images below.
    pub(super) fn digest(&self, args: &BTreeMap<String, String>, below: &[String]) -> String {
        let mut hasher = blake3::Hasher::new();
        // Lengths before texts, so that no two lists of inputs read the same.
        let mut add = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        for id in below {
            add(id.as_bytes());
        }
        for (name, value) in args {
            add(name.as_bytes());
            add(value.as_bytes());
        }
        for (path, entry) in self.files.iter().filter(|(_, entry)| entry.counts) {
            add(path.as_bytes());
            add(&[u8::from(entry.executable)]);
            add(&entry.bytes);
        }
        hasher.finalize().to_hex().to_string()
    }

    /// Writes the tar to a file without a name: sorted, no times, no owners. Folders end in a slash, as in
    /// what Docker's own client sends: builds by both take each other's layers from the cache.
    pub(super) fn spool(&self, folder: &Path) -> io::Result<File> {
        let mut tar = tar::Builder::new(tempfile::tempfile_in(folder)?);
        let mut written = String::new();
        for (path, entry) in &self.files {
            for (at, _) in path.match_indices('/') {
                let above = &path[..=at];
                if !written.starts_with(above) {
                    let mut header = header(tar::EntryType::Directory, 0o755, 0);
                    tar.append_data(&mut header, above, io::empty())?;
                }
            }
            let mode = if entry.executable { 0o755 } else { 0o644 };
            let mut header = header(tar::EntryType::Regular, mode, entry.bytes.len() as u64);
            tar.append_data(&mut header, path, entry.bytes.as_slice())?;
            written.clone_from(path);
        }
        let mut file = tar.into_inner()?;
        file.rewind()?;
        Ok(file)
    }
}

fn header(kind: tar::EntryType, mode: u32, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

/// Of a network that inspects TLS, where the environment names them.
fn given_certificates() -> Option<PathBuf> {
    let bundle = std::env::var_os("VIVARIUM_BUILD_CA").filter(|path| !path.is_empty());
    bundle.map(PathBuf::from)
}
