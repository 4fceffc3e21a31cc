//! Whether a machine's programs may use sandboxes: its spec says so, and the MCP server `sandbox` inside
//! is on or off accordingly, so that its tools are in a client's list only if they work.

use std::time::Duration;

use lifecycle::{Machine, Machines, SandboxesSpec};
use machine_client::{Client, Request, segment};
use wire::{
    commands::Nothing,
    failure::Failure,
    inspector::{McpOrder, McpServerName, McpServerOrder},
    mcp::{McpServerShown, McpSource},
    sandbox::SandboxView,
    sandbox_call::{SandboxAccess, SandboxAccessState},
};

use crate::{MachineHandle, serve::Running};

/// Name of the machine's server.
const SERVER: &str = "sandbox";
/// How long another process may take to say which sandboxes it has, and the most that it says.
const ELSEWHERE: Duration = Duration::from_secs(2);
const ANSWER_BYTES: usize = 1 << 20;

impl MachineHandle {
    /// What the machine may do, and the sandboxes that it uses now.
    pub(crate) async fn sandbox_access_get(
        &self,
        _: Nothing,
    ) -> Result<SandboxAccessState, Failure> {
        let machine = self.machine()?;
        Ok(SandboxAccessState {
            access: self.sandbox_access(&machine),
            sandboxes: self.all_sandboxes_of(&machine).await,
        })
    }

    /// Allows or denies it, from now on.
    pub(crate) async fn sandbox_access_set(
        &self,
        access: SandboxAccess,
    ) -> Result<SandboxAccessState, Failure> {
        let spec = SandboxesSpec {
            allowed: access.allowed,
            network: access.network,
        };
        Machines::of(&self.inner.options).allow_sandboxes(self.name(), spec)?;
        // A machine that doesn't run hears it when it runs again.
        let turned = self.turn_sandbox_server(access.allowed, true).await;
        if let Err(failure) = turned {
            tracing::debug!(%failure, "the machine's server {SERVER} was not turned on or off");
        }
        self.sandbox_access_get(Nothing {}).await
    }

    pub(crate) fn sandbox_access(&self, machine: &Machine) -> SandboxAccess {
        let spec = machine.spec().sandboxes;
        SandboxAccess {
            allowed: spec.allowed,
            network: spec.network,
        }
    }

    /// Those of this process, and those of `vivarium serve` if that is another one.
    async fn all_sandboxes_of(&self, machine: &Machine) -> Vec<SandboxView> {
        let mut all = self.sandboxes_of(machine);
        if let Some(running) = Running::find(&machine.paths().data_dir)
            && running.pid != std::process::id()
        {
            let asked = tokio::time::timeout(ELSEWHERE, elsewhere(&running, self.name())).await;
            all.extend(asked.ok().flatten().unwrap_or_default());
        }
        all
    }

    /// Those of this process.
    fn sandboxes_of(&self, machine: &Machine) -> Vec<SandboxView> {
        let started = self.inner.sandboxes.started();
        let sandboxes = started.and_then(|service| service.sandboxes().ok());
        let owner = crate::sandboxes::machine_owner(machine.id());
        let mut mine = sandboxes.map_or_else(Vec::new, |sandboxes| sandboxes.list(&owner));
        mine.retain(crate::sandboxes::is_living);
        mine
    }

    /// Removes the sandboxes of a machine that is deleted: the next one of its name is another machine.
    pub(crate) async fn end_sandboxes(&self, machine: &Machine) {
        let started = self.inner.sandboxes.started();
        let Some(sandboxes) = started.and_then(|service| service.sandboxes().ok()) else {
            return;
        };
        let owner = crate::sandboxes::machine_owner(machine.id());
        for view in self.sandboxes_of(machine) {
            if let Err(error) = sandboxes.remove(&owner, &view.sandbox_id).await {
                tracing::warn!(id = %view.sandbox_id, %error, "a deleted machine's sandbox could not be removed; it ends when its time is over");
            }
        }
    }

    /// Turns the machine's server on or off as the spec says.
    pub(crate) async fn tune_sandbox_server(&self) -> Result<(), Failure> {
        let machine = self.machine()?;
        let allowed = self.sandbox_access(&machine).allowed;
        self.turn_sandbox_server(allowed, false).await
    }

    /// Turns the machine's server on or off. One that somebody turned off inside stays so, unless the
    /// owner has just said otherwise.
    async fn turn_sandbox_server(&self, on: bool, is_new: bool) -> Result<(), Failure> {
        let list = self.mcp_servers(Nothing {}).await?;
        let server = list.servers.iter().find(|server| server.name == SERVER);
        let name = SERVER.to_owned();
        match server.and_then(|server| turn(server, on, is_new)) {
            Some(Turn::On) => {
                let order = McpOrder::Enable;
                self.mcp_server_order(McpServerOrder { name, order })
                    .await?;
            }
            Some(Turn::Off) => {
                self.mcp_server_remove(McpServerName { name }).await?;
            }
            None => {}
        }
        Ok(())
    }
}

/// The sandboxes of a machine that another process has; `None` if that one can't be asked.
async fn elsewhere(running: &Running, machine: &str) -> Option<Vec<SandboxView>> {
    let client = Client::tcp(running.port, Some(running.token.reveal())).ok()?;
    let path = format!("/machines/{}/rpc/sandbox_access_get", segment(machine));
    let request = Request::post(&path, b"{}".to_vec());
    let state: SandboxAccessState = client.ask(request, ANSWER_BYTES).await.ok()?;
    Some(state.sandboxes)
}

/// What is to be done with the machine's server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// It is turned on.
    On,
    /// What turned it on is taken back, so that it is off as in a new machine.
    Off,
}

/// What is to be done so that it is on or off; nothing with one that is called so and isn't the machine's
/// own.
fn turn(server: &McpServerShown, on: bool, is_new: bool) -> Option<Turn> {
    let is_own = server.entry.args == [SERVER]
        && server.entry.command.as_deref() == Some("/usr/local/bin/body");
    let was_turned_off = !server.enabled && server.source != McpSource::Builtin;
    if !is_own || server.enabled == on || (was_turned_off && !is_new) {
        return None;
    }
    Some(if on { Turn::On } else { Turn::Off })
}

#[cfg(test)]
mod tests {
    use wire::mcp::McpServerEntry;

    use super::*;

    fn server(source: McpSource, enabled: bool) -> McpServerShown {
        McpServerShown {
            name: SERVER.into(),
            source,
            enabled,
            entry: McpServerEntry {
                command: Some("/usr/local/bin/body".into()),
                args: vec![SERVER.into()],
                ..Default::default()
            },
        }
    }

    #[test]
    fn the_server_is_on_as_the_owner_says_and_off_if_somebody_inside_turned_it_off() {
        let (builtin, data) = (McpSource::Builtin, McpSource::Data);
        for (source, enabled, on, is_new, expected) in [
            (builtin, false, true, false, Some(Turn::On)),
            (builtin, false, false, false, None),
            (data, true, true, false, None),
            (data, true, false, false, Some(Turn::Off)),
            // Turned off inside: left alone, until the owner says it again.
            (data, false, true, false, None),
            (data, false, true, true, Some(Turn::On)),
        ] {
            let found = turn(&server(source, enabled), on, is_new);
            assert_eq!(found, expected, "{source:?} {enabled} {on} {is_new}");
        }
    }

    #[test]
    fn another_server_of_that_name_is_left_alone() {
        let mut other = server(McpSource::Data, false);
        other.entry.command = Some("/root/mine".into());
        assert_eq!(turn(&other, true, true), None);
    }
}
