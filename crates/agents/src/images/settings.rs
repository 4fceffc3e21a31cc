//! Where images come from.

use super::{ImageError, Platform};

/// The registry that is asked if none is named.
const REGISTRY: &str = "registry.gitlab.com/kokorolee/ai-sandbox-wrapper";

/// Where a tool's image comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ImageSource {
    /// It is built here.
    #[default]
    Local,
    /// It is fetched, and approved once by its digest.
    Registry {
        /// Where, without the image's own name.
        registry: String,
    },
}

/// What the environment says of images.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageSettings {
    /// `AI_IMAGE_SOURCE` and `AI_IMAGE_REGISTRY`.
    pub source: ImageSource,
    /// `AI_RUN_PLATFORM`; the engine's own if it is missing.
    pub platform: Option<Platform>,
}

impl ImageSettings {
    /// Reads them; an empty variable counts as a missing one.
    ///
    /// # Errors
    /// [`ImageError::Setting`].
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ImageError> {
        let get = |name: &str| variable(name).filter(|value| !value.is_empty());
        let wrong = |name, value, expected| ImageError::Setting {
            name,
            value,
            expected,
        };
        let source = match get("AI_IMAGE_SOURCE").as_deref() {
            None | Some("local") => ImageSource::Local,
            Some("registry") => {
                let registry = get("AI_IMAGE_REGISTRY").unwrap_or_else(|| REGISTRY.to_owned());
                let registry = registry.trim_end_matches('/').to_owned();
                if !is_registry(&registry) {
                    let expected = "a registry's host and path, such as registry.example.org/ai";
                    return Err(wrong("AI_IMAGE_REGISTRY", registry, expected));
                }
                ImageSource::Registry { registry }
            }
            Some(other) => {
                return Err(wrong(
                    "AI_IMAGE_SOURCE",
                    other.to_owned(),
                    "local or registry",
                ));
            }
        };
        let platform = get("AI_RUN_PLATFORM")
            .map(|text| text.parse())
            .transpose()?;
        Ok(Self { source, platform })
    }
}

/// Whether engines take it as the beginning of an image's name: no scheme, no tag, no capitals in the path.
fn is_registry(text: &str) -> bool {
    let mut parts = text.split('/');
    let host = parts.next().unwrap_or_default();
    let (name, port) = host.split_once(':').unwrap_or((host, "0"));
    let plain = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c))
    };
    text.len() <= 200
        && plain(&name.to_ascii_lowercase())
        && port.parse::<u16>().is_ok()
        && parts.all(plain)
}
