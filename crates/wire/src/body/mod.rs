//! Requests and answers of the machine's API beside cells and commands: kernels,
//! questions about a namespace, services, snapshots, what changed.

mod cells;
mod comms;
mod cryo;
mod kernels;
mod services;
mod shell;

pub use self::{cells::*, comms::*, cryo::*, kernels::*, services::*, shell::*};

use serde::{Deserialize, Serialize};

wire! {
    /// It was done.
    #[derive(Copy, Eq)]
    pub struct Completed {
        /// Always `completed`.
        pub status: CompletedWord,
    }

    /// The word that says so.
    #[derive(Copy, Eq, Default)]
    #[serde(rename_all = "snake_case")]
    pub enum CompletedWord {
        /// It was done.
        #[default]
        Completed,
    }

    /// Answer of `GET /ping`.
    pub struct PingAnswer {
        /// Always `ok`.
        pub status: String,
        /// Version of the body.
        pub version: String,
    }

    /// One event of `GET /events`: what became stale.
    #[derive(Eq)]
    #[serde(tag = "topic", rename_all = "snake_case")]
    pub enum Change {
        /// A service stands elsewhere.
        Service {
            /// How it stands now.
            service: ServiceStatus,
        },
        /// A kernel does something else.
        Kernel {
            /// What it does now.
            kernel: KernelShown,
        },
        /// A kernel was ended for good.
        KernelEnded {
            /// Its name.
            name: String,
        },
        /// A command or a terminal began or ended. Cells are told of with their kernel.
        Jobs,
        /// A run of evolve is asked for, goes on, or ended.
        Evolve {
            /// The run.
            run_id: String,
        },
        /// A snapshot was stored or removed.
        Cryo {
            /// Its name.
            name: String,
        },
        /// A call for a sandbox waits for a host, or nobody waits for it any more.
        SandboxCalls,
        /// Mouse and keyboard of the desktop were taken over, or given back.
        Takeover {
            /// How it is now.
            takeover: Takeover,
        },
        /// So many events were missed: fetch what matters anew.
        Missed {
            /// How many.
            #[cfg_attr(feature = "ts", ts(type = "number"))]
            count: u64,
        },
    }

    /// Whether the person has mouse and keyboard of the desktop for themselves: `GET /takeover`, and
    /// the answer of `POST /takeover`.
    #[derive(Eq, Default)]
    pub struct Takeover {
        /// Then tools of an AI may look and not touch.
        pub on: bool,
        /// Who took them, where they said so.
        pub by: Option<String>,
        /// Since when it is so, in Unix milliseconds; none where it was never otherwise.
        #[cfg_attr(feature = "ts", ts(type = "number | null"))]
        pub since_ms: Option<u64>,
    }

    /// `POST /takeover`.
    #[derive(Eq, Default)]
    pub struct TakeoverRequest {
        /// Take them, or give them back.
        pub on: bool,
        /// Who.
        #[serde(default)]
        #[cfg_attr(feature = "ts", ts(optional))]
        pub by: Option<String>,
    }
}
