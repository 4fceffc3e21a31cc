//! Started sandboxes that wait.

use serde::{Deserialize, Serialize};

use super::{NetworkMode, SandboxLimits};

/// `GET /pool`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PoolView {
    /// One for each shape that is kept.
    pub shapes: Vec<PoolShape>,
    /// Sandboxes that were ready when they were asked for.
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub hits: u64,
    /// Sandboxes that had to be started first.
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub misses: u64,
    /// Whether the pool is empty because memory is short.
    pub under_pressure: bool,
}

/// Started sandboxes of one kind, that wait.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PoolShape {
    /// Image.
    pub image: String,
    /// Limits.
    pub limits: SandboxLimits,
    /// Network.
    pub network: NetworkMode,
    /// How many are kept.
    pub size: u32,
    /// How many wait now.
    pub ready: u32,
    /// How many are being started.
    pub starting: u32,
    /// Sandboxes of this shape that were ready when they were asked for.
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub hits: u64,
    /// Sandboxes of this shape that had to be started first.
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub misses: u64,
    /// Why none can be started, in a sentence.
    pub failure: Option<String>,
}
