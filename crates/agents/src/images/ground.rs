//! What the tools' layers go onto.

use super::OwnDockerfile;

/// The system below an agent's tools.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Ground {
    /// Debian, as docker/Dockerfile has it.
    #[default]
    Usual,
    /// CUDA's runtime, as docker/Dockerfile.gpu has it.
    Gpu,
    /// An image of Debian or Ubuntu, such as one with a project's toolchain.
    Image(String),
    /// What a project's own Dockerfile makes.
    Dockerfile(OwnDockerfile),
}

impl Ground {
    /// The tag of images on it.
    pub(super) fn tag(&self) -> String {
        match self {
            Self::Usual => "latest".to_owned(),
            Self::Gpu => "gpu".to_owned(),
            Self::Image(name) => own(b"image", name),
            Self::Dockerfile(file) => own(b"dockerfile", file.text()),
        }
    }
}

fn own(kind: &[u8], what: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(kind).update(b"\0").update(what.as_bytes());
    format!("own-{}", &hasher.finalize().to_hex()[..12])
}
