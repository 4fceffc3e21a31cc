//! Whether a kernel's process responds. One that is stopped, or hangs while nothing runs in it, takes
//! no cells and says why, until it responds again or is restarted. Only a person decides on that: its
//! variables are somebody's work.

use std::sync::{Arc, atomic::Ordering};

use wire::body::Change;

use super::Kernel;
use crate::{
    liveness::{Asked, Looks, Turn},
    proc,
    supervisor::keeper::Keeper,
};

/// Looks that a process at rest has for an answer.
const LOOKS: u32 = 30;

impl Kernel {
    /// What is wrong with a process that doesn't respond; none if it does, or is only busy.
    pub fn silence(&self) -> Option<String> {
        let pid = self
            .pid()
            .filter(|_| self.is_silent.load(Ordering::Relaxed))?;
        let why = if proc::is_stopped(pid) {
            format!("its process {pid} is stopped (kill -CONT {pid} resumes it)")
        } else {
            format!("its process {pid} hangs")
        };
        Some(format!(
            "the kernel {} is not responding: {why}; restart the kernel to start a new one",
            self.name
        ))
    }

    /// Looks at its processes, one after the other, for as long as the kernel is there.
    pub(super) async fn watch(self: Arc<Self>, keeper: Arc<Keeper>, service: String) {
        loop {
            let pid = self.ready(None).await;
            let mut worker = self.worker.clone();
            let mut looks = Looks::new(pid, LOOKS);
            let ask = || -> Asked {
                let kernel = Arc::clone(&self);
                Box::pin(async move { kernel.status().await.is_some() })
            };
            // A cell may hold its interpreter for as long as it likes.
            let is_busy = || self.waiting() > 0 || self.has_job.load(Ordering::Relaxed);
            loop {
                let turn = tokio::select! {
                    _ = worker.wait_for(|now| *now != Some(pid)) => break,
                    turn = looks.next(ask, is_busy) => turn,
                };
                match turn {
                    Turn::Silent => self.set_silent(true),
                    Turn::Answers => self.set_silent(false),
                    Turn::Lost => continue,
                }
                keeper.set_responding(&service, turn == Turn::Answers);
                match self.silence() {
                    Some(problem) => tracing::warn!(kernel = self.name, "{problem}"),
                    None => tracing::info!(kernel = self.name, "the kernel responds again"),
                }
            }
            self.set_silent(false);
        }
    }

    fn set_silent(&self, is_silent: bool) {
        if self.is_silent.swap(is_silent, Ordering::Relaxed) != is_silent {
            self.changes.tell(|| Change::Kernel {
                kernel: self.shown(),
            });
        }
    }
}
