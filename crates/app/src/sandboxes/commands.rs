//! The window's commands about sandboxes: what the routes do, for the person, who sees all of them.
//! They are carried out where the sandboxes are: in this process if it serves, else in the server of
//! this user that runs beside it.

use std::future::Future;

use futures_util::future::join_all;
use sandbox::{Owner, SandboxError, Sandboxes};
use serde::{Serialize, de::DeserializeOwned};
use wire::{
    commands::Nothing,
    failure::Failure,
    sandbox::{
        CreateRequest, ExecRequest, ExecView, FileEntry, PoolView, SandboxId, SandboxState,
        SandboxView,
    },
    sandbox_commands::*,
};

use super::{
    file_transfer, follow, seconds,
    serving::{Serving, forward, is_nobody, nobody_serves},
};
use crate::{
    App,
    serve::{Running, ServeOptions},
};

/// Whose sandboxes the commands are about.
const PERSON: &Owner = &Owner::Person;
/// Port of the API, if this process serves at the person's wish.
const API_PORT: u16 = 8000;
/// Of how many sandboxes a list asks at once what they use.
const LOOKED_AT: usize = 100;

impl App {
    /// Has a command carried out where the sandboxes are.
    async fn where_sandboxes_are<Q, A, Work>(
        &self,
        command: &str,
        request: Q,
        work: impl FnOnce(Serving, Q) -> Work,
    ) -> Result<A, Failure>
    where
        Q: Serialize,
        A: DeserializeOwned,
        Work: Future<Output = Result<A, Failure>>,
    {
        if let Some(serving) = self.inner.serving.get() {
            return work(serving.clone(), request).await;
        }
        if let Some(running) = Running::find(self.data_dir()) {
            match forward(&running, command, &request).await {
                // The file of one that was killed.
                Err(failure) if is_nobody(&failure) => {}
                answer => return answer,
            }
        }
        // A machine's call may have started them, without an API for other programs.
        let started = self.inner.shared.sandboxes.started();
        let started = started.ok_or_else(nobody_serves)?;
        let serving = Serving {
            service: started.clone(),
            address: None,
            needs_token: true,
        };
        work(serving, request).await
    }

    /// Serves from this process, unless this user has a server already, and also when the window opens
    /// the next time.
    pub(crate) async fn sandbox_serve(&self, _: Nothing) -> Result<Nothing, Failure> {
        self.serve_sandboxes(API_PORT).await?;
        let mut settings = self.settings().settings;
        if !settings.serve_sandboxes {
            settings.serve_sandboxes = true;
            self.settings_set(settings).await?;
        }
        Ok(Nothing {})
    }

    /// Turns sandboxes on in the background if the settings say so. For the window, when it opens.
    pub fn serve_sandboxes_as_set(&self) {
        if !self.settings().settings.serve_sandboxes {
            return;
        }
        let app = self.clone();
        self.inner.shared.tasks.spawn(async move {
            // The page shows that they are off, and says why when they are turned on there.
            if let Err(failure) = app.serve_sandboxes(API_PORT).await {
                tracing::warn!(%failure, "sandboxes could not be turned on");
            }
        });
    }

    /// Serves them at a port of this process, unless they are served already.
    pub(crate) async fn serve_sandboxes(&self, port: u16) -> Result<(), Failure> {
        let list = self.sandbox_list(Nothing {}).await;
        if list.is_ok_and(|list| list.address.is_some()) {
            return Ok(());
        }
        let options = ServeOptions {
            port,
            ..Default::default()
        };
        let served = self.bind(options).await?;
        let app = self.clone();
        self.inner.shared.tasks.spawn(async move {
            if let Err(failure) = served.run(&app).await {
                tracing::error!("the API is no longer served: {failure}");
            }
        });
        Ok(())
    }

    pub(crate) async fn sandbox_list(&self, request: Nothing) -> Result<SandboxList, Failure> {
        let list = |serving: Serving, _| async move {
            let sandboxes = serving.sandboxes()?;
            let preset = sandboxes.settings();
            Ok(SandboxList {
                sandboxes: with_usage(sandboxes).await,
                defaults: SandboxDefaults {
                    image: preset.image,
                    limits: preset.limits,
                    network: preset.network,
                    ttl_s: preset.ttl.as_secs_f64(),
                    longest_ttl_s: preset.longest_ttl.as_secs_f64(),
                },
                address: serving.address.map(|address| format!("http://{address}")),
                needs_token: serving.needs_token,
                images: serving.service.images(),
            })
        };
        self.where_sandboxes_are("sandbox_list", request, list)
            .await
    }

