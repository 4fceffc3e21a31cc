//! The shell's folder and environment.

use serde::{Deserialize, Serialize};

use super::CompletedWord;

wire! {
    /// `POST /shell/cd`.
    #[derive(Eq)]
    pub struct CdRequest {
        /// Absolute, or from the folder where the shell is.
        pub path: String,
    }

    /// Answer of `POST /shell/cd`.
    #[derive(Eq)]
    pub struct CdAnswer {
        /// Always `completed`.
        pub status: CompletedWord,
        /// The folder.
        pub cwd: String,
    }

    /// `POST /shell/env`.
    #[derive(Eq)]
    pub struct EnvRequest {
        /// Name of the variable.
        pub key: String,
        /// Its value.
        pub value: String,
    }
}
