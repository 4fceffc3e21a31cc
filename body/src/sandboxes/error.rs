//! Why a tool of the MCP server `sandbox` could not do it, in words for who called it.

use machine_client::ClientError;
use rmcp::{
    ErrorData,
    handler::server::tool::IntoCallToolResult,
    model::{CallToolResponse, CallToolResult, ContentBlock},
};
use wire::error_code::ErrorCode;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// An argument can't be used.
    #[error("{0}")]
    Invalid(String),
    /// The machine or the host refused, or failed.
    #[error("{message} ({code})")]
    Refused { code: ErrorCode, message: String },
    #[error(
        "the machine's supervisor is unreachable: {0}. It restarts automatically: try again in a moment"
    )]
    NoSupervisor(String),
    #[error("the call was cancelled; a fresh sandbox of it is removed")]
    Cancelled,
    #[error("{0}")]
    Internal(String),
}

impl From<ClientError> for ToolError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Refused(refusal) => match refusal.code.clone() {
                Some(code) => Self::Refused {
                    code,
                    message: refusal.to_string(),
                },
                None => Self::Internal(format!("the machine answered {}", refusal.status)),
            },
            ClientError::Connect { .. } | ClientError::Broken(_) => {
                Self::NoSupervisor(error.to_string())
            }
            error => Self::Internal(error.to_string()),
        }
    }
}

impl IntoCallToolResult for ToolError {
    fn into_call_tool_result(self) -> Result<CallToolResponse, ErrorData> {
        Ok(CallToolResult::error(vec![ContentBlock::text(self.to_string())]).into())
    }
}
