//! From a shape to a started sandbox that has said hello and belongs to nobody yet.

use std::{collections::BTreeSet, sync::Arc};

use containers::{Engine, EngineChoice};
use init_client::{InitFiles, InitVolume, Opening, Session, Transport, is_image_missing};
use parking_lot::Mutex;
use wire::sandbox::{DiskKind, SandboxId};

use crate::{
    container::{self, KIND_INIT, Labels, Plan},
    disk,
    error::SandboxError,
    seat::random_name,
    shape::Shape,
};

/// Starts sandboxes.
#[derive(Debug)]
pub(crate) struct Launcher {
    pub(crate) engine: EngineChoice,
    pub(crate) labels: Labels,
    /// The owner's label of new ones.
    pub(crate) owner: String,
    pub(crate) init: InitVolume,
    /// Those that are being started or handed over, which no sweep may take for left over.
    busy: Arc<Mutex<BTreeSet<SandboxId>>>,
}

/// A sandbox that runs, and belongs to nobody yet.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) id: SandboxId,
    pub(crate) shape: Shape,
    pub(crate) image_id: String,
    pub(crate) session: Session,
    /// Whether the engine limits its volumes.
    pub(crate) disk_limited: bool,
    /// Keeps it from being swept.
    #[expect(dead_code, reason = "it is held, and its end counts")]
    pub(crate) busy: Busy,
}

/// Keeps a sandbox from being swept as long as it is held.
#[derive(Debug)]
pub(crate) struct Busy {
    id: SandboxId,
    all: Arc<Mutex<BTreeSet<SandboxId>>>,
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.all.lock().remove(&self.id);
    }
}

impl Launcher {
    pub(crate) fn new(
        engine: EngineChoice,
        labels: Labels,
        owner: String,
        init: InitVolume,
    ) -> Self {
        Self {
            engine,
            labels,
            owner,
            init,
            busy: Arc::default(),
        }
    }

    /// Whether somebody is at work on it.
    pub(crate) fn is_busy(&self, id: &SandboxId) -> bool {
        self.busy.lock().contains(id)
    }

    /// Starts one. What was made of it is removed if that fails.
    pub(crate) async fn launch(&self, shape: &Shape) -> Result<Started, SandboxError> {
        let engine = self.engine.connect().await?;
        let missing = || SandboxError::ImageMissing {
            image: shape.image.clone(),
        };
        let image = engine.image(&shape.image).await?.ok_or_else(missing)?;
        self.check_features(&engine, shape).await?;
        let busy = self.new_id();
        let id = busy.id.clone();
        let launched = match self.start(&engine, &id, shape, &image.volumes).await {
            // Somebody may have removed the volume or the network: once more, from the beginning.
            Err(SandboxError::Engine(error))
                if error.is_not_found() && !is_image_missing(&error) =>
            {
                self.remove(&engine, &id, shape).await;
                self.init.look_again().await;
                self.start(&engine, &id, shape, &image.volumes).await
            }
            Err(SandboxError::Engine(error)) if is_image_missing(&error) => Err(missing()),
            launched => launched,
        };
        match launched {
            Ok((session, disk_limited)) => Ok(Started {
                id,
                shape: shape.clone(),
                image_id: image.id,
                session,
                disk_limited,
                busy,
            }),
            Err(error) => {
                self.remove(&engine, &id, shape).await;
                Err(error)
            }
        }
    }

    /// An id that is nobody's.
    fn new_id(&self) -> Busy {
        loop {
            // Letters and digits: always an id.
            let Ok(id) = random_name().parse::<SandboxId>() else {
                continue;
            };
            if self.busy.lock().insert(id.clone()) {
                return Busy {
                    id,
                    all: Arc::clone(&self.busy),
                };
            }
        }
    }

    /// Removes what there is of one that failed. A sweep does it if this fails too.
    async fn remove(&self, engine: &Engine, id: &SandboxId, shape: &Shape) {
        if let Err(error) = container::remove(engine, id, shape.disk).await {
            tracing::warn!(%id, %error, "could not remove a sandbox that failed to start; it is tried again");
        }
    }

