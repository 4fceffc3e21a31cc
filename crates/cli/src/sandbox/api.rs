//! The API that the commands speak to, and how it is found.

use app::{App, Running, ServeOptions};
use machine_client::{Answer, Client, ClientError, EventReader, Request, StreamedEvent};
use serde::{Serialize, de::DeserializeOwned};
use wire::{
    error_code::ErrorCode,
    failure::{Failure, FailureCode},
};

/// Largest answer that isn't a file.
const ANSWER_BYTES: usize = 64 << 20;

/// The API of a server that runs.
pub struct Api(Client);

/// Lets `work` use the server of this user, or one of this program's own, with these options, until it is
/// done.
///
/// # Errors
/// The work's, or why there is no server.
pub async fn reach(
    app: &App,
    options: ServeOptions,
    work: impl AsyncFnOnce(&Api) -> Result<u8, Failure>,
) -> Result<u8, Failure> {
    if let Some(running) = Running::find(app.data_dir()) {
        let api = Api::of(running.port, running.token.reveal())?;
        if api.is_there().await {
            return work(&api).await;
        }
    }
    let served = app.bind(options).await?;
    let api = Api::of(served.address().port(), served.token())?;
    tokio::select! {
        done = work(&api) => done,
        ended = served.run(app) => {
            ended?;
            Err(Failure::new(FailureCode::Cancelled, "Cancelled"))
        }
    }
}

impl Api {
    fn of(port: u16, token: &str) -> Result<Self, Failure> {
        Client::tcp(port, Some(token)).map(Self).map_err(failure)
    }

    /// Whether it answers, and takes this token.
    async fn is_there(&self) -> bool {
        let answered = self.0.send(Request::get("/pool")).await;
        answered.is_ok_and(|answer| answer.status() != machine_client::StatusCode::UNAUTHORIZED)
    }

    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.ask(Request::get(path)).await
    }

    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        self.ask(Request::post(path, written(body)?)).await
    }

    pub async fn put<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        self.upload(path, written(body)?).await
    }

    pub async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        let request = Request {
            method: machine_client::Method::DELETE,
            ..Request::get(path)
        };
        self.ask(request).await
    }

    async fn ask<T: DeserializeOwned>(&self, request: Request<'_>) -> Result<T, Failure> {
        self.0.ask(request, ANSWER_BYTES).await.map_err(failure)
    }

    /// A file's bytes, as they come.
    pub async fn download(&self, path: &str) -> Result<Answer, Failure> {
        let answer = self.0.send(Request::get(path)).await.map_err(failure)?;
        answer.accepted().await.map_err(failure)
    }

    pub async fn upload<T: DeserializeOwned>(
        &self,
        path: &str,
        body: Vec<u8>,
    ) -> Result<T, Failure> {
        let request = Request {
            method: machine_client::Method::PUT,
            ..Request::post(path, body)
        };
        self.ask(request).await
    }

    /// Events of a request, with a body or without.
    pub async fn events<T: Serialize>(
        &self,
        path: &str,
        body: Option<&T>,
    ) -> Result<Events, Failure> {
        let request = match body {
            Some(body) => Request::post(path, written(body)?),
            None => Request::get(path),
        };
        let answer = self.0.send(request.streamed()).await.map_err(failure)?;
        let answer = answer.accepted().await.map_err(failure)?;
        Ok(Events {
            answer,
            reader: EventReader::default(),
            ready: Vec::new().into_iter(),
        })
    }
}

fn written(body: &impl Serialize) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(body).map_err(|error| {
        Failure::new(FailureCode::Internal, "The request could not be written")
            .because(error.to_string())
    })
}

/// A stream of events.
pub struct Events {
    answer: Answer,
    reader: EventReader,
    ready: std::vec::IntoIter<StreamedEvent>,
}

impl Events {
    /// The next one; `None` at the end. Nothing is lost if it isn't awaited to its end.
    pub async fn next(&mut self) -> Result<Option<StreamedEvent>, Failure> {
        loop {
            if let Some(event) = self.ready.next() {
                return Ok(Some(event));
            }
            let Some(bytes) = self.answer.chunk().await.map_err(failure)? else {
                return Ok(None);
            };
            let events = self.reader.push(&bytes);
            self.ready = events.map_err(|error| failure(error.into()))?.into_iter();
        }
    }
}

/// A failure in the API's own words.
pub fn failure(error: ClientError) -> Failure {
    let ClientError::Refused(refusal) = error else {
        let failure = Failure::new(
            FailureCode::Internal,
            "Unexpected response from Vivarium's API",
        );
        return failure.because(error.to_string());
    };
    let code = match (refusal.status.as_u16(), &refusal.code) {
        (_, Some(ErrorCode::Unavailable)) => FailureCode::EngineMissing,
        (404, _) => FailureCode::NotFound,
        (410, _) => FailureCode::NotRunning,
        (401 | 403, _) => FailureCode::Forbidden,
        (409 | 429, _) => FailureCode::Busy,
        (status, _) if status < 500 => FailureCode::Invalid,
        _ => FailureCode::Internal,
    };
    let failure = Failure::new(code, refusal.to_string());
    match refusal.code {
        Some(code) => failure.refused(code),
        None => failure,
    }
}
