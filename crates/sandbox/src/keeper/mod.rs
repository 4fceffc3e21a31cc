//! What stands behind `Sandboxes`: all sandboxes of this process, the pool, how one is made for somebody (`create`),
//! and the tasks that fill it
//! (`fill`), look for what nobody owns (`sweep`), watch end times (`expire`), connections (`recover`)
//! and volumes (`weigh`).
//!
//! After this process was killed, the next one takes over: a container that has a record is spoken to
//! again, in a new epoch, and its commands go on; one without (of the pool, or on its way) is removed.

mod create;
mod expire;
mod fill;
mod recover;
mod sweep;
mod weigh;

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::Arc,
};

use init_client::InitVolume;
use parking_lot::Mutex;
use tokio::sync::{Notify, OnceCell, broadcast};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use wire::sandbox::{SandboxEvent, SandboxEventKind, SandboxId};

use crate::{
    clock::{Moment, boot_id, unix_ms},
    container::{self, Labels},
    error::SandboxError,
    launch::{Launcher, Started},
    owner::Owner,
    pool::Pool,
    record::Record,
    sandbox::{Gone, Life, Sandbox},
    seat::Seat,
    settings::{Options, Settings},
    shape::Wanted,
};

/// Events that a subscriber may lag behind.
const EVENTS: usize = 1024;

/// Calls with an idempotency key: whose, which, and what came of it.
type Keys = HashMap<(Owner, String), Arc<OnceCell<SandboxId>>>;

/// All sandboxes of this process.
#[derive(Debug)]
pub(crate) struct Keeper {
    settings: Mutex<Arc<Settings>>,
    pub(crate) launcher: Launcher,
    seats: Vec<Seat>,
    seats_folder: PathBuf,
    pub(crate) pool: Pool,
    all: Mutex<BTreeMap<SandboxId, Arc<Sandbox>>>,
    /// Those that are being made for somebody.
    creating: Mutex<usize>,
    pub(crate) keys: Mutex<Keys>,
    pub(crate) events: broadcast::Sender<SandboxEvent>,
    /// An end time is another one.
    ends_changed: Notify,
    /// Something is to be swept before its time.
    sweep_now: Notify,
    pub(crate) stopping: CancellationToken,
    /// Cancelled when all work is over.
    pub(crate) finished: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

/// One of as many sandboxes as there may be.
pub(crate) struct Place<'a>(&'a Mutex<usize>);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        *self.0.lock() -= 1;
    }
}

impl Keeper {
    /// Takes the seats that are free, with all that their records name.
    pub(crate) fn new(options: Options) -> Result<Arc<Self>, SandboxError> {
        let instance = options.instance.unwrap_or_default();
        let seats_folder = options.data_dir.join("sandboxes");
        let seats = Seat::take_all(&seats_folder)?;
        let owner = seats.first().map(|seat| seat.name.clone());
        let pool = Pool::default();
        // Nothing is on its shelves yet.
        drop(pool.set(&options.settings));
        let keeper = Self {
            settings: Mutex::new(Arc::new(options.settings)),
            launcher: Launcher::new(
                options.engine,
                Labels { instance },
                owner.unwrap_or_default(),
                InitVolume::new(options.init_binary),
            ),
            seats_folder,
            pool,
            all: Mutex::default(),
            creating: Mutex::default(),
            keys: Mutex::default(),
            events: broadcast::Sender::new(EVENTS),
            ends_changed: Notify::new(),
            sweep_now: Notify::new(),
            stopping: CancellationToken::new(),
            finished: CancellationToken::new(),
            tasks: TaskTracker::new(),
            seats,
        };
        keeper.read_records()?;
        Ok(Arc::new(keeper))
    }

    fn read_records(&self) -> Result<(), SandboxError> {
        let boot_id = boot_id();
        for (at, seat) in self.seats.iter().enumerate() {
            for mut record in seat.records.read_all()? {
                if record.boot_id != boot_id {
                    // No container outlasts its computer's boot; a remote engine's may.
                    let settings = self.settings();
                    record.created = Moment::now();
                    record.ends = Moment::now().after(settings.ttl);
                    record.boot_id.clone_from(&boot_id);
                }
                if let Some(key) = &record.idempotency_key {
                    let cell = OnceCell::new_with(Some(record.id.clone()));
                    let key = (record.owner.clone(), key.clone());
                    self.keys.lock().insert(key, Arc::new(cell));
                }
                let id = record.id.clone();
                let sandbox = Sandbox::new(record, at, Life::Detached);
                self.all.lock().insert(id, sandbox);
            }
        }
        Ok(())
    }

