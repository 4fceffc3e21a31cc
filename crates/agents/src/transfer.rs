//! A command in a container, with what it reads and what it says.

use frames::message::{Event, Exec, Request};
use init_client::{Call, Piece, Session, SessionEnd};
use tokio::io::{AsyncRead, AsyncReadExt};
use wire::agent::AgentId;

use crate::error::AgentError;

/// How much is read at once of what it is given.
const PIECE_BYTES: usize = 64 << 10;

/// Runs it to its end; what it returned, or 128 and the signal that ended it. `take` hears what it says, on
/// stdout and stderr, and can refuse more.
pub(crate) async fn run(
    session: &Session,
    id: &AgentId,
    exec: Exec,
    mut input: impl AsyncRead + Unpin,
    mut take: impl FnMut(&[u8]) -> Result<(), AgentError>,
) -> Result<i32, AgentError> {
    let failed = |reason: String| AgentError::Helper {
        id: id.clone(),
        reason,
    };
    let broken = |end: SessionEnd| failed(end.to_string());
    let call = Call::new(session, Request::Exec(exec)).map_err(broken)?;
    let feeds = async {
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            match input.read(&mut piece).await {
                Err(error) => return Err(failed(error.to_string())),
                Ok(0) => break,
                // What takes no more has ended, which is told below.
                Ok(count) if !call.send(&piece[..count]).await => break,
                Ok(_) => {}
            }
        }
        call.close_input();
        std::future::pending().await
    };
    let reads = async {
        loop {
            match call.next().await.map_err(broken)? {
                Some(Piece::Data(data)) => take(&data)?,
                Some(Piece::Event(Event::Exited(exit))) => {
                    let code = exit.code.or(exit.signal.map(|signal| 128 + signal));
                    return Ok(code.unwrap_or(-1));
                }
                Some(Piece::Event(Event::Refused { message, .. })) => return Err(failed(message)),
                Some(Piece::Event(_)) => {}
                None => return Err(failed("a command's end is missing".into())),
            }
        }
    };
    tokio::select! {
        ended = reads => ended,
        broke = feeds => broke,
    }
}
