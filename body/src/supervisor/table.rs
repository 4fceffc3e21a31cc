//! The supervisor's side of PID 1's socket: requests over one connection, ends over another.

use std::path::Path;

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::Mutex,
};
use wire::table::{TableAnswer, TableEntry, TableRequest};

/// PID 1 can't be asked, or refused.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    #[error("PID 1 is not responding: {0}")]
    Connection(#[from] std::io::Error),
    #[error("{0}")]
    Refused(String),
}

/// A connection to PID 1's table.
pub struct TableClient {
    connection: Mutex<Connection>,
}

struct Connection {
    lines: Lines<BufReader<OwnedReadHalf>>,
    write: OwnedWriteHalf,
    /// Answers that nobody waits for any more: who asked was cancelled.
    owed: u32,
}

impl TableClient {
    /// Connects.
    pub async fn connect(socket: &Path) -> Result<Self, TableError> {
        let (read, write) = UnixStream::connect(socket).await?.into_split();
        Ok(Self {
            connection: Mutex::new(Connection {
                lines: BufReader::new(read).lines(),
                write,
                owed: 0,
            }),
        })
    }

    /// Asks and waits for the answer.
    pub async fn ask(&self, request: &TableRequest) -> Result<TableAnswer, TableError> {
        let mut line = serde_json::to_vec(request).map_err(std::io::Error::other)?;
        line.push(b'\n');
        // Held over the exchange: a request and its answer are one.
        let mut connection = self.connection.lock().await;
        while connection.owed > 0 {
            next(&mut connection.lines).await?;
            connection.owed -= 1;
        }
        connection.owed += 1;
        connection.write.write_all(&line).await?;
        let answer = next(&mut connection.lines).await?;
        connection.owed -= 1;
        match answer {
            TableAnswer::Refused { reason } => Err(TableError::Refused(reason)),
            answer => Ok(answer),
        }
    }

    /// Everything that was ever started and is not forgotten.
    pub async fn list(&self) -> Result<Vec<TableEntry>, TableError> {
        match self.ask(&TableRequest::List).await? {
            TableAnswer::Services { services } => Ok(services),
            other => Err(TableError::Refused(format!(
                "unexpected response: {other:?}"
            ))),
        }
    }

    /// Signals a service's group; one that does not run is no error.
    pub async fn signal(&self, name: &str, signal: nix::sys::signal::Signal) {
        let request = TableRequest::Signal {
            name: name.to_owned(),
            signal: signal as i32,
        };
        if let Err(error) = self.ask(&request).await {
            tracing::debug!(%error, name, "not signalled");
        }
    }

    /// Kills all that a service started, wherever it went.
    pub async fn end(&self, name: &str) {
        let name = name.to_owned();
        if let Err(error) = self.ask(&TableRequest::End { name }).await {
            tracing::warn!(%error, "not all processes of a service are gone");
        }
    }

    /// Has a service that has ended forgotten.
    pub async fn forget(&self, name: &str) -> Result<(), TableError> {
        let name = name.to_owned();
        self.ask(&TableRequest::Forget { name }).await.map(drop)
    }

    /// Turns this connection into a stream of ends.
    pub async fn watch(self) -> Result<Ends, TableError> {
        self.ask(&TableRequest::Watch).await?;
        let Connection { lines, write, .. } = self.connection.into_inner();
        Ok(Ends {
            lines,
            _write: write,
        })
    }
}

/// The services that end, as they do.
pub struct Ends {
    lines: Lines<BufReader<OwnedReadHalf>>,
    _write: OwnedWriteHalf,
}

impl Ends {
    /// The next one.
    pub async fn next(&mut self) -> Result<TableEntry, TableError> {
        loop {
            if let TableAnswer::Exited { service } = next(&mut self.lines).await? {
                return Ok(service);
            }
        }
    }
}

async fn next(lines: &mut Lines<BufReader<OwnedReadHalf>>) -> Result<TableAnswer, TableError> {
    let line = lines
        .next_line()
        .await?
        .ok_or(std::io::ErrorKind::UnexpectedEof)
        .map_err(std::io::Error::from)?;
    Ok(serde_json::from_str(&line).map_err(std::io::Error::other)?)
}
