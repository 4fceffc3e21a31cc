//! Runs that build a tool's image, or fetch it from its registry: of each tool one at a time.

use std::{collections::BTreeMap, sync::Arc};

use ::agents::{
    catalogue::ToolId,
    images::{AgentImage, BuildOptions, ImageSource, Platform},
};
use parking_lot::Mutex;
use wire::{
    agent::{AgentImageBuildRequest, AgentImageLogRequest},
    commands::RunStarted,
    failure::{Failure, FailureCode},
    job::{JobKind, JobLog, JobOwner},
    machine::Progress,
    stream::Event,
};

use super::tools::tool_id;
use crate::{App, runs::NewRun};

/// Those that go on, by tool.
#[derive(Default)]
pub(super) struct ImageRuns(Arc<Mutex<BTreeMap<ToolId, String>>>);

impl ImageRuns {
    /// The run that builds or fetches a tool's image now.
    pub(super) fn of(&self, tool: &ToolId) -> Option<String> {
        self.0.lock().get(tool).cloned()
    }
}

impl App {
    /// Begins to build or fetch a tool's image, unless that goes on; goes on as events.
    pub(crate) async fn agent_image_build(
        &self,
        request: AgentImageBuildRequest,
    ) -> Result<RunStarted, Failure> {
        let tool = tool_id(&request.tool)?;
        let images = self.agent_images()?;
        let catalogue = self.agent_catalogue().await?;
        if catalogue.tool(&tool).is_none() {
            return Err(super::tools::no_tool(&tool));
        }
        let shared = &self.inner.shared;
        let run_id = ulid::Ulid::generate().to_string();
        let going = Arc::clone(&self.inner.agents.image_runs.0);
        if let Some(run_id) = going.lock().get(&tool).cloned() {
            return Ok(RunStarted { run_id });
        }
        going.lock().insert(tool.clone(), run_id.clone());
        let run = NewRun {
            run_id: &run_id,
            kind: JobKind::Build,
            machine: None,
            owner: JobOwner::Person,
        };
        let cancel = shared.runs.begin(run, &shared.stop);
        let (app, id) = (self.clone(), run_id.clone());
        shared.journal.publish(Event::Agents);
        shared.tasks.spawn(async move {
            let shared = &app.inner.shared;
            let mut tell = |progress: Progress| {
                shared.runs.note(&id, &progress);
                shared.journal.publish(Event::RunProgress {
                    run_id: id.clone(),
                    progress,
                });
            };
            let done = async {
                let engine = app.connect().await?;
                match &images.settings().source {
                    ImageSource::Local => {
                        let image = AgentImage::Tool(tool.clone());
                        let options = BuildOptions {
                            rebuild: request.rebuild,
                            ..BuildOptions::default()
                        };
                        images
                            .build(&engine, &catalogue, &image, &options, &cancel, &mut tell)
                            .await?;
                    }
                    ImageSource::Registry { .. } => {
                        let helpers: Vec<Platform> =
                            Platform::of_this_computer().into_iter().collect();
                        images
                            .fetch(&engine, &tool, &helpers, &cancel, &mut tell)
                            .await?;
                    }
                }
                Ok::<(), Failure>(())
            };
            let failure = done.await.err();
            if let Some(failure) = &failure {
                tracing::warn!(run_id = id, %failure, "an agents' image could not be built or fetched");
            }
            going.lock().remove(&tool);
            let started_at = shared.runs.end(&id, failure.as_ref());
            shared.journal.publish(Event::RunEnded {
                run_id: id.clone(),
                job_kind: JobKind::Build,
                started_at,
                failure,
            });
            shared.journal.publish(Event::Agents);
        });
        Ok(RunStarted { run_id })
    }

    /// What such a run printed.
    pub(crate) async fn agent_image_log(
        &self,
        request: AgentImageLogRequest,
    ) -> Result<JobLog, Failure> {
        let log = self.inner.shared.runs.log(&request.run_id, request.after);
        log.ok_or_else(|| Failure::new(FailureCode::NotFound, "The run was not found"))
    }
}
