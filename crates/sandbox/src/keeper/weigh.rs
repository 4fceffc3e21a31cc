//! Watches how much is in the volumes of sandboxes, and ends those that have more than they may, where
//! the engine itself has no limit for a volume.
//!
//! That is no quota: what is written between two looks is on the disk until the sandbox ends. And the
//! first process, which looks, counts files by their names: what was deleted and is still open shows
//! only in what is left of the disk.

use std::{sync::Arc, time::Duration};

use frames::message::{Event, Request};
use wire::sandbox::DiskKind;

use super::Keeper;
use init_client::{Call, Session, SessionEnd};

use crate::{
    container::{WRITABLE, most_files},
    sandbox::{Life, Sandbox},
};

/// How long after a look the next one begins.
const EVERY: Duration = Duration::from_secs(3);
/// How long a look may take. A sandbox that keeps us from looking may be filling the disk.
const LONGEST: Duration = Duration::from_secs(20);
/// What has to be left of the engine's disk.
const LEFT_BYTES: u64 = 1 << 30;

/// What is in the volumes of one sandbox.
#[derive(Debug, Default, PartialEq, Eq)]
struct Weight {
    /// Folder, bytes, and whether there is more than could be counted.
    folders: Vec<(&'static str, u64, bool)>,
    /// What is left of the disk.
    left_bytes: Option<u64>,
}

impl Weight {
    fn bytes(&self) -> u64 {
        self.folders.iter().map(|(_, bytes, _)| bytes).sum()
    }

    /// Why a sandbox that may have so many MiB in each volume has to end, for a person.
    fn objection(&self, disk_mb: u32) -> Option<String> {
        for (folder, bytes, is_more) in &self.folders {
            if *is_more {
                return Some(format!(
                    "{folder} had more files, or deeper folders, than it may"
                ));
            }
            if *bytes > u64::from(disk_mb) << 20 {
                return Some(format!("{folder} had more than {disk_mb} MiB in it"));
            }
        }
        let is_full = self.left_bytes.is_some_and(|left| left < LEFT_BYTES);
        is_full.then(|| "the container engine's disk is nearly full".into())
    }
}

impl Keeper {
    /// Watches the volumes of a sandbox, if it has any, as long as it is spoken to in this session.
    pub(super) fn weigh(self: &Arc<Self>, sandbox: &Arc<Sandbox>, session: &Session) {
        let (kind, is_limited, limits) = sandbox
            .with_record(|record| (record.shape.disk, record.disk_limited, record.shape.limits));
        if kind == DiskKind::Memory {
            return;
        }
        let (keeper, sandbox, session) = (Arc::clone(self), Arc::clone(sandbox), session.clone());
        let disk_mb = limits.disk_mb;
        self.tasks.spawn(async move {
            loop {
                let look = tokio::time::timeout(LONGEST, look(&session, disk_mb));
                let weight = tokio::select! {
                    weight = look => weight,
                    _ = session.over() => return,
                    () = keeper.stopping.cancelled() => return,
                };
                let objection = match weight {
                    Ok(Ok(weight)) => {
                        sandbox.set_disk_bytes(weight.bytes());
                        weight.objection(disk_mb)
                    }
                    // It is over, as is said in a moment.
                    Ok(Err(_)) if session.silent_for().is_none() => {
                        session.over().await;
                        return;
                    }
                    // One that is paused writes nothing.
                    _ if matches!(sandbox.life(), Life::Paused(_)) => None,
                    _ => Some("what is in its volumes could not be measured".into()),
                };
                if let Some(reason) = objection
                    && !is_limited
                {
                    if let Err(error) = keeper.end(&sandbox, &reason).await {
                        tracing::warn!(id = %sandbox.id, %error, "could not remove a sandbox whose volumes hold too much; it is tried again");
                    }
                    return;
                }
                tokio::select! {
                    () = tokio::time::sleep(EVERY) => {}
                    _ = session.over() => return,
                    () = keeper.stopping.cancelled() => return,
                }
            }
        });
    }
}

async fn look(session: &Session, disk_mb: u32) -> Result<Weight, SessionEnd> {
    let mut weight = Weight::default();
    for folder in WRITABLE {
        let request = Request::Weigh {
            path: folder.into(),
            most: most_files(disk_mb).into(),
        };
        match Call::new(session, request)?.event().await? {
            Event::Done {
                bytes, left_out, ..
            } => weight.folders.push((folder, bytes, left_out > 0)),
            _ => weight.folders.push((folder, 0, true)),
        }
    }
    if let Event::Usage(usage) = Call::new(session, Request::Usage)?.event().await? {
        let left = usage.folders.iter();
        let left = left.map(|folder| folder.size_bytes.saturating_sub(folder.used_bytes));
        weight.left_bytes = left.min();
    }
    Ok(weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_has_more_than_it_may_is_told_why() {
        let weight = |bytes, is_more, left_bytes| Weight {
            folders: vec![("/tmp", 0, false), ("/workspace", bytes, is_more)],
            left_bytes: Some(left_bytes),
        };
        assert_eq!(weight(1 << 20, false, LEFT_BYTES).objection(1), None);
        for (weight, words) in [
            (
                weight((1 << 20) + 1, false, LEFT_BYTES),
                "/workspace had more than 1 MiB",
            ),
            (weight(0, true, LEFT_BYTES), "/workspace had more files"),
            (weight(0, false, LEFT_BYTES - 1), "nearly full"),
        ] {
            let told = weight.objection(1).unwrap();
            assert!(told.contains(words), "{told}");
        }
    }
}
