//! The generations of a machine: which there are, which one it is made of, their numbers.

use std::{fs::File, os::unix::fs::OpenOptionsExt, path::Path};

use containers::Engine;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use wire::evolve::{Asker, Generation, GenerationList, GenerationState, SavedFiles};

use super::{repo::branch, run_store};
use crate::{error::LifecycleError, machine::Machine, paths::make_dir};

/// A generation as it is remembered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub number: u32,
    pub image: String,
    pub image_id: String,
    pub created_at: u64,
    pub size_bytes: u64,
    pub state: GenerationState,
    #[serde(default)]
    pub kept: bool,
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub note: Option<String>,
    #[serde(default)]
    pub asked_by: Asker,
    #[serde(default)]
    pub run_id: Option<String>,
    #[serde(default)]
    pub commit: Option<String>,
    /// Kernel and snapshot, as it was left last.
    #[serde(default)]
    pub snapshots: Vec<(String, String)>,
}

/// The files of the repo as a rollback found them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Saved {
    /// The rollback, which names the branch.
    pub run_id: String,
    pub commit: String,
    pub saved_at: u64,
    /// The generation that was in place.
    pub from_generation: Option<u32>,
    /// The one that was gone back to.
    pub to_generation: Option<u32>,
}

/// All of them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Generations {
    /// The one that the machine is made of; `None` for the template's image.
    pub current: Option<u32>,
    /// By number.
    pub records: Vec<Record>,
    /// What rollbacks put aside.
    #[serde(default)]
    pub saved: Vec<Saved>,
}

/// A machine's image where it is a generation's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Current {
    pub image: String,
}

impl Generations {
    pub(crate) fn get(&self, number: u32) -> Option<&Record> {
        self.records.iter().find(|record| record.number == number)
    }

    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut Record> {
        self.records
            .iter_mut()
            .find(|record| record.number == number)
    }

    /// Removes a generation, and what rollbacks put aside that neither of their generations holds
    /// any more.
    pub(crate) fn remove(&mut self, number: u32) {
        self.records.retain(|record| record.number != number);
        let is_there =
            |number: Option<u32>| number.is_some_and(|number| self.get(number).is_some());
        let stays: Vec<bool> = self
            .saved
            .iter()
            .map(|saved| is_there(saved.from_generation) || is_there(saved.to_generation))
            .collect();
        let mut stays = stays.into_iter();
        self.saved.retain(|_| stays.next().unwrap_or(true));
    }

    /// The good one before the current one.
    pub(crate) fn before_current(&self) -> Option<u32> {
        let current = self.current?;
        let earlier = self
            .records
            .iter()
            .filter(|record| record.number < current && record.state == GenerationState::Good);
        earlier.map(|record| record.number).max()
    }

    /// Numbers of those that may go: good ones beyond the newest few and beyond the budget of
    /// bytes, failed ones but the newest, whose layers the next build uses. Never the current one,
    /// `keep`, or what its owner keeps.
    pub(crate) fn surplus(
        &self,
        most: usize,
        budget_bytes: Option<u64>,
        keep: Option<u32>,
    ) -> Vec<u32> {
        let mut newest_first: Vec<&Record> = self.records.iter().collect();
        newest_first.sort_by_key(|record| std::cmp::Reverse(record.number));
        let holds = |record: &Record| {
            record.kept || Some(record.number) == self.current || Some(record.number) == keep
        };
        let (mut good, mut failed, mut bytes) = (0, 0, 0_u64);
        let mut gone = Vec::new();
        for record in newest_first {
            if holds(record) {
                continue;
            }
            let stays = if record.state == GenerationState::Good {
                good += 1;
                bytes = bytes.saturating_add(record.size_bytes);
                good <= most && budget_bytes.is_none_or(|budget| bytes <= budget)
            } else {
                failed += 1;
                failed <= 1
            };
            if !stays {
                gone.push(record.number);
            }
        }
        gone
    }
}

impl Machine {
    pub(crate) fn generations_file(&self) -> std::path::PathBuf {
        self.evolve_dir().join("generations.json")
    }

