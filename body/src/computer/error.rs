//! Why a tool could not do it, in words for who called it.

use rmcp::{
    ErrorData,
    handler::server::tool::IntoCallToolResult,
    model::{CallToolResponse, CallToolResult, ContentBlock},
};
use wire::error_code::ErrorCode;
use x11rb::{
    errors::{ConnectError, ConnectionError, ReplyError, ReplyOrIdError},
    protocol::ErrorKind,
};

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum ComputerError {
    #[error(
        "the display is unreachable: {0}. The desktop may be starting or restarting: try again in a moment, or check `systemctl status xvnc`"
    )]
    NoDisplay(#[from] ConnectError),
    #[error(
        "the connection to the display was lost: {0}. The display restarts automatically: try again in a moment"
    )]
    Lost(#[from] ConnectionError),
    #[error("the display rejected the request: {0}")]
    Refused(String),
    #[error("window {0} not found; use list_windows to list them")]
    NoWindow(u32),
    #[error("{0}")]
    Invalid(String),
    #[error("the program that owns the clipboard did not respond in time")]
    ClipboardSilent,
    #[error(
        "The person has control of mouse and keyboard{}; wait_for_handback waits until they release it. Screenshots and all tools except mouse and keyboard input still work.",
        .by.as_ref().map(|by| format!(" ({by})")).unwrap_or_default()
    )]
    TakenOver { by: Option<String> },
    #[error(
        "the machine's supervisor is unreachable: {0}. It restarts automatically: try again in a moment"
    )]
    NoSupervisor(String),
    #[error("{message} ({code})")]
    Machine { code: ErrorCode, message: String },
    #[error("the picture could not be written: {0}")]
    Png(#[from] png::EncodingError),
    #[error("{0}")]
    Internal(String),
}

impl From<ReplyError> for ComputerError {
    fn from(error: ReplyError) -> Self {
        match error {
            ReplyError::ConnectionError(error) => Self::Lost(error),
            ReplyError::X11Error(error) => Self::Refused(refusal(
                error.error_kind,
                error.error_code,
                error.request_name,
            )),
        }
    }
}

/// An error of the X server, by the names that the protocol gives it and the request.
fn refusal(kind: ErrorKind, code: u8, request: Option<&str>) -> String {
    let name = match kind {
        ErrorKind::Access => "BadAccess",
        ErrorKind::Alloc => "BadAlloc",
        ErrorKind::Atom => "BadAtom",
        ErrorKind::Drawable => "BadDrawable",
        ErrorKind::IDChoice => "BadIDChoice",
        ErrorKind::Implementation => "BadImplementation",
        ErrorKind::Length => "BadLength",
        ErrorKind::Match => "BadMatch",
        ErrorKind::Name => "BadName",
        ErrorKind::Pixmap => "BadPixmap",
        ErrorKind::Request => "BadRequest",
        ErrorKind::Value => "BadValue",
        ErrorKind::Window => "BadWindow",
        _ => "",
    };
    let name = match name {
        "" => format!("error {code}"),
        name => name.to_owned(),
    };
    match request {
        Some(request) => format!("{name} in {request}"),
        None => name,
    }
}

impl From<ReplyOrIdError> for ComputerError {
    fn from(error: ReplyOrIdError) -> Self {
        match error {
            ReplyOrIdError::ConnectionError(error) => Self::Lost(error),
            ReplyOrIdError::X11Error(error) => ReplyError::X11Error(error).into(),
            ReplyOrIdError::IdsExhausted => Self::Refused("no IDs are left".to_owned()),
        }
    }
}

impl IntoCallToolResult for ComputerError {
    fn into_call_tool_result(self) -> Result<CallToolResponse, ErrorData> {
        Ok(CallToolResult::error(vec![ContentBlock::text(self.to_string())]).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_display_says_no_by_the_protocols_names() {
        let of =
            |kind, code, request| ComputerError::Refused(refusal(kind, code, request)).to_string();
        assert_eq!(
            of(ErrorKind::Match, 8, Some("GetImage")),
            "the display rejected the request: BadMatch in GetImage"
        );
        assert_eq!(
            of(ErrorKind::Unknown(200), 200, None),
            "the display rejected the request: error 200"
        );
    }
}
