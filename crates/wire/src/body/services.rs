//! What the supervisor runs.

use serde::{Deserialize, Serialize};

wire! {
    /// How a service stands, in `GET /services`.
    #[derive(Copy, Eq)]
    #[serde(tag = "state", rename_all = "snake_case")]
    pub enum ServiceState {
        /// What it needs is not ready yet.
        Waiting,
        /// It runs and is not ready yet.
        Starting {
            /// Process id.
            pid: i32,
            /// Since when, in Unix milliseconds.
            #[cfg_attr(feature = "ts", ts(type = "number"))]
            since_ms: u64,
        },
        /// It runs and is ready.
        Ready {
            /// Process id.
            pid: i32,
            /// Since when it runs, in Unix milliseconds.
            #[cfg_attr(feature = "ts", ts(type = "number"))]
            since_ms: u64,
        },
        /// It runs, and does not respond: it is stopped, or hangs.
        Unresponsive {
            /// Process id.
            pid: i32,
            /// Since when it runs, in Unix milliseconds.
            #[cfg_attr(feature = "ts", ts(type = "number"))]
            since_ms: u64,
        },
        /// It ended and starts again.
        Backoff {
            /// After how long.
            #[cfg_attr(feature = "ts", ts(type = "number"))]
            retry_in_ms: u64,
        },
    }

    /// A service's line in `GET /services`.
    #[derive(Eq)]
    pub struct ServiceStatus {
        /// Its name.
        pub name: String,
        /// Where it stands.
        #[serde(flatten)]
        pub state: ServiceState,
        /// How often it was started again.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub restarts: u64,
        /// How it ended last: exit code, or 128 + the signal.
        pub last_exit: Option<i32>,
    }

    /// Answer of `GET /services`.
    #[derive(Eq)]
    pub struct ServiceList {
        /// In the order of their start.
        pub services: Vec<ServiceStatus>,
    }

    /// Answer of `GET /services/{name}/logs`.
    #[derive(Eq)]
    pub struct LogPage {
        /// What stands from `after` on.
        pub text: String,
        /// Byte that comes next: the `after` of the next question.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub next: u64,
        /// Bytes before the text that were rotated away, or are more than one answer holds.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub skipped_bytes: u64,
    }
}
