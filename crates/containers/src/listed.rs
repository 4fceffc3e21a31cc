//! Containers found by several labels at once, with where they stand.

use std::collections::{BTreeMap, HashMap};

use bollard::{models::ContainerSummaryStateEnum, query_parameters::ListContainersOptionsBuilder};
use futures_util::future::BoxFuture;

use crate::{connect::Engine, error::EngineError};

/// A container of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedContainer {
    /// Its id.
    pub id: String,
    /// Its name, without the slash.
    pub name: String,
    /// Labels.
    pub labels: HashMap<String, String>,
    /// Where it stands.
    pub state: ListedState,
    /// Unix seconds of its creation.
    pub created_at_s: i64,
}

/// Where a container of a list stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListedState {
    /// It was never started.
    Created,
    /// Its process runs.
    Running,
    /// Its processes are frozen.
    Paused,
    /// Its process ended, or it is being removed.
    Ended,
}

impl Engine {
    /// All containers, stopped ones too, that have all of these labels.
    ///
    /// # Errors
    /// [`EngineError`] where the engine does not answer.
    pub fn list_labelled<'a>(
        &'a self,
        labels: &'a BTreeMap<String, String>,
    ) -> BoxFuture<'a, Result<Vec<ListedContainer>, EngineError>> {
        Box::pin(async move {
            let words = labels.iter().map(|(name, value)| format!("{name}={value}"));
            let filters = HashMap::from([("label", words.collect::<Vec<_>>())]);
            let options = ListContainersOptionsBuilder::new()
                .all(true)
                .filters(&filters)
                .build();
            let found = self.docker.list_containers(Some(options)).await;
            let found =
                found.map_err(|error| EngineError::from_bollard("list the containers", error))?;
            let listed = found.into_iter().filter_map(|one| {
                let name = one.names?.into_iter().next()?;
                Some(ListedContainer {
                    id: one.id?,
                    name: name.trim_start_matches('/').to_owned(),
                    labels: one.labels.unwrap_or_default(),
                    state: match one.state {
                        Some(ContainerSummaryStateEnum::CREATED) => ListedState::Created,
                        Some(ContainerSummaryStateEnum::RUNNING) => ListedState::Running,
                        Some(ContainerSummaryStateEnum::PAUSED) => ListedState::Paused,
                        _ => ListedState::Ended,
                    },
                    created_at_s: one.created.unwrap_or_default(),
                })
            });
            Ok(listed.collect())
        })
    }
}
