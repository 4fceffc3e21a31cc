//! What a machine and its parts are called at the engine: names and labels.

use std::collections::BTreeMap;

use crate::spec::Spec;

/// Labels' names: what the engine needs to find its containers again.
pub(crate) mod label {
    pub(crate) const SCHEMA: &str = "vivarium.schema";
    pub(crate) const INSTANCE: &str = "vivarium.instance";
    pub(crate) const MACHINE: &str = "vivarium.machine";
    pub(crate) const VERSION: &str = "vivarium.version";
    /// Which of the Dockerfile's stages an image is of; set there.
    pub(crate) const STAGE: &str = "vivarium.stage";
    /// Digest of the image's inputs.
    pub(crate) const INPUTS: &str = "vivarium.inputs";
    /// Digest of the container's plan.
    pub(crate) const PLAN: &str = "vivarium.plan";
    /// Number of an image's generation.
    pub(crate) const GENERATION: &str = "vivarium.generation";
    /// The image's name where somebody else made the machine.
    pub(crate) const IMAGE: &str = "vivarium.image";
    /// The repo's commit that an image was built from.
    pub(crate) const COMMIT: &str = "vivarium.commit";
}

/// Names and folders of one machine.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    /// The machine's id: of its labels, its folder and its volume.
    pub machine: String,
    /// Its name in the spec.
    pub name: String,
    /// Instance, empty for the first.
    pub instance: String,
    /// Container.
    pub container: String,
    /// Image tag.
    pub image: String,
    /// Name of the images of its generations, without their tags.
    pub repository: String,
    /// What network and home volume begin with.
    pub stem: String,
}

/// What stands beside a machine's container while it is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placed {
    /// The candidate that is proved.
    Next,
    /// The new one, before it has the machine's name.
    New,
    /// The one that is replaced.
    Old,
}

impl Names {
    pub(crate) fn new(spec: &Spec, instance: Option<&str>) -> Self {
        let prefixed = |name: &str| {
            instance.map_or_else(|| name.to_owned(), |instance| format!("{instance}-{name}"))
        };
        let reused = std::env::var("VIVARIUM_IMAGE")
            .ok()
            .filter(|image| !image.is_empty());
        Self {
            machine: spec.id().into(),
            name: spec.name.clone(),
            instance: instance.unwrap_or_default().into(),
            container: prefixed(&spec.name),
            image: reused.unwrap_or_else(|| prefixed(&spec.image)),
            repository: prefixed(&spec.image),
            stem: prefixed(spec.id()),
        }
    }

    pub(crate) fn placed(&self, place: Placed) -> String {
        let end = match place {
            Placed::Next => "next",
            Placed::New => "new",
            Placed::Old => "old",
        };
        format!("{}-{end}", self.container)
    }

    /// The image of a generation.
    pub(crate) fn generation(&self, number: u32) -> String {
        format!("{}:gen-{number}", self.repository)
    }

    pub(crate) fn network(&self) -> String {
        format!("{}-net", self.stem)
    }

    pub(crate) fn home_volume(&self) -> String {
        format!("{}-home", self.stem)
    }

    pub(crate) fn labels(&self) -> BTreeMap<String, String> {
        [
            (label::SCHEMA, "1"),
            (label::INSTANCE, &self.instance),
            (label::MACHINE, &self.machine),
            (label::VERSION, wire::VERSION),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }
}
