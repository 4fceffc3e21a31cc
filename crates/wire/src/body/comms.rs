//! Comms: what widgets and their clients say to each other.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

wire! {
    /// What kind of message a comm gets.
    #[derive(Copy, Eq, Default)]
    #[serde(rename_all = "snake_case")]
    pub enum CommKind {
        /// The comm begins.
        CommOpen,
        /// Something is said.
        #[default]
        CommMsg,
        /// The comm ends.
        CommClose,
    }

    /// `POST /comms/{id}`: a message for a comm, with the parts of Jupyter's.
    #[derive(Default)]
    #[serde(default)]
    pub struct CommRequest {
        /// As Jupyter's `content.data`.
        pub data: BTreeMap<String, Value>,
        /// As Jupyter's.
        pub metadata: BTreeMap<String, Value>,
        /// Base64.
        pub buffers: Vec<String>,
        /// `main` where left out.
        pub kernel: Option<String>,
        /// Seconds that the comm may take; none means no limit.
        pub timeout_s: Option<f64>,
    }

    /// `POST /comms`: opens a comm in the kernel.
    pub struct CommOpen {
        /// The client's own, unique.
        pub comm_id: String,
        /// What opens comms in the kernel, such as `jupyter.widget.control`.
        pub target_name: String,
        /// The message itself.
        #[serde(flatten)]
        pub message: CommRequest,
    }

    /// A comm that is open.
    #[derive(Eq)]
    pub struct CommShown {
        /// Its id.
        pub comm_id: String,
        /// What it was opened for.
        pub target_name: String,
    }

    /// Answer of `GET /comms`.
    #[derive(Eq)]
    pub struct CommList {
        /// In the order in which they were opened.
        pub comms: Vec<CommShown>,
    }
}