    pub(crate) fn read_generations(&self) -> Result<Generations, LifecycleError> {
        Ok(run_store::read(&self.generations_file())?.unwrap_or_default())
    }

    pub(crate) fn write_generations(&self, all: &Generations) -> Result<(), LifecycleError> {
        run_store::write(&self.generations_file(), all)
    }

    /// The machine's generations, newest first.
    ///
    /// # Errors
    /// [`LifecycleError::File`], [`LifecycleError::Engine`].
    pub fn generations<'a>(
        &'a self,
        engine: &'a Engine,
    ) -> BoxFuture<'a, Result<GenerationList, LifecycleError>> {
        Box::pin(async move {
            let all = self.read_generations()?;
            let mut generations = Vec::new();
            for record in all.records.iter().rev() {
                generations.push(Generation {
                    number: record.number,
                    image: record.image.clone(),
                    image_id: record.image_id.clone(),
                    created_at: record.created_at,
                    size_bytes: record.size_bytes,
                    state: record.state,
                    current: all.current == Some(record.number),
                    kept: record.kept,
                    name: record.name.clone(),
                    note: record.note.clone(),
                    asked_by: record.asked_by,
                    run_id: record.run_id.clone(),
                    commit: record.commit.clone(),
                    has_state: !record.snapshots.is_empty(),
                    image_present: engine.image(&record.image).await?.is_some(),
                });
            }
            generations.sort_by_key(|generation| std::cmp::Reverse(generation.number));
            Ok(GenerationList {
                generations,
                saved: self.saved_files(&all),
                generations_to_keep: self.spec.generations_to_keep,
            })
        })
    }

    fn saved_files(&self, all: &Generations) -> Vec<SavedFiles> {
        let history = self.history_dir().display().to_string();
        let newest_first = all.saved.iter().rev();
        newest_first
            .map(|saved| SavedFiles {
                branch: branch(&saved.run_id),
                commit: saved.commit.clone(),
                saved_at: saved.saved_at,
                from_generation: saved.from_generation,
                to_generation: saved.to_generation,
                history: history.clone(),
            })
            .collect()
    }

    /// Keeps a generation whatever their number, or no longer.
    ///
    /// # Errors
    /// [`LifecycleError::NoGeneration`], [`LifecycleError::Busy`], [`LifecycleError::File`].
    pub fn keep_generation(&self, number: u32, kept: bool) -> Result<(), LifecycleError> {
        self.change_generation(number, |record| record.kept = kept)
    }

    /// Gives a generation a name; an empty one takes it away.
    ///
    /// # Errors
    /// As [`keep_generation`](Self::keep_generation).
    pub fn name_generation(&self, number: u32, name: &str) -> Result<(), LifecycleError> {
        let name = Some(name.trim().to_owned()).filter(|name| !name.is_empty());
        self.change_generation(number, |record| record.name = name)
    }

    fn change_generation(
        &self,
        number: u32,
        change: impl FnOnce(&mut Record),
    ) -> Result<(), LifecycleError> {
        let _lock = self.lock()?;
        let mut all = self.read_generations()?;
        let record = all.get_mut(number);
        change(record.ok_or(LifecycleError::NoGeneration { number })?);
        self.write_generations(&all)
    }

    /// Removes a generation and its image.
    ///
    /// # Errors
    /// [`LifecycleError::GenerationInUse`] for the current one, [`LifecycleError::NoGeneration`],
    /// [`LifecycleError::Busy`], [`LifecycleError::Engine`].
    pub fn remove_generation<'a>(
        &'a self,
        engine: &'a Engine,
        number: u32,
    ) -> BoxFuture<'a, Result<(), LifecycleError>> {
        Box::pin(async move {
            let _lock = self.lock()?;
            let all = self.read_generations()?;
            if all.get(number).is_none() {
                return Err(LifecycleError::NoGeneration { number });
            }
            if all.current == Some(number) {
                return Err(LifecycleError::GenerationInUse { number });
            }
            self.forget_generation(engine, number).await
        })
    }

    /// Changes a generation's record, where it is still there.
    pub(crate) fn change_record(
        &self,
        number: Option<u32>,
        change: impl FnOnce(&mut Record),
    ) -> Result<(), LifecycleError> {
        let mut all = self.read_generations()?;
        if let Some(record) = number.and_then(|number| all.get_mut(number)) {
            change(record);
            self.write_generations(&all)?;
        }
        Ok(())
    }

    /// Removes the image first: a generation without one is seen as such, an image without its
    /// generation would stay for ever.
    pub(crate) async fn forget_generation(
        &self,
        engine: &Engine,
        number: u32,
    ) -> Result<(), LifecycleError> {
        let mut all = self.read_generations()?;
        let Some(record) = all.get(number) else {
            return Ok(());
        };
        engine.remove_image(&record.image).await?;
        all.remove(number);
        self.write_generations(&all)
    }

    /// The number of the next generation, over all machines of this engine and instance.
    pub(crate) async fn next_generation(&self, engine: &Engine) -> Result<u32, LifecycleError> {
        let folder = &self.paths.data_dir;
        make_dir(folder, 0o700)?;
        let tags = engine.image_tags(&self.names.repository).await?;
        let tagged = tags
            .iter()
            .filter_map(|tag| tag.strip_prefix("gen-")?.parse().ok())
            .max()
            .unwrap_or(0);
        let _lock = held(&folder.join("generations.lock"))?;
        let counter = folder.join("generations.json");
        let counted: u32 = run_store::read(&counter)?.unwrap_or(0);
        let next = counted.max(tagged) + 1;
        run_store::write(&counter, &next)?;
        Ok(next)
    }
}

