//! What the machine uses now, and of the disk.

use wire::{
    commands::Nothing,
    failure::Failure,
    machine::{MachineDisk, MachineStats},
};

use crate::MachineHandle;

impl MachineHandle {
    pub(crate) async fn machine_stats(&self, _: Nothing) -> Result<MachineStats, Failure> {
        let machine = self.machine()?;
        let usage = machine.usage(&self.connect().await?).await?;
        let last = self.inner.last_usage.lock().replace(usage);
        let limit = machine.spec().limits.cpus;
        Ok(MachineStats {
            cpu_percent: last.and_then(|last| usage.cpu_percent_since(&last)),
            cpus: if limit > 0.0 {
                limit
            } else {
                f64::from(usage.cpus)
            },
            memory_bytes: usage.memory_bytes,
            memory_limit_bytes: usage.memory_limit_bytes,
            pids: usage.pids,
            pids_limit: usage.pids_limit,
        })
    }

    pub(crate) async fn machine_disk(&self, _: Nothing) -> Result<MachineDisk, Failure> {
        Ok(self.machine()?.disk(&self.connect().await?).await?)
    }
}
