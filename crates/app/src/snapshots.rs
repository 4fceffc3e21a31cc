//! Stored namespaces of the machine's kernels.

use wire::{
    body::{CryoReloaded, CryoStored, Snapshot, SnapshotList},
    commands::{Nothing, SnapshotName, SnapshotRequest},
    failure::Failure,
    routes::{ListSnapshots, ReloadNamespace, RemoveSnapshot, ShowSnapshot, StoreNamespace},
};

use crate::MachineHandle;

impl MachineHandle {
    pub(crate) async fn snapshot_list(&self, _: Nothing) -> Result<SnapshotList, Failure> {
        self.call::<ListSnapshots>((), &()).await
    }

    pub(crate) async fn snapshot_store(
        &self,
        request: SnapshotRequest,
    ) -> Result<CryoStored, Failure> {
        self.call::<StoreNamespace>((), &request.into()).await
    }

    pub(crate) async fn snapshot_reload(
        &self,
        request: SnapshotRequest,
    ) -> Result<CryoReloaded, Failure> {
        self.call::<ReloadNamespace>((), &request.into()).await
    }

    pub(crate) async fn snapshot_show(&self, request: SnapshotName) -> Result<Snapshot, Failure> {
        self.call::<ShowSnapshot>(request.name, &()).await
    }

    pub(crate) async fn snapshot_remove(&self, request: SnapshotName) -> Result<Nothing, Failure> {
        self.call::<RemoveSnapshot>(request.name, &()).await?;
        Ok(Nothing {})
    }
}
