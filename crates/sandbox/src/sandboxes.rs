//! All sandboxes of this process, as their callers see them. What is done behind it is `keeper`'s.

use std::{sync::Arc, time::Duration};

use containers::{CancellationToken, EngineError};
use tokio::{sync::broadcast, task::JoinHandle};
use wire::{
    machine::Progress,
    sandbox::{
        CodeContext, CodeContextRequest, CodeRequest, CreateRequest, ExecRequest, ExecView,
        PoolView, SandboxEvent, SandboxEventKind, SandboxId, SandboxView,
    },
};

use crate::{
    clock::Moment,
    code::CodeRun,
    error::SandboxError,
    exec::Exec,
    files::{ByteStream, Files},
    keeper::Keeper,
    owner::Owner,
    sandbox::{Life, Sandbox},
    settings::{Options, Settings},
    shape::{Wanted, exec_timeout, ttl},
    start_exec::{self, Hidden},
};

/// All sandboxes of this process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Sandboxes(Arc<Keeper>);

/// Whether everything that sandboxes need works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Why the container engine can't be used; `None` if it can.
    pub engine: Option<String>,
    /// Why records can't be written; `None` if they can.
    pub store: Option<String>,
}

impl Sandboxes {
    /// Takes over what an earlier process left or removes it, fills the pool, and watches end times
    /// from now on. It works without an engine too: then each creation looks for one again. The task
    /// ends after [`stop`](Self::stop).
    ///
    /// # Errors
    /// [`SandboxError::Store`], [`SandboxError::Init`].
    pub async fn start(options: Options) -> Result<(Self, JoinHandle<()>), SandboxError> {
        let keeper = Keeper::new(options)?;
        let task = tokio::spawn(Arc::clone(&keeper).run());
        Ok((Self(keeper), task))
    }

    /// Takes no more requests, removes the pool's sandboxes and leaves the others to the next
    /// process.
    pub async fn stop(&self) {
        self.0.stopping.cancel();
        self.0.finished.cancelled().await;
    }

