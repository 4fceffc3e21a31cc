//! A machine from a template of a few lines, for what needs no real one.

use std::path::Path;

use lifecycle::{
    CancellationToken, Engine, EngineChoice, LifecycleError, Machine, MachineOptions, UpOptions,
};

/// What a test changes is to be seen in the machine.
const RECREATE: UpOptions = UpOptions {
    rebuild: false,
    recreate: true,
};

/// Its folders go when it is dropped; its container and images by [`TinyMachine::tidy`], and where a
/// test did not come to that, when it is dropped.
pub struct TinyMachine {
    pub instance: String,
    pub machine: Machine,
    pub options: MachineOptions,
    folder: tempfile::TempDir,
    /// Whether all that it left at the engine was removed.
    is_tidy: std::sync::atomic::AtomicBool,
}

/// A machine's options, with all its folders below one.
pub fn options(instance: &str, folder: &Path, overrides: &[&str]) -> MachineOptions {
    MachineOptions {
        instance: Some(instance.to_owned()),
        home: Some(folder.join("home")),
        template: folder.join("template"),
        overrides: overrides.iter().map(|&one| one.into()).collect(),
        ..Default::default()
    }
}

impl TinyMachine {
    /// One with this Dockerfile; `NAME` in it becomes the instance.
    pub fn new(name: &str, dockerfile: &str, overrides: &[&str]) -> Self {
        Self::at(EngineChoice::default(), name, dockerfile, overrides)
    }

    /// The same at a given engine.
    pub fn at(engine: EngineChoice, name: &str, dockerfile: &str, overrides: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let instance = super::own_name(name);
        let options = MachineOptions {
            engine,
            ..options(&instance, folder.path(), overrides)
        };
        let machine = Self {
            machine: Machine::load(&options).expect("a spec"),
            instance,
            options,
            folder,
            is_tidy: false.into(),
        };
        machine.dockerfile(dockerfile);
        machine
    }

    /// Writes the Dockerfile anew.
    pub fn dockerfile(&self, text: &str) {
        self.write("body/Dockerfile", &text.replace("NAME", &self.instance));
    }

    /// Writes a file of the template.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.folder.path().join("template").join(path);
        let parent: &Path = path.parent().expect("a parent");
        std::fs::create_dir_all(parent).expect("a folder");
        std::fs::write(path, text).expect("written");
    }

    /// The folder that holds all of it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Brings it up as its spec and generations say now.
    pub async fn up_again(&self, engine: &Engine) -> Result<(), LifecycleError> {
        let cancel = CancellationToken::new();
        let machine = Machine::load(&self.options)?;
        let up = machine.up(engine, RECREATE, &cancel, &mut |_| {}).await;
        up.map(|_| ())
    }

    /// Brings it up, quietly.
    pub async fn up(&self, engine: &Engine) -> Result<(), LifecycleError> {
        let cancel = CancellationToken::new();
        let up = self
            .machine
            .up(engine, RECREATE, &cancel, &mut |_| {})
            .await;
        up.map(|_| ())
    }

    /// Removes what it left at the engine.
    pub async fn tidy(&self, engine: &Engine) {
        self.machine.remove(engine, true).await.expect("removed");
        let image = format!("{}-os", self.instance);
        engine.remove_image(&image).await.expect("removed");
        for label in ["vivarium.instance", "vivarium.stage", "vivarium.test"] {
            let label = format!("{label}={}", self.instance);
            for image in engine.loose_images(&label).await.expect("listed") {
                engine.remove_image(&image.id).await.expect("removed");
            }
        }
        self.is_tidy
            .store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

impl Drop for TinyMachine {
    fn drop(&mut self) {
        if *self.is_tidy.get_mut() {
            return;
        }
        let instance = &self.instance;
        let container = self.machine.container_name();
        for beside in ["", "-next", "-new", "-old", "-handover", "-next-handover"] {
            super::docker(&["rm", "-fv", &format!("{container}{beside}")]);
        }
        super::docker(&["network", "rm", &format!("{container}-net")]);
        let label = format!("label=vivarium.instance={instance}");
        for volume in super::docker(&["volume", "ls", "-q", "--filter", &label]) {
            super::docker(&["volume", "rm", &volume]);
        }
        for label in ["vivarium.instance", "vivarium.stage", "vivarium.test"] {
            let label = format!("label={label}={instance}");
            for image in super::docker(&["images", "-q", "--filter", &label]) {
                super::docker(&["rmi", "-f", &image]);
            }
        }
    }
}
