//! The generations, and what is asked about them.

use serde::{Deserialize, Serialize};

use super::{Asker, RunningCell};

/// Where a generation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum GenerationState {
    /// Built, and not proved yet.
    Candidate,
    /// It was in place and well.
    Good,
    /// It was not proved, or did not settle.
    Failed,
}

/// A machine as it was at one time: its image and its repo's commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Generation {
    /// Counts up, over all machines of one engine and instance.
    pub number: u32,
    /// The image's name, such as `os:gen-4`.
    pub image: String,
    /// The image's id.
    pub image_id: String,
    /// Unix milliseconds.
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub created_at: u64,
    /// Of the image; layers that others share are counted whole.
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub size_bytes: u64,
    /// Where it stands.
    pub state: GenerationState,
    /// Whether the machine is made of it now.
    pub current: bool,
    /// Whether it is kept whatever the number of generations.
    pub kept: bool,
    /// What its owner calls it.
    pub name: Option<String>,
    /// The note of the run that made it.
    pub note: Option<String>,
    /// Who asked for it.
    pub asked_by: Asker,
    /// That run.
    pub run_id: Option<String>,
    /// The repo's commit.
    pub commit: Option<String>,
    /// Whether the namespaces are stored with which it was left last.
    pub has_state: bool,
    /// Whether its image is there; without it nobody can go back to it.
    pub image_present: bool,
}

/// The files of the repo as a rollback found them, where no generation has them. They stay as long
/// as one of the two generations is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct SavedFiles {
    /// The branch of the machine's history that has them.
    pub branch: String,
    /// The commit.
    pub commit: String,
    /// Unix milliseconds.
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub saved_at: u64,
    /// The generation that was in place.
    pub from_generation: Option<u32>,
    /// The generation that was gone back to.
    pub to_generation: Option<u32>,
    /// The repository on this computer that has the branch.
    pub history: String,
}

/// Answer of `generation_list` and of what changes one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct GenerationList {
    /// Newest first. Empty before the first evolve.
    pub generations: Vec<Generation>,
    /// What rollbacks found in the repo and put aside, newest first.
    pub saved: Vec<SavedFiles>,
    /// How many good ones the spec keeps beside the current one and those kept by name.
    pub generations_to_keep: u32,
}

/// Names a generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct GenerationNumber {
    /// Which.
    pub number: u32,
}

/// Asks for `generation_keep`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct GenerationKeep {
    /// Which.
    pub number: u32,
    /// Whether it is kept whatever the number of generations.
    pub kept: bool,
}

/// Asks for `generation_name`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct GenerationName {
    /// Which.
    pub number: u32,
    /// Empty for none.
    pub name: String,
}

/// Asks for `generation_rollback`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct RollbackRequest {
    /// Which; the good one before the current one where left out.
    #[serde(default)]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub number: Option<u32>,
    /// Whether the repo stays as it is; else its files become those of that generation. What was
    /// there stays on a branch.
    #[serde(default)]
    pub keep_repo: bool,
    /// Whether the namespaces become those with which that generation was left; else the present
    /// ones are taken along.
    #[serde(default)]
    pub state: bool,
    /// What to do about cells that run or wait.
    #[serde(default)]
    pub running_cell: RunningCell,
    /// How long to wait for them, in seconds; 60 where it is 0.
    #[serde(default)]
    pub cell_limit_s: u32,
}
