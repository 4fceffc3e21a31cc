//! Why something isn't carried out, as the host is told.

use frames::message::{Event, RefusalCode};
use rustix::io::Errno;

/// A request that fails, and nothing else with it.
#[derive(Debug)]
pub struct Refusal {
    pub code: RefusalCode,
    pub message: String,
}

impl Refusal {
    pub fn new(code: RefusalCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

impl From<Refusal> for Event {
    fn from(refusal: Refusal) -> Self {
        Self::Refused {
            code: refusal.code,
            message: refusal.message,
        }
    }
}

impl From<Errno> for Refusal {
    fn from(error: Errno) -> Self {
        std::io::Error::from(error).into()
    }
}

impl From<std::io::Error> for Refusal {
    fn from(error: std::io::Error) -> Self {
        Self::new(code(&error), error.to_string())
    }
}

fn code(error: &std::io::Error) -> RefusalCode {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::NotFound => RefusalCode::NotFound,
        ErrorKind::AlreadyExists => RefusalCode::Exists,
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => RefusalCode::Permission,
        ErrorKind::NotADirectory => RefusalCode::NotAFolder,
        ErrorKind::IsADirectory => RefusalCode::NotAFile,
        ErrorKind::DirectoryNotEmpty => RefusalCode::NotEmpty,
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => RefusalCode::NoSpace,
        ErrorKind::InvalidInput | ErrorKind::InvalidFilename => RefusalCode::Invalid,
        ErrorKind::CrossesDevices => RefusalCode::Unsupported,
        ErrorKind::OutOfMemory => RefusalCode::Limit,
        _ => match error.raw_os_error().map(Errno::from_raw_os_error) {
            // A link that leads to itself, or one of `/proc` that leads anywhere.
            Some(Errno::LOOP) => RefusalCode::Invalid,
            // Processes, descriptors.
            Some(Errno::AGAIN | Errno::MFILE | Errno::NFILE) => RefusalCode::Limit,
            _ => RefusalCode::Io,
        },
    }
}
