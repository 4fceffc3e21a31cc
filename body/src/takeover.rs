//! Whether the person has mouse and keyboard of the desktop for themselves. Kept in a file of this
//! boot, so that a supervisor's death gives nothing back.

use std::path::PathBuf;

use parking_lot::Mutex;
use wire::body::{Takeover, TakeoverRequest};

use crate::{atomic_file, clock::Clock};

/// How it is, and where it is kept.
pub struct Takeovers {
    file: PathBuf,
    clock: Clock,
    now: Mutex<Takeover>,
}

impl Takeovers {
    /// As it was left; where there is no file, nobody has taken anything.
    pub fn load(file: PathBuf, clock: Clock) -> Self {
        let text = std::fs::read(&file).unwrap_or_default();
        let now = serde_json::from_slice(&text).unwrap_or_default();
        Self {
            file,
            clock,
            now: Mutex::new(now),
        }
    }

    /// How it is.
    pub fn get(&self) -> Takeover {
        self.now.lock().clone()
    }

    /// Takes or gives back; how it is then, and whether that is another than before.
    pub fn set(&self, request: TakeoverRequest) -> std::io::Result<(Takeover, bool)> {
        let mut now = self.now.lock();
        // Who has them gives them back; who that was says nothing any more.
        let by = request.by.filter(|_| request.on);
        if now.on == request.on && now.by == by {
            return Ok((now.clone(), false));
        }
        let changed = Takeover {
            on: request.on,
            by,
            since_ms: Some(self.clock.unix_ms()),
        };
        atomic_file::write(&self.file, &serde_json::to_vec(&changed)?, 0o644)?;
        *now = changed.clone();
        Ok((changed, true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_takeover_outlives_who_kept_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("takeover.json");
        let request = |on, by: Option<&str>| TakeoverRequest {
            on,
            by: by.map(str::to_owned),
        };
        let first = Takeovers::load(file.clone(), Clock::system());
        assert_eq!(first.get(), Takeover::default());
        let (taken, changed) = first.set(request(true, Some("Ada"))).unwrap();
        assert!(changed && taken.on && taken.since_ms.is_some());
        assert!(!first.set(request(true, Some("Ada"))).unwrap().1);
        let second = Takeovers::load(file.clone(), Clock::system());
        assert_eq!(second.get(), taken);
        let (given, changed) = second.set(request(false, Some("Ada"))).unwrap();
        assert!(changed && !given.on && given.by.is_none());
        std::fs::write(&file, "no JSON").unwrap();
        assert!(!Takeovers::load(file, Clock::system()).get().on);
    }
}
