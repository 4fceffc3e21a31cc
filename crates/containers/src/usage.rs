//! What a container uses: counters of this moment, and its disk.

use std::time::Instant;

use bollard::{
    models::ContainerStatsResponse,
    query_parameters::{InspectContainerOptionsBuilder, StatsOptionsBuilder},
};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;

use crate::{connect::Engine, error::EngineError};

/// A running container's counters at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usage {
    /// When they were read.
    pub at: Instant,
    /// Processor time since the container's start, over all processors, in nanoseconds.
    pub cpu_ns: u64,
    /// Processors of the engine's host.
    pub cpus: u32,
    /// Memory, without the file cache that could be given back.
    pub memory_bytes: u64,
    /// The most it may be: the container's limit, else the host's memory. 0 where it is not told.
    pub memory_limit_bytes: u64,
    /// Processes and threads.
    pub pids: u64,
    /// The most they may be.
    pub pids_limit: Option<u64>,
}

impl Usage {
    /// Processor use since an earlier moment, 100 for one whole processor. `None` where the
    /// container was started in between, or no time went by.
    #[must_use]
    pub fn cpu_percent_since(&self, earlier: &Self) -> Option<f64> {
        let wall = self.at.checked_duration_since(earlier.at)?.as_secs_f64();
        let used = self.cpu_ns.checked_sub(earlier.cpu_ns)?;
        #[allow(clippy::cast_precision_loss)]
        (wall > 0.0).then(|| used as f64 / 1e9 / wall * 100.0)
    }
}

impl Engine {
    /// What a container uses now; `None` where it does not run.
    ///
    /// # Errors
    /// [`EngineError`] with the engine's words; [`EngineError::is_not_found`] where there is none.
    pub fn usage<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Usage>, EngineError>> {
        Box::pin(async move {
            let options = StatsOptionsBuilder::new()
                .stream(false)
                .one_shot(true)
                .build();
            let mut samples = std::pin::pin!(self.docker.stats(name, Some(options)));
            match samples.next().await {
                None => Ok(None),
                Some(Ok(sample)) => Ok(read(&sample)),
                Some(Err(error)) => Err(EngineError::from_bollard(
                    format!("read the resource usage of {name}"),
                    error,
                )),
            }
        })
    }

    /// Bytes that a container wrote over its image, outside its volumes and mounts. May take
    /// seconds.
    ///
    /// # Errors
    /// As [`usage`](Self::usage).
    pub fn written_bytes<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<u64, EngineError>> {
        Box::pin(async move {
            let options = InspectContainerOptionsBuilder::new().size(true).build();
            let found = self.docker.inspect_container(name, Some(options)).await;
            let found = found.map_err(|error| {
                EngineError::from_bollard(format!("read the disk usage of {name}"), error)
            })?;
            let bytes = found.size_rw.unwrap_or_default();
            Ok(u64::try_from(bytes).unwrap_or_default())
        })
    }
}

fn read(sample: &ContainerStatsResponse) -> Option<Usage> {
    let cpu = sample.cpu_stats.as_ref()?;
    let cpu_ns = cpu.cpu_usage.as_ref()?.total_usage?;
    let memory = sample.memory_stats.as_ref()?;
    // A container that does not run has no memory statistics.
    let used = memory.usage?;
    let cache = memory.stats.as_ref().and_then(|stats| {
        // cgroup v1, v2.
        let names = ["total_inactive_file", "inactive_file"];
        names.iter().find_map(|&name| stats.get(name))
    });
    let pids = sample.pids_stats.as_ref();
    Some(Usage {
        at: Instant::now(),
        cpu_ns,
        cpus: cpu.online_cpus.unwrap_or(1),
        memory_bytes: used.saturating_sub(cache.copied().unwrap_or_default()),
        memory_limit_bytes: memory.limit.unwrap_or_default(),
        pids: pids.and_then(|pids| pids.current).unwrap_or_default(),
        // Where there is none, Docker says 0, or the largest number there is.
        pids_limit: pids
            .and_then(|pids| pids.limit)
            .filter(|&limit| limit != 0 && limit < u64::MAX / 2),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn usage(at: Instant, cpu_ns: u64) -> Usage {
        Usage {
            at,
            cpu_ns,
            cpus: 2,
            memory_bytes: 0,
            memory_limit_bytes: 0,
            pids: 0,
            pids_limit: None,
        }
    }

    #[test]
    fn one_busy_processor_is_a_hundred_percent() {
        let then = Instant::now();
        let now = then + Duration::from_secs(2);
        let percent = usage(now, 5_000_000_000).cpu_percent_since(&usage(then, 3_000_000_000));
        assert_eq!(percent, Some(100.0));
    }

    #[test]
    fn a_container_started_anew_has_no_use_yet() {
        let then = Instant::now();
        let now = then + Duration::from_secs(2);
        assert_eq!(usage(now, 1).cpu_percent_since(&usage(then, 2)), None);
        assert_eq!(usage(then, 2).cpu_percent_since(&usage(then, 2)), None);
    }

    #[test]
    fn the_file_cache_does_not_count() {
        let sample = serde_json::json!({
            "cpu_stats": {"cpu_usage": {"total_usage": 7}, "online_cpus": 2},
            "memory_stats": {"usage": 100, "limit": 1000, "stats": {"inactive_file": 40}},
            "pids_stats": {"current": 3, "limit": u64::MAX},
        });
        let usage = read(&serde_json::from_value(sample).unwrap()).unwrap();
        assert_eq!((usage.memory_bytes, usage.memory_limit_bytes), (60, 1000));
        assert_eq!((usage.pids, usage.pids_limit), (3, None));
        let stopped =
            serde_json::json!({"cpu_stats": {"cpu_usage": {"total_usage": 0}}, "memory_stats": {}});
        assert_eq!(read(&serde_json::from_value(stopped).unwrap()), None);
    }
}