    /// Defaults and limits.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings::clone(&self.0.settings())
    }

    /// Changes defaults, limits and pool from now on.
    pub fn set_settings(&self, settings: Settings) {
        self.0.set_settings(settings);
    }

    /// Makes a sandbox, of the pool if one of that shape waits. The second call with a key of the
    /// same owner answers what the first one made.
    ///
    /// # Errors
    /// [`SandboxError::Invalid`], [`SandboxError::NotSupported`], [`SandboxError::Full`],
    /// [`SandboxError::ImageMissing`], [`SandboxError::Engine`].
    pub async fn create(
        &self,
        owner: &Owner,
        request: CreateRequest,
        idempotency_key: Option<&str>,
    ) -> Result<SandboxView, SandboxError> {
        let wanted = Wanted::new(request, &self.0.settings())?;
        let sandbox = match idempotency_key {
            None => self.0.make(owner, wanted, None).await?,
            Some(key) => self.0.make_once(owner, wanted, key).await?,
        };
        Ok(sandbox.view())
    }

    /// Fetches an image from its registry.
    ///
    /// # Errors
    /// What the engine or the registry says.
    pub async fn pull(
        &self,
        image: &str,
        cancel: &CancellationToken,
        tell: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<(), EngineError> {
        let engine = self.0.launcher.engine.connect().await?;
        engine.pull(image, cancel, tell).await
    }

    /// The owner's sandboxes, newest first: those that are there, and those that ended within the
    /// last hour.
    #[must_use]
    pub fn list(&self, owner: &Owner) -> Vec<SandboxView> {
        let mut found: Vec<SandboxView> = self
            .0
            .all()
            .iter()
            .filter(|sandbox| sandbox.with_record(|record| owner.sees(&record.owner)))
            .map(|sandbox| sandbox.view())
            .collect();
        found.sort_by_key(|view| std::cmp::Reverse(view.created_at_ms));
        found
    }

    /// One of them, with what it uses now if it answers at once.
    ///
    /// # Errors
    /// [`SandboxError::NotFound`].
    pub async fn get(&self, owner: &Owner, id: &SandboxId) -> Result<SandboxView, SandboxError> {
        let sandbox = self.0.find(owner, id)?;
        sandbox.look_at_usage().await;
        Ok(sandbox.view())
    }

    /// Removes one with all that is in it; false if it was gone.
    ///
    /// # Errors
    /// [`SandboxError::NotFound`], [`SandboxError::Engine`].
    pub async fn remove(&self, owner: &Owner, id: &SandboxId) -> Result<bool, SandboxError> {
        let sandbox = self.0.find(owner, id)?;
        let keeper = Arc::clone(&self.0);
        // It goes on also if its caller goes.
        let ended = keeper.tasks.spawn({
            let keeper = Arc::clone(&keeper);
            async move { keeper.end(&sandbox, "it was removed").await }
        });
        ended.await.map_err(|_| SandboxError::Stopping)?
    }

    /// Freezes its processes; false if they were. Its memory stays, until the engine ends.
    ///
    /// # Errors
    /// [`SandboxError::NotFound`], [`SandboxError::Ended`], [`SandboxError::Lost`],
    /// [`SandboxError::Engine`].
    pub async fn pause(&self, owner: &Owner, id: &SandboxId) -> Result<bool, SandboxError> {
        let sandbox = self.0.find(owner, id)?;
        let changing = sandbox.change.lock().await;
        let changed = self.0.freeze(&sandbox).await;
        drop(changing);
        changed
    }

    /// Lets them go on; false if they did.
    ///
    /// # Errors
    /// As [`pause`](Self::pause).
    pub async fn resume(&self, owner: &Owner, id: &SandboxId) -> Result<bool, SandboxError> {
        let sandbox = self.0.find(owner, id)?;
        let changing = sandbox.change.lock().await;
        let changed = self.0.thaw(&sandbox).await;
        drop(changing);
        changed
    }

    /// The owner's sandbox, resumed if it is paused and its creator wanted the next call to do that.
    async fn awake(&self, owner: &Owner, id: &SandboxId) -> Result<Arc<Sandbox>, SandboxError> {
        let sandbox = self.0.find(owner, id)?;
        let is_asleep = matches!(sandbox.life(), Life::Paused(_));
        if is_asleep && sandbox.with_record(|record| record.auto_resume) {
            let changing = sandbox.change.lock().await;
            let resumed = self.0.thaw(&sandbox).await;
            drop(changing);
            resumed?;
        }
        Ok(sandbox)
    }

    /// Sets how long it lives from now on.
    ///
    /// # Errors
    /// [`SandboxError::Invalid`], or as [`pause`](Self::pause).
    pub async fn set_timeout(
        &self,
        owner: &Owner,
        id: &SandboxId,
        time: Duration,
    ) -> Result<SandboxView, SandboxError> {
        let sandbox = self.0.find(owner, id)?;
        if let Life::Gone(gone) = sandbox.life() {
            return Err(sandbox.gone_error(gone));
        }
        let time = ttl("ttl_s", time.as_secs_f64(), &self.0.settings())?;
        let ends = Moment::now().after(time);
        sandbox.with_record(|record| record.ends = ends);
        sandbox
            .warned
            .store(false, std::sync::atomic::Ordering::Relaxed);
        self.0.persist(&sandbox).await?;
        self.0.end_time_changed();
        let ends_at_ms = ends.unix_ms();
        let changed = SandboxEventKind::TimeoutChanged { ends_at_ms };
        self.0.tell(&sandbox, changed);
        Ok(sandbox.view())
    }

    /// A tar archive of its writable folders, made by its PID 1.
    ///
    /// # Errors
    /// As [`exec`](Self::exec).
    pub async fn snapshot(
        &self,
        owner: &Owner,
        id: &SandboxId,
    ) -> Result<ByteStream, SandboxError> {
        self.files(owner, id).await?.pack().await
    }

    /// Puts a tar archive into its writable folders.
    ///
    /// # Errors
    /// As [`exec`](Self::exec); [`SandboxError::File`] for an archive that leads out of the folders or
    /// has more than fits.
    pub async fn restore(
        &self,
        owner: &Owner,
        id: &SandboxId,
        archive: ByteStream,
    ) -> Result<(), SandboxError> {
        self.files(owner, id).await?.unpack(archive).await
    }

    /// Makes another one of the same shape with the same files.
    ///
    /// # Errors
    /// As [`create`](Self::create) and [`snapshot`](Self::snapshot).
    pub async fn fork(&self, owner: &Owner, id: &SandboxId) -> Result<SandboxView, SandboxError> {
        let source = self.awake(owner, id).await?;
        let archive = Files(Arc::clone(&source)).pack().await?;
        let record = source.record();
        let wanted = Wanted {
            shape: record.shape,
            env: record.env,
            metadata: record.metadata,
            exec_timeout: record.exec_timeout,
            ttl: self.0.settings().ttl,
            on_timeout: record.on_timeout,
            auto_resume: record.auto_resume,
        };
        let made = self.0.make(owner, wanted, None).await?;
        let unpacked = Files(Arc::clone(&made)).unpack(archive).await;
        if let Err(error) = unpacked {
            self.0.end(&made, "its files could not be copied").await?;
            return Err(error);
        }
        Ok(made.view())
    }

    /// Starts a command.
    ///
    /// # Errors
    /// [`SandboxError::NotFound`], [`SandboxError::Ended`], [`SandboxError::Lost`],
    /// [`SandboxError::Paused`], [`SandboxError::ExecFailed`], [`SandboxError::Session`].
    pub async fn exec(
        &self,
        owner: &Owner,
        id: &SandboxId,
        request: ExecRequest,
    ) -> Result<Exec, SandboxError> {
        let sandbox = self.awake(owner, id).await?;
        Ok(Exec(start_exec::start(&sandbox, request, false).await?))
    }

    /// A command that runs, or one of the last that did.
    ///
    /// # Errors
    /// [`SandboxError::NotFound`], [`SandboxError::ExecNotFound`].
    pub fn exec_of(
        &self,
        owner: &Owner,
        id: &SandboxId,
        exec_id: &str,
    ) -> Result<Exec, SandboxError> {
        let execs = self.0.find(owner, id)?.all_execs();
        let found = execs.into_iter().find(|exec| exec.about.id == exec_id);
        found
            .map(Exec)
            .ok_or_else(|| SandboxError::ExecNotFound(exec_id.into()))
    }

    /// Commands that run and the last that did, oldest first.
    ///
    /// # Errors
    /// [`SandboxError::NotFound`].
    pub fn execs(&self, owner: &Owner, id: &SandboxId) -> Result<Vec<ExecView>, SandboxError> {
        let execs = self.0.find(owner, id)?.all_execs();
        let shown = execs.iter().filter(|exec| !exec.about.hidden);
        Ok(shown.map(|exec| exec.view()).collect())
    }

    /// Runs code in a context, behind what runs there already.
    ///
    /// # Errors
    /// As [`exec`](Self::exec); [`SandboxError::ContextNotFound`], [`SandboxError::Kernel`],
    /// [`SandboxError::NotSupported`] for another language than Python.
    pub async fn code(
        &self,
        owner: &Owner,
        id: &SandboxId,
        request: CodeRequest,
    ) -> Result<CodeRun, SandboxError> {
        let sandbox = self.awake(owner, id).await?;
        check_language(request.language.as_deref())?;
        let preset = sandbox.with_record(|record| record.exec_timeout);
        let timeout = exec_timeout(request.timeout_s, preset)?;
        sandbox.touch();
        let (its, wanted) = (Arc::clone(&sandbox), request.context);
        let found = to_its_end(&sandbox, async move {
            its.kernels.find(wanted.as_deref(), &Hidden(&its)).await
        });
        let context = found.await?;
        let turn = context.turn().await;
        let its = Arc::clone(&sandbox);
        let begun = to_its_end(&sandbox, async move {
            let (starter, tasks) = (Hidden(&its), its.tasks.clone());
            let (code, env) = (&request.code, &request.env);
            CodeRun::begin(context, turn, &starter, code, env, timeout, tasks).await
        });
        begun.await
    }

    /// Its contexts, oldest first.
    ///
    /// # Errors
    /// [`SandboxError::NotFound`].
    pub fn contexts(
        &self,
        owner: &Owner,
        id: &SandboxId,
    ) -> Result<Vec<CodeContext>, SandboxError> {
        Ok(self.0.find(owner, id)?.kernels.list())
    }

    /// Makes a context: a kernel of its own.
    ///
    /// # Errors
    /// As [`code`](Self::code).
    pub async fn create_context(
        &self,
        owner: &Owner,
        id: &SandboxId,
        request: CodeContextRequest,
    ) -> Result<CodeContext, SandboxError> {
        let sandbox = self.awake(owner, id).await?;
        check_language(request.language.as_deref())?;
        let its = Arc::clone(&sandbox);
        let made = to_its_end(&sandbox, async move {
            its.kernels.create(request.cwd, &Hidden(&its)).await
        });
        made.await
    }

    /// Gives a context a new kernel, without its variables.
    ///
    /// # Errors
    /// As [`code`](Self::code).
    pub async fn restart_context(
        &self,
        owner: &Owner,
        id: &SandboxId,
        context: &str,
    ) -> Result<(), SandboxError> {
        let sandbox = self.awake(owner, id).await?;
        let (its, context) = (Arc::clone(&sandbox), context.to_owned());
        let restarted = to_its_end(&sandbox, async move {
            its.kernels.restart(&context, &Hidden(&its)).await
        });
        restarted.await
    }

    /// Ends a context.
    ///
    /// # Errors
    /// As [`code`](Self::code).
    pub async fn remove_context(
        &self,
        owner: &Owner,
        id: &SandboxId,
        context: &str,
    ) -> Result<(), SandboxError> {
        self.0.find(owner, id)?.kernels.remove(context)
    }

    /// Its files.
    ///
    /// # Errors
    /// As [`exec`](Self::exec).
    pub async fn files(&self, owner: &Owner, id: &SandboxId) -> Result<Files, SandboxError> {
        Ok(Files(self.awake(owner, id).await?))
    }

    /// What is kept ready.
    #[must_use]
    pub fn pool(&self) -> PoolView {
        self.0.pool.view()
    }

    /// What happens to sandboxes from now on.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<SandboxEvent> {
        self.0.events.subscribe()
    }

    /// Whether engine and store work.
    pub async fn health(&self) -> Health {
        let engine = self.0.launcher.engine.connect().await;
        let store = self.0.check_store().await;
        Health {
            engine: engine.err().map(|error| error.to_string()),
            store: store.err().map(|error| error.to_string()),
        }
    }
}

/// Carries work out also if its caller goes: a kernel that was started halfway would be known to nobody,
/// and in the way of the next one.
async fn to_its_end<T: Send + 'static>(
    sandbox: &Arc<Sandbox>,
    work: impl Future<Output = Result<T, SandboxError>> + Send + 'static,
) -> Result<T, SandboxError> {
    let done = sandbox.tasks.spawn(work).await;
    done.map_err(|_| SandboxError::Stopping)?
}

fn check_language(language: Option<&str>) -> Result<(), SandboxError> {
    match language {
        None | Some("python" | "python3") => Ok(()),
        Some(other) => Err(SandboxError::NotSupported {
            what: format!("code in {other:?}. Use Python, or run the language's own program"),
        }),
    }
}
