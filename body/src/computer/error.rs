//! Why a tool could not do it, in words for who called it.

use rmcp::{
    ErrorData,
    handler::server::tool::IntoCallToolResult,
    model::{CallToolResponse, CallToolResult, ContentBlock},
};
use wire::error_code::ErrorCode;
use x11rb::errors::{ConnectError, ConnectionError, ReplyError, ReplyOrIdError};

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum ComputerError {
    #[error(
        "the display can't be reached: {0}. The desktop may be starting or restarting: try again in a moment, or look at `systemctl status xvnc`"
    )]
    NoDisplay(#[from] ConnectError),
    #[error(
        "the display went away in the middle: {0}. It is started again by itself: try again in a moment"
    )]
    Lost(#[from] ConnectionError),
    #[error("the display refused it: {0}")]
    Refused(String),
    #[error("there is no window {0}; list_windows tells which there are")]
    NoWindow(u32),
    #[error("{0}")]
    Invalid(String),
    #[error("nobody answered with the clipboard's contents in time")]
    ClipboardSilent,
    #[error(
        "The person has the mouse and keyboard{}; wait_for_handback waits until they give them back. Screenshots and everything but the desktop's input go on.",
        .by.as_ref().map(|by| format!(" ({by})")).unwrap_or_default()
    )]
    TakenOver { by: Option<String> },
    #[error(
        "the machine's supervisor can't be reached: {0}. It is started again by itself: try again in a moment"
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
            ReplyError::X11Error(error) => Self::Refused(format!(
                "{:?} of {:?}",
                error.error_kind, error.request_name
            )),
        }
    }
}

impl From<ReplyOrIdError> for ComputerError {
    fn from(error: ReplyOrIdError) -> Self {
        match error {
            ReplyOrIdError::ConnectionError(error) => Self::Lost(error),
            ReplyOrIdError::X11Error(error) => ReplyError::X11Error(error).into(),
            ReplyOrIdError::IdsExhausted => Self::Refused("no ids are left".to_owned()),
        }
    }
}

impl IntoCallToolResult for ComputerError {
    fn into_call_tool_result(self) -> Result<CallToolResponse, ErrorData> {
        Ok(CallToolResult::error(vec![ContentBlock::text(self.to_string())]).into())
    }
}
