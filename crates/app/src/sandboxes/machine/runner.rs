//! What a machine's calls are carried out with: the sandboxes of this process.

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use sandbox::{Owner, SandboxError, Sandboxes};
use tokio_util::sync::CancellationToken;
use wire::{
    sandbox::{
        CodeAnswer, CodeRequest, CreateRequest, ExecAnswer, ExecRequest, FileEntry, SandboxId,
        SandboxView,
    },
    sandbox_call::CALL_FILE_BYTES,
};

/// SIGKILL.
const KILL: i32 = 9;

/// What came of reading a file.
#[derive(Debug)]
pub(super) enum FileRead {
    /// All of it.
    Whole(Vec<u8>),
    /// It has more bytes than are carried.
    TooLarge,
}

/// Carries out the parts of a call. Each works for an owner, who reaches what is its own.
pub(super) trait Runner: Clone + Send + Sync + 'static {
    /// Makes a sandbox. Once begun, it goes on.
    fn create(
        &self,
        owner: &Owner,
        request: CreateRequest,
    ) -> impl Future<Output = Result<SandboxId, SandboxError>> + Send;

    /// The owner's sandboxes, newest first, those that ended too.
    fn list(&self, owner: &Owner) -> Vec<SandboxView>;

    /// Runs a command to its end; `None` once it was cancelled, which ends the command.
    fn command(
        &self,
        owner: &Owner,
        id: &SandboxId,
        request: ExecRequest,
        cancelled: &CancellationToken,
    ) -> impl Future<Output = Result<Option<ExecAnswer>, SandboxError>> + Send;

    /// Runs code to its end; `None` once it was cancelled, which interrupts the code.
    fn code(
        &self,
        owner: &Owner,
        id: &SandboxId,
        request: CodeRequest,
        cancelled: &CancellationToken,
    ) -> impl Future<Output = Result<Option<CodeAnswer>, SandboxError>> + Send;

    /// Writes a file.
    fn write(
        &self,
        owner: &Owner,
        id: &SandboxId,
        path: &str,
        content: Vec<u8>,
    ) -> impl Future<Output = Result<FileEntry, SandboxError>> + Send;

    /// Reads a file.
    fn read(
        &self,
        owner: &Owner,
        id: &SandboxId,
        path: &str,
    ) -> impl Future<Output = Result<FileRead, SandboxError>> + Send;

    /// Removes a sandbox; false if it was gone.
    fn remove(
        &self,
        owner: &Owner,
        id: &SandboxId,
    ) -> impl Future<Output = Result<bool, SandboxError>> + Send;
}

impl Runner for Sandboxes {
    async fn create(
        &self,
        owner: &Owner,
        request: CreateRequest,
    ) -> Result<SandboxId, SandboxError> {
        let made = Self::create(self, owner, request, None).await?;
        Ok(made.sandbox_id)
    }

    fn list(&self, owner: &Owner) -> Vec<SandboxView> {
        Self::list(self, owner)
    }

    async fn command(
        &self,
        owner: &Owner,
        id: &SandboxId,
        request: ExecRequest,
        cancelled: &CancellationToken,
    ) -> Result<Option<ExecAnswer>, SandboxError> {
        let exec = self.exec(owner, id, request).await?;
        tokio::select! {
            answer = exec.answer() => Ok(Some(answer?)),
            () = cancelled.cancelled() => {
                // It may have ended just now.
                let _ = exec.signal(KILL).await;
                Ok(None)
            }
        }
    }

    async fn code(
        &self,
        owner: &Owner,
        id: &SandboxId,
        request: CodeRequest,
        cancelled: &CancellationToken,
    ) -> Result<Option<CodeAnswer>, SandboxError> {
        // Dropped, it interrupts the code.
        let run = async {
            Ok(Some(
                Self::code(self, owner, id, request).await?.wait().await,
            ))
        };
        tokio::select! {
            answer = run => answer,
            () = cancelled.cancelled() => Ok(None),
        }
    }

    async fn write(
        &self,
        owner: &Owner,
        id: &SandboxId,
        path: &str,
        content: Vec<u8>,
    ) -> Result<FileEntry, SandboxError> {
        let content = stream::iter([Ok(Bytes::from(content))]).boxed();
        self.files(owner, id).await?.write(path, content).await
    }

    async fn read(
        &self,
        owner: &Owner,
        id: &SandboxId,
        path: &str,
    ) -> Result<FileRead, SandboxError> {
        let (_, mut pieces) = self.files(owner, id).await?.read(path).await?;
        let mut content = Vec::new();
        while let Some(piece) = pieces.next().await {
            let piece = piece?;
            // A file may grow while it is read, and its first size may not be true.
            if content.len() + piece.len() > CALL_FILE_BYTES {
                return Ok(FileRead::TooLarge);
            }
            content.extend_from_slice(&piece);
        }
        Ok(FileRead::Whole(content))
    }

    async fn remove(&self, owner: &Owner, id: &SandboxId) -> Result<bool, SandboxError> {
        match Self::remove(self, owner, id).await {
            Err(SandboxError::NotFound(_)) => Ok(false),
            removed => removed,
        }
    }
}