    pub(crate) async fn sandbox_pool(&self, request: Nothing) -> Result<PoolView, Failure> {
        let pool = |serving: Serving, _| async move { Ok(serving.sandboxes()?.pool()) };
        self.where_sandboxes_are("sandbox_pool", request, pool)
            .await
    }

    pub(crate) async fn sandbox_image(
        &self,
        request: SandboxImageRequest,
    ) -> Result<Nothing, Failure> {
        let stop = self.inner.shared.stop.child_token();
        let make = |serving: Serving, SandboxImageRequest { image }| async move {
            let mut tell = |_| {};
            serving
                .service
                .make_available(PERSON, image, &stop, &mut tell)
                .await?;
            Ok(Nothing {})
        };
        self.where_sandboxes_are("sandbox_image", request, make)
            .await
    }

    pub(crate) async fn sandbox_create(
        &self,
        request: CreateRequest,
    ) -> Result<SandboxView, Failure> {
        let create = |serving: Serving, request| async move {
            Ok(serving.sandboxes()?.create(PERSON, request, None).await?)
        };
        self.where_sandboxes_are("sandbox_create", request, create)
            .await
    }

    pub(crate) async fn sandbox_pause(&self, request: SandboxName) -> Result<SandboxView, Failure> {
        let pause = |serving: Serving, SandboxName { sandbox_id }| async move {
            let sandboxes = serving.sandboxes()?;
            sandboxes.pause(PERSON, &sandbox_id).await?;
            Ok(sandboxes.get(PERSON, &sandbox_id).await?)
        };
        self.where_sandboxes_are("sandbox_pause", request, pause)
            .await
    }

    pub(crate) async fn sandbox_resume(
        &self,
        request: SandboxName,
    ) -> Result<SandboxView, Failure> {
        let resume = |serving: Serving, SandboxName { sandbox_id }| async move {
            let sandboxes = serving.sandboxes()?;
            sandboxes.resume(PERSON, &sandbox_id).await?;
            Ok(sandboxes.get(PERSON, &sandbox_id).await?)
        };
        self.where_sandboxes_are("sandbox_resume", request, resume)
            .await
    }

    pub(crate) async fn sandbox_timeout(
        &self,
        request: SandboxTimeoutRequest,
    ) -> Result<SandboxView, Failure> {
        let set = |serving: Serving, request: SandboxTimeoutRequest| async move {
            let ttl = seconds(request.ttl_s, "ttl_s").map_err(Failure::from)?;
            let sandboxes = serving.sandboxes()?;
            Ok(sandboxes
                .set_timeout(PERSON, &request.sandbox_id, ttl)
                .await?)
        };
        self.where_sandboxes_are("sandbox_timeout", request, set)
            .await
    }

    /// One that is gone is no error.
    pub(crate) async fn sandbox_destroy(&self, request: SandboxName) -> Result<Nothing, Failure> {
        let remove = |serving: Serving, SandboxName { sandbox_id }| async move {
            match serving.sandboxes()?.remove(PERSON, &sandbox_id).await {
                Ok(_) | Err(SandboxError::NotFound(_)) => Ok(Nothing {}),
                Err(error) => Err(error.into()),
            }
        };
        self.where_sandboxes_are("sandbox_destroy", request, remove)
            .await
    }

    pub(crate) async fn sandbox_exec(
        &self,
        request: SandboxExecRequest,
    ) -> Result<ExecView, Failure> {
        let start = |serving: Serving,
                     SandboxExecRequest {
                         sandbox_id,
                         request,
                     }| async move {
            let request = ExecRequest {
                background: true,
                ..request
            };
            let exec = serving.sandboxes()?.exec(PERSON, &sandbox_id, request);
            Ok(exec.await?.view())
        };
        self.where_sandboxes_are("sandbox_exec", request, start)
            .await
    }

    pub(crate) async fn sandbox_execs(
        &self,
        request: SandboxName,
    ) -> Result<SandboxExecs, Failure> {
        let list = |serving: Serving, SandboxName { sandbox_id }| async move {
            let execs = serving.sandboxes()?.execs(PERSON, &sandbox_id)?;
            Ok(SandboxExecs { execs })
        };
        self.where_sandboxes_are("sandbox_execs", request, list)
            .await
    }

    pub(crate) async fn sandbox_output(
        &self,
        request: SandboxOutputRequest,
    ) -> Result<SandboxOutput, Failure> {
        let stop = self.inner.shared.stop.clone();
        let read = |serving: Serving, request: SandboxOutputRequest| async move {
            let SandboxOutputRequest {
                sandbox_id,
                exec_id,
                after,
            } = request;
            let exec = exec_of(&serving, &sandbox_id, &exec_id)?;
            Ok(follow::next_output(&exec, after, &stop).await)
        };
        self.where_sandboxes_are("sandbox_output", request, read)
            .await
    }