    /// Works until `stopping`.
    pub(crate) async fn run(self: Arc<Self>) {
        tokio::join!(self.sweep_all(), self.fill(), self.expire());
        let waiting = self.pool.take_out(|_| true);
        self.throw_away(waiting);
        for sandbox in self.living() {
            if let Life::Running(session) | Life::Paused(Some(session)) = sandbox.life() {
                session.close().await;
            }
            sandbox.tasks.close();
            sandbox.tasks.wait().await;
        }
        self.tasks.close();
        self.tasks.wait().await;
        self.finished.cancel();
    }

    pub(crate) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.lock())
    }

    pub(crate) fn set_settings(&self, settings: Settings) {
        let surplus = self.pool.set(&settings);
        *self.settings.lock() = Arc::new(settings);
        self.throw_away(surplus);
    }

    /// All that are kept, those that are gone too.
    pub(crate) fn all(&self) -> Vec<Arc<Sandbox>> {
        self.all.lock().values().cloned().collect()
    }

    pub(crate) fn living(&self) -> Vec<Arc<Sandbox>> {
        let all = self.all();
        all.into_iter().filter(|one| !one.is_gone()).collect()
    }

    /// The owner's sandbox of that id.
    pub(crate) fn find(&self, owner: &Owner, id: &SandboxId) -> Result<Arc<Sandbox>, SandboxError> {
        let found = self.get(id);
        found
            .filter(|sandbox| sandbox.with_record(|record| owner.sees(&record.owner)))
            .ok_or_else(|| SandboxError::NotFound(id.clone()))
    }

    fn get(&self, id: &SandboxId) -> Option<Arc<Sandbox>> {
        self.all.lock().get(id).cloned()
    }

    /// A place for one more.
    pub(crate) fn place(&self) -> Result<Place<'_>, SandboxError> {
        if self.stopping.is_cancelled() {
            return Err(SandboxError::Stopping);
        }
        let limit = self.settings().most;
        let mut creating = self.creating.lock();
        if self.living().len() + *creating >= limit {
            return Err(SandboxError::Full { limit });
        }
        *creating += 1;
        Ok(Place(&self.creating))
    }

    /// A started sandbox for somebody: of the pool, if one of that shape waits.
    pub(crate) async fn take(&self, wanted: &Wanted) -> Result<(Started, bool), SandboxError> {
        let (taken, ended) = self.pool.take(&wanted.shape);
        self.throw_away(ended);
        match taken {
            Some(started) => Ok((started, true)),
            None => Ok((self.launcher.launch(&wanted.shape).await?, false)),
        }
    }

    /// Makes it somebody's: its record is on disk before anybody hears its id.
    pub(crate) async fn hand_over(
        self: &Arc<Self>,
        started: Started,
        from_pool: bool,
        owner: &Owner,
        wanted: Wanted,
        idempotency_key: Option<&str>,
    ) -> Result<Arc<Sandbox>, SandboxError> {
        let now = Moment::now();
        let record = Record {
            id: started.id.clone(),
            owner: owner.clone(),
            shape: wanted.shape,
            env: wanted.env,
            metadata: wanted.metadata,
            exec_timeout: wanted.exec_timeout,
            on_timeout: wanted.on_timeout,
            auto_resume: wanted.auto_resume,
            from_pool,
            disk_limited: started.disk_limited,
            idempotency_key: idempotency_key.map(str::to_owned),
            created_at_ms: unix_ms(),
            created: now,
            ends: now.after(wanted.ttl),
            boot_id: boot_id(),
            key: started.session.key(),
        };
        if let Err(error) = self.seats[0].records.write(record.clone()).await {
            self.throw_away(vec![started]);
            return Err(error);
        }
        let session = started.session.clone();
        let sandbox = Sandbox::new(record, 0, Life::Running(session.clone()));
        self.all
            .lock()
            .insert(started.id.clone(), Arc::clone(&sandbox));
        drop(started);
        self.weigh(&sandbox, &session);
        self.watch(&sandbox, session);
        self.ends_changed.notify_one();
        self.tell(&sandbox, SandboxEventKind::Created);
        Ok(sandbox)
    }

    /// Removes sandboxes that belong to nobody.
    pub(crate) fn throw_away(&self, unwanted: Vec<Started>) {
        for started in unwanted {
            let engine = self.launcher.engine.clone();
            self.tasks.spawn(async move {
                started.session.close().await;
                let removed = match engine.connect().await {
                    Ok(engine) => container::remove(&engine, &started.id, started.shape.disk).await,
                    Err(error) => Err(error),
                };
                if let Err(error) = removed {
                    tracing::warn!(id = %started.id, %error, "could not remove a sandbox of the pool; it is tried again");
                }
            });
        }
    }

    /// Writes its record.
    pub(crate) async fn persist(&self, sandbox: &Sandbox) -> Result<(), SandboxError> {
        let seat = &self.seats[sandbox.seat];
        if sandbox.is_gone() {
            return Ok(());
        }
        seat.records.write(sandbox.record()).await?;
        if sandbox.is_gone() {
            // It went meanwhile, and its record may have been removed before it was written.
            seat.records.remove(&sandbox.id).await?;
        }
        Ok(())
    }

    /// It is gone, as was wanted (an end) or not (a loss); false if it was before.
    pub(crate) fn is_gone_now(&self, sandbox: &Sandbox, is_lost: bool, reason: &str) -> bool {
        let before = sandbox.life();
        let changed = sandbox.set_life(Life::Gone(Gone {
            is_lost,
            reason: reason.to_owned(),
            at: Moment::now(),
        }));
        if !changed {
            return false;
        }
        let reason = reason.to_owned();
        if is_lost {
            tracing::warn!(id = %sandbox.id, reason, "a sandbox is lost");
        }
        if let Life::Running(session) | Life::Paused(Some(session)) = before {
            self.tasks.spawn(async move { session.close().await });
        }
        self.tell(
            sandbox,
            match is_lost {
                true => SandboxEventKind::Lost { reason },
                false => SandboxEventKind::Ended { reason },
            },
        );
        true
    }

    /// Ends one: nobody can use it from now on, then its record goes, then its container.
    pub(crate) async fn end(
        &self,
        sandbox: &Arc<Sandbox>,
        reason: &str,
    ) -> Result<bool, SandboxError> {
        let changed = self.is_gone_now(sandbox, false, reason);
        if changed {
            // First the record: a container without one is removed by whoever sweeps next.
            self.seats[sandbox.seat].records.remove(&sandbox.id).await?;
            let engine = self.launcher.engine.connect().await?;
            container::remove(&engine, &sandbox.id, sandbox.disk()).await?;
        }
        Ok(changed)
    }

    /// The same, for one that nobody here ended.
    pub(crate) async fn lose(&self, sandbox: &Arc<Sandbox>, reason: &str) {
        if !self.is_gone_now(sandbox, true, reason) {
            return;
        }
        let removed = async {
            self.seats[sandbox.seat].records.remove(&sandbox.id).await?;
            let engine = self.launcher.engine.connect().await?;
            Ok::<_, SandboxError>(container::remove(&engine, &sandbox.id, sandbox.disk()).await?)
        };
        let removed = removed.await;
        if let Err(error) = removed {
            tracing::warn!(id = %sandbox.id, %error, "could not remove what is left of a lost sandbox; it is tried again");
        }
    }

    /// An end time or what happens then is another one.
    pub(crate) fn end_time_changed(&self) {
        self.ends_changed.notify_one();
    }

    /// Tells those who listen.
    pub(crate) fn tell(&self, sandbox: &Sandbox, kind: SandboxEventKind) {
        let owner = sandbox.with_record(|record| record.owner.token().map(str::to_owned));
        // Nobody may listen.
        let _ = self.events.send(SandboxEvent {
            sandbox_id: sandbox.id.clone(),
            owner,
            at_ms: unix_ms(),
            kind,
        });
    }

    /// Whether records can be written.
    pub(crate) async fn check_store(&self) -> Result<(), SandboxError> {
        self.seats[0].records.check().await
    }
}
