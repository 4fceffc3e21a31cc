//! Where a running machine's APIs are: ports and token of its container, kept as long as the watch
//! hears what happens to it, so that a call asks neither the container engine nor the disk.

use std::sync::Arc;

use lifecycle::{LifecycleError, MachineOptions};
use machine_client::{Answer, Client, ClientError, Method, Request, RouteCall, StatusCode};
use parking_lot::Mutex;
use wire::{failure::Failure, routes::Route};

use crate::{
    body::failed,
    machine::{connect, load},
};

/// Which of a machine's APIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Api {
    /// Cells, shell, services, evolve.
    Kernel,
    /// MCP servers.
    Mcp,
}

/// Ports and token of a container that runs.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// The machine's name, for failures.
    name: String,
    container_id: String,
    kernel: Option<u16>,
    mcp: Option<u16>,
    pub(crate) token: String,
}

impl Endpoint {
    /// The loopback port of an API.
    ///
    /// # Errors
    /// [`wire::failure::FailureCode::NotRunning`] if the container doesn't publish it.
    pub(crate) fn port(&self, api: Api) -> Result<u16, Failure> {
        let port = match api {
            Api::Kernel => self.kernel,
            Api::Mcp => self.mcp,
        };
        let not_running = || LifecycleError::NotRunning {
            name: self.name.clone(),
        };
        Ok(port.ok_or_else(not_running)?)
    }

    /// A client of an API.
    ///
    /// # Errors
    /// As [`port`](Self::port).
    pub(crate) fn client(&self, api: Api) -> Result<Client, Failure> {
        Client::tcp(self.port(api)?, Some(&self.token)).map_err(failed)
    }
}

/// A request to one of a machine's APIs.
#[derive(Clone, Debug)]
pub(crate) struct ApiCall<'a> {
    pub(crate) api: Api,
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) path: &'a str,
    /// JSON.
    pub(crate) body: Option<Vec<u8>>,
    /// Whether the answer is an event stream.
    pub(crate) streams: bool,
}

impl<'a> ApiCall<'a> {
    /// A call of a route of the kernel API.
    pub(crate) fn of<R: Route>(call: &'a RouteCall<R>) -> Self {
        let Request {
            method, path, body, ..
        } = call.request();
        Self {
            method,
            body,
            ..Self::get(path)
        }
    }

    /// The same, of which the answer is an event stream.
    pub(crate) fn events_of<R: Route>(call: &'a RouteCall<R>) -> Self {
        const { assert!(R::ANSWER.has_events(), "the route has no events") };
        Self {
            streams: true,
            ..Self::of(call)
        }
    }

    /// A GET at the kernel API.
    pub(crate) fn get(path: &'a str) -> Self {
        Self {
            api: Api::Kernel,
            method: Method::GET,
            path,
            body: None,
            streams: false,
        }
    }
}

/// Finds a machine's endpoint, and sends requests to it. Cheap to clone; clones share what is kept.
#[derive(Clone)]
pub(crate) struct Endpoints {
    options: MachineOptions,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    /// Whether the watch hears of changes. Otherwise nothing is kept: another container, perhaps
    /// another machine's, could be at the same port by now.
    is_watched: bool,
    /// How often something was forgotten: what was looked up before is not kept afterwards.
    forgotten: u64,
    /// The endpoint, and the engine that had been chosen by hand.
    found: Option<(Endpoint, Option<String>)>,
}

impl Endpoints {
    pub(crate) fn new(options: MachineOptions) -> Self {
        Self {
            options,
            kept: Arc::default(),
        }
    }

    /// From now on, what is found is kept until it is forgotten; ends with what is returned.
    pub(crate) fn watched(&self) -> Watched {
        self.kept.lock().is_watched = true;
        Watched(self.clone())
    }

    /// Something happened to the container, or to the engine.
    pub(crate) fn forget(&self) {
        let mut kept = self.kept.lock();
        kept.forgotten += 1;
        kept.found = None;
    }

    /// The running container's endpoint, kept or asked for.
    pub(crate) async fn find(&self) -> Result<Endpoint, Failure> {
        Ok(self.find_kept().await?.0)
    }

    /// The endpoint, and whether it was kept.
    async fn find_kept(&self) -> Result<(Endpoint, bool), Failure> {
        let engine = self.options.engine.subscribe().borrow().clone();
        let forgotten = {
            let kept = self.kept.lock();
            if let Some((endpoint, at)) = &kept.found
                && *at == engine
            {
                return Ok((endpoint.clone(), true));
            }
            kept.forgotten
        };
        let endpoint = self.look_up().await?;
        let mut kept = self.kept.lock();
        if kept.is_watched && kept.forgotten == forgotten {
            kept.found = Some((endpoint.clone(), engine));
        }
        Ok((endpoint, false))
    }

    async fn look_up(&self) -> Result<Endpoint, Failure> {
        let machine = load(&self.options)?;
        let published = machine.published(&connect(&self.options).await?).await?;
        Ok(Endpoint {
            name: machine.container_name().to_owned(),
            container_id: published.container_id,
            kernel: published.kernel,
            mcp: published.mcp,
            token: machine.secret("os_token")?,
        })
    }

    /// Sends a request; answers when the head of a good answer is there. A kept endpoint at which
    /// nobody listens, or that refuses the token, is looked up again, once: the request has done
    /// nothing then.
    ///
    /// # Errors
    /// The machine's refusal, or what kept it from answering.
    pub(crate) async fn send(&self, call: &ApiCall<'_>) -> Result<Answer, Failure> {
        let (endpoint, was_kept) = self.find_kept().await?;
        let sent = send_to(&endpoint, call).await?;
        let is_stale = match &sent {
            Ok(answer) => answer.status() == StatusCode::UNAUTHORIZED,
            Err(error) => matches!(error, ClientError::Connect { .. }),
        };
        if is_stale {
            self.forget();
        }
        let sent = if is_stale && was_kept {
            let (fresh, _) = self.find_kept().await?;
            if fresh == endpoint {
                sent
            } else {
                send_to(&fresh, call).await?
            }
        } else {
            sent
        };
        let answer = sent.map_err(failed)?;
        answer.accepted().await.map_err(failed)
    }
}

async fn send_to(
    endpoint: &Endpoint,
    call: &ApiCall<'_>,
) -> Result<Result<Answer, ClientError>, Failure> {
    let client = endpoint.client(call.api)?;
    let request = Request {
        method: call.method.clone(),
        body: call.body.clone(),
        ..Request::get(call.path)
    };
    let request = if call.streams {
        request.streamed()
    } else {
        request
    };
    Ok(client.send(request).await)
}

/// The watch hears of changes; once dropped, nothing is kept any more.
pub(crate) struct Watched(Endpoints);

impl Drop for Watched {
    fn drop(&mut self) {
        self.0.kept.lock().is_watched = false;
        self.0.forget();
    }
}

#[cfg(test)]
mod tests;