    pub(crate) async fn sandbox_input(
        &self,
        request: SandboxInputRequest,
    ) -> Result<Nothing, Failure> {
        let write = |serving: Serving, request: SandboxInputRequest| async move {
            let bytes = file_transfer::decoded(&request.base64)?;
            let exec = exec_of(&serving, &request.sandbox_id, &request.exec_id)?;
            exec.write_stdin(bytes).await?;
            Ok(Nothing {})
        };
        self.where_sandboxes_are("sandbox_input", request, write)
            .await
    }

    pub(crate) async fn sandbox_resize(
        &self,
        request: SandboxResizeRequest,
    ) -> Result<Nothing, Failure> {
        let resize = |serving: Serving, request: SandboxResizeRequest| async move {
            let exec = exec_of(&serving, &request.sandbox_id, &request.exec_id)?;
            exec.resize(request.size).await?;
            Ok(Nothing {})
        };
        self.where_sandboxes_are("sandbox_resize", request, resize)
            .await
    }

    pub(crate) async fn sandbox_code(
        &self,
        request: SandboxCodeRequest,
    ) -> Result<SandboxCode, Failure> {
        let run = |serving: Serving,
                   SandboxCodeRequest {
                       sandbox_id,
                       request,
                   }| async move {
            let run = serving.sandboxes()?.code(PERSON, &sandbox_id, request);
            Ok(follow::whole_run(run.await?.wait().await))
        };
        self.where_sandboxes_are("sandbox_code", request, run).await
    }

    pub(crate) async fn sandbox_files(
        &self,
        request: SandboxPath,
    ) -> Result<SandboxFiles, Failure> {
        let list = |serving: Serving, SandboxPath { sandbox_id, path }| async move {
            let files = serving.sandboxes()?.files(PERSON, &sandbox_id).await?;
            Ok(file_transfer::listed(files.list(&path, 1).await?))
        };
        self.where_sandboxes_are("sandbox_files", request, list)
            .await
    }

    pub(crate) async fn sandbox_file_read(
        &self,
        request: SandboxPath,
    ) -> Result<SandboxFile, Failure> {
        let read = |serving: Serving, SandboxPath { sandbox_id, path }| async move {
            let files = serving.sandboxes()?.files(PERSON, &sandbox_id).await?;
            file_transfer::read(&files, &path).await
        };
        self.where_sandboxes_are("sandbox_file_read", request, read)
            .await
    }

    pub(crate) async fn sandbox_file_write(
        &self,
        request: SandboxFileWriteRequest,
    ) -> Result<FileEntry, Failure> {
        let write = |serving: Serving, request: SandboxFileWriteRequest| async move {
            let content = file_transfer::decoded(&request.base64)?;
            let files = serving
                .sandboxes()?
                .files(PERSON, &request.sandbox_id)
                .await?;
            Ok(files
                .write(&request.path, file_transfer::stream(content))
                .await?)
        };
        self.where_sandboxes_are("sandbox_file_write", request, write)
            .await
    }

    pub(crate) async fn sandbox_file_remove(
        &self,
        request: SandboxPath,
    ) -> Result<Nothing, Failure> {
        let remove = |serving: Serving, SandboxPath { sandbox_id, path }| async move {
            let files = serving.sandboxes()?.files(PERSON, &sandbox_id).await?;
            files.remove(&path).await?;
            Ok(Nothing {})
        };
        self.where_sandboxes_are("sandbox_file_remove", request, remove)
            .await
    }
}

fn exec_of(serving: &Serving, id: &SandboxId, exec_id: &str) -> Result<sandbox::Exec, Failure> {
    Ok(serving.sandboxes()?.exec_of(PERSON, id, exec_id)?)
}

/// The list, with what those that run use now.
async fn with_usage(sandboxes: &Sandboxes) -> Vec<SandboxView> {
    let listed = sandboxes.list(PERSON);
    let mut looked = 0;
    let looks = listed.into_iter().map(|view| {
        let is_looked_at = view.state == SandboxState::Running && looked < LOOKED_AT;
        looked += usize::from(is_looked_at);
        async move {
            if !is_looked_at {
                return view;
            }
            // One that is gone meanwhile is shown as it was.
            let now = sandboxes.get(PERSON, &view.sandbox_id).await;
            now.unwrap_or(view)
        }
    });
    join_all(looks).await
}
