//! What every route works with: the sandboxes of this process, for as long as it serves.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use axum::{extract::FromRequestParts, http::request::Parts};
use lifecycle::{EngineChoice, SandboxImage};
use sandbox::{Options, Owner, SandboxError, Sandboxes};
use tokio::sync::{
    Mutex,
    broadcast::{self, error::RecvError},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use wire::{
    failure::{Failure, FailureCode},
    machine::Progress,
    sandbox::{CreateRequest, NetworkMode, Pull, SandboxEvent, SandboxView},
    sandbox_commands::SandboxImageWork,
    stream::Event,
};

use super::{Refusal, image_work::ImageWorks, settings::SandboxSettings};
use crate::{
    App,
    journal::Journal,
    serve::Caller,
    tasks::{Queue, WorkOptions},
};

/// Name of the program that becomes PID 1 of a sandbox.
const INIT: &str = "sandbox-init";
/// Names another one.
const INIT_VARIABLE: &str = "VIVARIUM_SANDBOX_INIT";

/// What every route works with. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Service(Arc<Inner>);

struct Inner {
    /// Or why there are none.
    sandboxes: Result<Sandboxes, Refusal>,
    settings: SandboxSettings,
    key: [u8; 32],
    engine: EngineChoice,
    /// The recipe of the default image.
    image: Option<SandboxImage>,
    folder: PathBuf,
    /// Images that are being made.
    images: ImageWorks,
    /// Held while an image is made for sandboxes that wait for it.
    making: Mutex<()>,
    tasks: TaskTracker,
    stop: CancellationToken,
    /// The queue of tasks, or why there is none.
    queue: Result<Queue, Refusal>,
    /// Workers, which end before the sandboxes do.
    workers: TaskTracker,
}

impl Service {
    /// Starts the sandboxes of an app, which end with it. Without the program that becomes PID 1, or with
    /// settings that can't be read, every request about sandboxes is refused with that reason, and the app
    /// serves all else.
    ///
    /// # Errors
    /// If this computer's key can't be read.
    pub(crate) async fn start(app: &App, keeps_pool: bool) -> Result<Self, Failure> {
        // Not the defaults: a person who damaged the file may have set narrower limits.
        let (mut settings, unreadable) = match SandboxSettings::load(app.config_dir()) {
            Ok(settings) => (settings, None),
            Err(failure) => (SandboxSettings::default(), Some(unreadable(&failure))),
        };
        if !keeps_pool {
            settings.settings.pool.clear();
        }
        let folder = app.data_dir().join("sandboxes");
        let key = key(&folder).map_err(|error| {
            let message = format!("{} can't be used", folder.display());
            Failure::new(FailureCode::Internal, message).because(error.to_string())
        })?;
        let shared = &app.inner.shared;
        let workers = TaskTracker::new();
        let init_binary = init_binary(&shared.options.template);
        let sandboxes = match unreadable.map_or(Ok(init_binary), Err) {
            Err(refusal) => Err(refusal),
            Ok(None) => Err(Refusal::unavailable(format!(
                "sandboxes need the program {INIT}, which is part of a package and of a built checkout; {INIT_VARIABLE} names another place"
            ))),
            Ok(Some(init_binary)) => {
                let options = Options {
                    engine: shared.options.engine.clone(),
                    data_dir: folder.clone(),
                    instance: shared.options.instance.clone(),
                    settings: settings.settings.clone(),
                    init_binary,
                };
                match Sandboxes::start(options).await {
                    Err(error) => Err(error.into()),
                    Ok((sandboxes, running)) => {
                        let (stopping, stop) = (sandboxes.clone(), shared.stop.clone());
                        shared.tasks.spawn(tell(
                            sandboxes.events(),
                            shared.journal.clone(),
                            stop.clone(),
                        ));
                        let working = workers.clone();
                        shared.tasks.spawn(async move {
                            stop.cancelled().await;
                            working.close();
                            working.wait().await;
                            stopping.stop().await;
                            if let Err(error) = running.await {
                                tracing::error!(%error, "the sandboxes' task failed");
                            }
                        });
                        Ok(sandboxes)
                    }
                }
            }
        };
        if let Err(refusal) = &sandboxes {
            tracing::warn!("sandboxes can't be used: {}", refusal.message);
        }
        let queue = Queue::open(app).await;
        if let Err(refusal) = &queue {
            tracing::warn!("tasks can't be used: {}", refusal.message);
        }
        Ok(Self(Arc::new(Inner {
            sandboxes,
            settings,
            key,
            engine: shared.options.engine.clone(),
            image: SandboxImage::of(&shared.options.template),
            folder,
            images: ImageWorks::new(shared.journal.clone()),
            making: Mutex::default(),
            tasks: shared.tasks.clone(),
            stop: shared.stop.clone(),
            queue,
            workers,
        })))
    }

    /// Makes a sandbox. An image that isn't there is built or fetched first, once for all who wait
    /// for it, and also if they go.
    pub(crate) async fn create(
        &self,
        owner: &Owner,
        request: CreateRequest,
        key: Option<&str>,
    ) -> Result<SandboxView, Refusal> {
        let sandboxes = self.sandboxes()?;
        match sandboxes.create(owner, request.clone(), key).await {
            Err(SandboxError::ImageMissing { image }) if request.pull != Some(Pull::Never) => {
                self.get_image(owner, image).await?;
                Ok(sandboxes.create(owner, request, key).await?)
            }
            made => Ok(made?),
        }
    }

    async fn get_image(&self, owner: &Owner, image: String) -> Result<(), Refusal> {
        let (service, owner) = (self.clone(), owner.clone());
        let made = self.0.tasks.spawn(async move {
            let _making = service.0.making.lock().await;
            tracing::info!(image, "a sandbox waits for its image, which is made now");
            let stop = &service.0.stop;
            let mut tell = |_| {};
            service
                .make_available(&owner, Some(image), stop, &mut tell)
                .await
        });
        let made = made.await;
        let made = made.map_err(|_| Refusal::unavailable("sandboxes are shutting down"))?;
        made.map_err(Refusal::failed)
    }

    /// The queue of tasks, or why there is none.
    pub(crate) fn queue(&self) -> Result<&Queue, Refusal> {
        self.0.queue.as_ref().map_err(Clone::clone)
    }

    /// Works on tasks until the app stops, or `drained`; what runs is given back then, or finished first.
    /// Answers the worker's end.
    ///
    /// # Errors
    /// If there is no queue.
    pub(crate) async fn work(
        &self,
        options: WorkOptions,
        drained: CancellationToken,
    ) -> Result<tokio::task::JoinHandle<()>, Refusal> {
        let (worker, working) = self.queue()?.work(self.clone(), options).await;
        let stop = self.0.stop.clone();
        Ok(self.0.workers.spawn(async move {
            tracing::info!(worker = worker.name(), "a worker runs tasks");
            let mut working = working;
            tokio::select! {
                _ = &mut working => return,
                () = drained.cancelled() => worker.drain(),
                () = stop.cancelled() => {}
            }
            tokio::select! {
                _ = &mut working => return,
                () = stop.cancelled() => worker.stop(),
            }
            if let Err(error) = working.await {
                tracing::error!(%error, "a worker's task failed");
            }
        }))
    }

    /// Does something that the app waits for before its sandboxes end.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.0.workers.spawn(work);
    }

    /// Sandboxes, or why there are none.
    pub(crate) fn sandboxes(&self) -> Result<&Sandboxes, Refusal> {
        self.0.sandboxes.as_ref().map_err(Clone::clone)
    }

    /// Makes an image available, the default one if none is named: that one is built, if its recipe is
    /// there, and others are fetched from their registry.
    pub(crate) async fn make_available(
        &self,
        owner: &Owner,
        image: Option<String>,
        cancel: &CancellationToken,
        tell: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<(), Failure> {
        let own = self.default_image();
        let image = image.as_deref().unwrap_or(own);
        let engine = self.0.engine.connect().await?;
        if engine.image(image).await?.is_some() {
            return Ok(());
        }
        let mut work = self.0.images.begin(image, owner);
        let mut tell = |progress: Progress| {
            work.tell(&progress);
            tell(progress);
        };
        match &self.0.image {
            Some(recipe) if image == own => {
                let built = recipe.build(&engine, image, &self.0.folder, cancel, &mut tell);
                Ok(built.await?)
            }
            _ => Ok(engine.pull(image, cancel, &mut tell).await?),
        }
    }

    /// Images that are being built or fetched now.
    pub(super) fn images(&self) -> Vec<SandboxImageWork> {
        self.0.images.list()
    }

    /// What sandboxes of this computer are opened with is derived from it.
    pub(crate) fn key(&self) -> [u8; 32] {
        self.0.key
    }

    /// The image of a sandbox whose caller names none.
    pub(crate) fn default_image(&self) -> &str {
        &self.0.settings.settings.image
    }

    /// What a sandbox reaches whose caller says nothing; `None` if the settings have nothing for this
    /// caller.
    pub(crate) fn default_network(&self, caller: &Caller) -> Option<NetworkMode> {
        let settings = &self.0.settings;
        match caller {
            Caller::Owner => None,
            Caller::Anybody => settings.no_token_network,
            Caller::Bearer(bearer, _) => settings.token_networks.get(&bearer.name).copied(),
        }
    }
}

fn unreadable(failure: &Failure) -> Refusal {
    let cause = failure.cause.as_deref().unwrap_or_default();
    Refusal::unavailable(format!(
        "{}; fix the file and restart Vivarium: {cause}",
        failure.message
    ))
}

/// Puts what happens to sandboxes into the app's one stream of events.
async fn tell(
    mut events: broadcast::Receiver<SandboxEvent>,
    journal: Journal,
    stop: CancellationToken,
) {
    loop {
        let event = tokio::select! {
            () = stop.cancelled() => return,
            event = events.recv() => event,
        };
        match event {
            Ok(happened) => journal.publish(Event::Sandbox { happened }),
            // Whoever missed something lists the sandboxes.
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

/// What a sandbox of this request's caller reaches by default.
pub(crate) struct DefaultNetwork(pub(crate) Option<NetworkMode>);

impl FromRequestParts<Service> for DefaultNetwork {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, Refusal> {
        let caller = parts.extensions.get::<Caller>();
        Ok(Self(
            caller.and_then(|caller| service.default_network(caller)),
        ))
    }
}

/// The program that becomes PID 1: the template's static one (of a package, or of a checkout that built
/// it), which runs in every image; else one beside this program.
pub(crate) fn init_binary(template: &Path) -> Option<PathBuf> {
    if let Some(told) = std::env::var_os(INIT_VARIABLE).filter(|told| !told.is_empty()) {
        return Some(told.into());
    }
    let beside = std::env::current_exe().ok();
    let beside = beside.and_then(|own| Some(own.parent()?.join(INIT)));
    let architecture = std::env::consts::ARCH;
    let built = [
        format!("docker/sandbox/bin/{architecture}/{INIT}"),
        format!("target/{architecture}-unknown-linux-gnu/release/{INIT}"),
    ];
    let built = built.iter().map(|path| template.join(path));
    built.chain(beside).find(|path| path.is_file())
}

/// This computer's key, which is made if there is none. Only its owner can read it.
fn key(folder: &Path) -> io::Result<[u8; 32]> {
    let path = folder.join("key");
    let read = || {
        let bytes = fs::read(&path)?;
        <[u8; 32]>::try_from(bytes).map_err(|_| io::Error::other("the file key is damaged"))
    };
    match read() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        known => return known,
    }
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let aside = folder.join(format!("key.{}", std::process::id()));
    let mut options = fs::File::options();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&aside)?;
    io::Write::write_all(&mut file, &rand::random::<[u8; 32]>())?;
    file.sync_all()?;
    // Another process may have made one just now: then that one counts.
    let linked = fs::hard_link(&aside, &path);
    fs::remove_file(&aside)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => read(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_key_is_made_once_and_is_its_owners_alone() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("sandboxes");
        let made = key(&folder).unwrap();
        assert_eq!(key(&folder).unwrap(), made);
        assert_ne!(made, [0; 32]);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder.join("key")), 0o600);
        assert_eq!(mode(&folder), 0o700);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::write(folder.join("key"), "short").unwrap();
        assert!(key(&folder).is_err());
    }
}
