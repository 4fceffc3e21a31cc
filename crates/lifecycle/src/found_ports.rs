//! Ports that a machine's spec leaves open (0): found once, kept in the machine's folder, and tried
//! again for each container after that, so that addresses which people wrote down go on working.

use std::{collections::BTreeMap, net::TcpListener, path::PathBuf};

use containers::{ContainerSpec, Engine};
use rand::RngExt;

use crate::{
    error::LifecycleError,
    evolve::{read_json, write_json},
    machine::Machine,
    plan::PORTS,
};

/// Where ports are looked for: below those that systems give to outgoing connections, which could
/// take one while the machine is stopped.
const RANGE: std::ops::Range<u16> = 20_000..32_000;
/// How often another port is tried.
const TRIES: u32 = 100;

/// A port of this computer for each port of the machine.
type Found = BTreeMap<u16, u16>;

impl Machine {
    fn found_ports_file(&self) -> PathBuf {
        let folder = self.paths.machine_dir(&self.names.machine);
        folder.join("found_ports.json")
    }

    /// Ports that were found before. A file that can't be read costs the addresses only.
    fn found_ports(&self) -> Found {
        read_json(&self.found_ports_file())
            .unwrap_or_else(|error| {
                tracing::warn!(%error, "the ports of this machine can't be read");
                None
            })
            .unwrap_or_default()
    }

    /// Puts ports into the plan that the spec leaves open: those that the machine has `now`, else
    /// those that were found before, else free ones. An engine elsewhere finds them itself, as this
    /// computer can't see what is free there.
    pub(crate) fn find_ports(&self, engine: &Engine, plan: &mut ContainerSpec, now: &Found) {
        if self.self_container.is_some() || !engine.info().endpoint.starts_with("unix://") {
            return;
        }
        let before = self.found_ports();
        let mut taken: Vec<u16> = plan.ports.iter().map(|port| port.host).collect();
        for port in plan.ports.iter_mut().filter(|port| port.host == 0) {
            let known = now.get(&port.container).copied();
            let known = known.or_else(|| before.get(&port.container).copied().filter(is_free));
            port.host = known
                .filter(|known| !taken.contains(known))
                .or_else(|| free_port(&taken))
                .unwrap_or(0);
            taken.push(port.host);
        }
    }

    /// Keeps the ports that its container has, where the spec leaves them open.
    pub(crate) async fn keep_ports(&self, engine: &Engine) -> Result<(), LifecycleError> {
        if self.self_container.is_some() {
            return Ok(());
        }
        let Some(container) = self.ours(engine).await? else {
            return Ok(());
        };
        let mut found = container.ports;
        let open = self.open_ports();
        found.retain(|inside, _| open.contains(inside));
        if found.is_empty() || found == self.found_ports() {
            return Ok(());
        }
        write_json(&self.found_ports_file(), &found)
    }

    /// Whether this port of the computer is one that was found, and not one that the spec names.
    pub(crate) fn is_found_port(&self, port: u16) -> bool {
        !self.spec.ports.all().contains(&port) && !self.open_ports().is_empty()
    }

    /// Ports of the machine for which the spec names none of this computer.
    fn open_ports(&self) -> Vec<u16> {
        PORTS
            .into_iter()
            .zip(self.spec.ports.all())
            .filter(|(_, host)| *host == 0)
            .map(|(inside, _)| inside)
            .collect()
    }
}

fn is_free(port: &u16) -> bool {
    TcpListener::bind(("127.0.0.1", *port)).is_ok()
}

/// A free port that isn't one of these; `None` if there seems to be none.
fn free_port(but: &[u16]) -> Option<u16> {
    let mut random = rand::rng();
    (0..TRIES)
        .map(|_| random.random_range(RANGE))
        .find(|port| !but.contains(port) && is_free(port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_port_is_free_and_none_of_the_others() {
        let port = free_port(&[]).unwrap();
        assert!(RANGE.contains(&port));
        let held = TcpListener::bind(("127.0.0.1", port)).unwrap();
        assert!(!is_free(&port));
        drop(held);
        assert_ne!(free_port(&[port]), Some(port));
    }
}