/// Waits for a lock that is held for a moment only.
fn held(path: &Path) -> Result<File, LifecycleError> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)
        .map_err(LifecycleError::file("create", path))?;
    file.lock().map_err(LifecycleError::file("lock", path))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(number: u32, state: GenerationState, size_bytes: u64) -> Record {
        Record {
            number,
            image: format!("os:gen-{number}"),
            image_id: String::new(),
            created_at: 0,
            size_bytes,
            state,
            kept: false,
            name: None,
            note: None,
            asked_by: Asker::Person,
            run_id: None,
            commit: None,
            snapshots: Vec::new(),
        }
    }

    fn five() -> Generations {
        use GenerationState::{Failed, Good};
        let states = [Good, Failed, Good, Failed, Good];
        let records = states
            .into_iter()
            .zip(1..)
            .map(|(state, number)| record(number, state, 10));
        Generations {
            current: Some(5),
            records: records.collect(),
            saved: Vec::new(),
        }
    }

    #[test]
    fn as_many_stay_as_number_and_budget_allow() {
        let all = five();
        assert_eq!(all.surplus(3, None, None), [2]);
        assert_eq!(all.surplus(1, None, None), [2, 1]);
        assert_eq!(all.surplus(3, Some(10), None), [2, 1]);
        assert_eq!(all.surplus(0, None, Some(3)), [2, 1]);
    }

    #[test]
    fn what_its_owner_keeps_stays() {
        let mut all = five();
        all.get_mut(1).unwrap().kept = true;
        assert_eq!(all.surplus(0, None, None), [3, 2]);
    }

    #[test]
    fn what_a_rollback_put_aside_stays_as_long_as_one_of_its_generations() {
        let mut all = five();
        all.saved.push(Saved {
            run_id: "r".into(),
            commit: String::new(),
            saved_at: 0,
            from_generation: Some(3),
            to_generation: Some(1),
        });
        all.remove(1);
        all.remove(2);
        assert_eq!(all.saved.len(), 1);
        all.remove(3);
        assert!(all.saved.is_empty());
    }

    #[test]
    fn the_one_before_is_the_last_good_one() {
        let mut all = five();
        assert_eq!(all.before_current(), Some(3));
        all.current = Some(1);
        assert_eq!(all.before_current(), None);
        all.current = None;
        assert_eq!(all.before_current(), None);
    }
}