    async fn check_features(&self, engine: &Engine, shape: &Shape) -> Result<(), SandboxError> {
        if shape.runtime.is_none() && !shape.gpu {
            return Ok(());
        }
        let features = engine.features().await?;
        if let Some(runtime) = &shape.runtime
            && !features.runtimes.contains(runtime)
        {
            let known = features.runtimes.join(", ");
            return Err(SandboxError::NotSupported {
                what: format!("the runtime {runtime}. The container engine has {known}"),
            });
        }
        if shape.gpu && !features.has_gpu {
            return Err(SandboxError::NotSupported {
                what: "a GPU. The container engine has none".into(),
            });
        }
        Ok(())
    }

    /// Starts it as quickly as this engine can.
    async fn start(
        &self,
        engine: &Engine,
        id: &SandboxId,
        shape: &Shape,
        image_volumes: &[String],
    ) -> Result<(Session, bool), SandboxError> {
        let mut failure = None;
        // The second time with a volume that is looked at anew: somebody may have removed it.
        for _ in 0..2 {
            let init = self.init_files(engine, shape).await?;
            let plan = self.plan(engine, id, shape, image_volumes, &init);
            if !plan.is_quick() {
                break;
            }
            match self.start_as(engine, &plan).await {
                Err(SandboxError::Engine(error)) if !error.is_not_found() => {
                    self.remove(engine, id, shape).await;
                    self.init.look_again().await;
                    failure = Some(error);
                }
                started => return started,
            }
        }
        let mut init = self.init_files(engine, shape).await?;
        init.hosts = None;
        let plan = self.plan(engine, id, shape, image_volumes, &init);
        let started = self.start_as(engine, &plan).await?;
        if let Some(error) = failure {
            tracing::info!(%error, "this container engine starts sandboxes with a network of its own only");
            self.init.forget_hosts(engine).await;
        }
        Ok(started)
    }

    async fn init_files(&self, engine: &Engine, shape: &Shape) -> Result<InitFiles, SandboxError> {
        let name = self.labels.named("sandbox-init");
        let labels = self.labels.of_kind(KIND_INIT);
        Ok(self
            .init
            .ensure(engine, &name, labels, &shape.image)
            .await?)
    }

    fn plan<'a>(
        &'a self,
        engine: &Engine,
        id: &'a SandboxId,
        shape: &'a Shape,
        image_volumes: &'a [String],
        init: &'a InitFiles,
    ) -> Plan<'a> {
        Plan {
            id,
            shape,
            labels: &self.labels,
            owner: &self.owner,
            init,
            image_volumes,
            is_podman: engine.is_podman(),
        }
    }

    async fn start_as(
        &self,
        engine: &Engine,
        plan: &Plan<'_>,
    ) -> Result<(Session, bool), SandboxError> {
        let (id, shape) = (plan.id, plan.shape);
        if let Some(network) = plan.network() {
            engine.ensure_network_like(&network).await?;
        }
        let disk_limited = match shape.disk {
            DiskKind::Memory => false,
            DiskKind::Volume => {
                let disk_mb = shape.limits.disk_mb;
                let (labels, owner) = (&self.labels, &self.owner);
                disk::make(engine, labels, owner, &shape.image, id, disk_mb).await?
            }
        };
        engine.create_container(&plan.container()).await?;
        let name = id.container();
        let transport = Transport::from(engine.attach(&name).await?);
        // The hello comes as soon as it runs, perhaps before the engine says that it does.
        let open = async {
            let opened = Session::open(transport, Opening::First).await;
            opened.map_err(|end| SandboxError::Session {
                id: id.clone(),
                reason: end.to_string(),
            })
        };
        let start = async { Ok::<(), SandboxError>(engine.start_container(&name).await?) };
        let ((session, _), ()) = tokio::try_join!(open, start)?;
        Ok((session, disk_limited))
    }
}
