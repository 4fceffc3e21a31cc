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
            ReplyOrIdError::IdsExhausted => Self::Refused("no IDs are left".to_owned()),
        }
    }
}

impl IntoCallToolResult for ComputerError {
    fn into_call_tool_result(self) -> Result<CallToolResponse, ErrorData> {
        Ok(CallToolResult::error(vec![ContentBlock::text(self.to_string())]).into())
    }
}
