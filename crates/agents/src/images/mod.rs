//! The images of agents. Those of the usual names are built here, out of `docker/` of a template; with
//! `AI_IMAGE_SOURCE=registry` a tool's comes from a registry, and a person approves its digest once.
//!
//! - `names`, `ground`: what images are called, and what the tools' layers go onto
//! - `recipes`, `folder`: the Dockerfiles, and the context that the engine gets
//! - `build`, `chain`: building an image and those below it; `own_dockerfile` is a project's own
//! - `registry`: fetching, looking at and approving one of a registry
//! - `resolve`, `list`: which image a tool runs in, and what is there
//! - `records`: which were built here or approved, on disk
//! - `settings`, `platform`, `error`: where images come from, for what, and what goes wrong

mod build;
mod chain;
mod error;
mod folder;
mod ground;
mod list;
mod names;
mod own_dockerfile;
mod platform;
mod recipes;
mod records;
mod registry;
mod resolve;
mod settings;

use std::path::PathBuf;

use wire::machine::Progress;

pub use self::{
    build::{AgentImage, BuildOptions},
    error::ImageError,
    ground::Ground,
    list::{ImageState, ListedImage},
    own_dockerfile::OwnDockerfile,
    platform::Platform,
    registry::RegistryImage,
    resolve::{ResolvedImage, Trust},
    settings::{ImageSettings, ImageSource},
};
use self::{names::Names, recipes::Recipes, records::Records};

/// Hears how a build or a pull goes on.
pub type OnProgress<'a> = &'a mut (dyn FnMut(Progress) + Send);

/// Labels of images.
pub(crate) mod label {
    /// The tool.
    pub const TOOL: &str = "vivarium.agents.tool";
    /// The version that it was built with.
    pub const VERSION: &str = "vivarium.agents.version";
    /// Digest of what it was built from.
    pub const INPUTS: &str = "vivarium.agents.inputs";
}

/// The user that tools run as.
const USER: &str = "agent";

/// Where an installation's images come from, and what it remembers of them.
#[derive(Clone, Debug)]
pub struct Images {
    names: Names,
    recipes: Recipes,
    records: Records,
    settings: ImageSettings,
    spool: PathBuf,
}

impl Images {
    /// `template` is the folder with `docker/`, `config_dir` that of a person's own tools, `data_dir` where
    /// records are kept. An `instance` has images of its own.
    #[must_use]
    pub fn new(
        template: &std::path::Path,
        config_dir: &std::path::Path,
        data_dir: &std::path::Path,
        instance: Option<&str>,
        settings: ImageSettings,
    ) -> Self {
        Self {
            names: Names::new(instance),
            recipes: Recipes::new(template.join("docker"), config_dir.join("agents")),
            records: Records::new(data_dir.join("agents")),
            settings,
            spool: data_dir.join("agents"),
        }
    }

    /// Where images come from.
    #[must_use]
    pub fn settings(&self) -> &ImageSettings {
        &self.settings
    }
}

#[cfg(test)]
mod tests;
