//! A machine from a template of a few lines, for what needs no real one.

use std::path::Path;

use lifecycle::{
    CancellationToken, Dock, EngineChoice, LifecycleError, Machine, MachineOptions, UpOptions,
};

/// What a test changes is to be seen in the machine.
const RECREATE: UpOptions = UpOptions {
    rebuild: false,
    recreate: true,
};

/// Its folders go when it is dropped; its container and images by [`TinyMachine::tidy`].
pub struct TinyMachine {
    pub instance: String,
    pub machine: Machine,
    pub options: MachineOptions,
    folder: tempfile::TempDir,
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
        let instance = format!("vtest-{name}-{}", std::process::id());
        let options = MachineOptions {
            engine,
            ..options(&instance, folder.path(), overrides)
        };
        let machine = Self {
            machine: Machine::load(&options).expect("a spec"),
            instance,
            options,
            folder,
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
    pub async fn up_again(&self, dock: &Dock) -> Result<(), LifecycleError> {
        let cancel = CancellationToken::new();
        let machine = Machine::load(&self.options)?;
        let up = machine.up(dock, RECREATE, &cancel, &mut |_| {}).await;
        up.map(|_| ())
    }

    /// Brings it up, quietly.
    pub async fn up(&self, dock: &Dock) -> Result<(), LifecycleError> {
        let cancel = CancellationToken::new();
        let up = self.machine.up(dock, RECREATE, &cancel, &mut |_| {}).await;
        up.map(|_| ())
    }

    /// Removes what it left at the engine.
    pub async fn tidy(&self, dock: &Dock) {
        self.machine.remove(dock, true).await.expect("removed");
        let image = format!("{}-os", self.instance);
        dock.remove_image(&image).await.expect("removed");
        for label in ["instance", "stage"] {
            let label = format!("vivarium.{label}={}", self.instance);
            for image in dock.loose_images(&label).await.expect("listed") {
                dock.remove_image(&image.id).await.expect("removed");
            }
        }
    }
}
