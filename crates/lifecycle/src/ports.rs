//! Whether a machine's ports are free, and who holds one that is not: best effort, for a clear
//! sentence.

use containers::{Engine, EngineError};

use crate::{error::LifecycleError, machine::Machine};

impl Machine {
    /// The first of its ports that something holds; `held` are the machine's own now. The engine
    /// would name any one of them.
    pub(crate) fn taken_port(&self, engine: &Engine, held: &[u16]) -> Option<u16> {
        // Inside, the ports of this computer are not ours to look at.
        if self.self_container.is_some() || !engine.info().endpoint.starts_with("unix://") {
            return None;
        }
        let is_taken = |port: &u16| {
            *port != 0
                && !held.contains(port)
                && std::net::TcpListener::bind(("127.0.0.1", *port)).is_err()
        };
        self.spec.ports.all().into_iter().find(is_taken)
    }

    pub(crate) async fn port_taken(
        &self,
        engine: &Engine,
        port: u16,
        source: Option<EngineError>,
    ) -> LifecycleError {
        LifecycleError::PortTaken {
            port,
            holder: port_holder(Some(engine), port).await,
            found: self.is_found_port(port),
            source,
        }
    }
}

/// Who holds a port of this computer: a container of the engine, if there is one, or a process.
pub async fn port_holder(engine: Option<&Engine>, port: u16) -> Option<String> {
    if let Some(engine) = engine
        && let Ok(Some(container)) = engine.port_holder(port).await
    {
        return Some(format!("the container {container}"));
    }
    listening_process(port)
}

/// The process that listens on a TCP port, as `name (pid 123)`. Linux only; needs the
/// right to look into that process.
pub(crate) fn listening_process(port: u16) -> Option<String> {
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .find_map(|table| listening_inode(&std::fs::read_to_string(table).ok()?, port))?;
    let wanted = format!("socket:[{inode}]");
    for process in std::fs::read_dir("/proc").ok()?.flatten() {
        let pid = process.file_name();
        let Some(pid) = pid
            .to_str()
            .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
        else {
            continue;
        };
        let Ok(files) = std::fs::read_dir(process.path().join("fd")) else {
            continue;
        };
        let holds = |file: std::fs::DirEntry| {
            std::fs::read_link(file.path())
                .is_ok_and(|target| target.as_os_str() == wanted.as_str())
        };
        if files.flatten().any(holds) {
            return pid.parse().ok().map(self::process);
        }
    }
    Some("another process".into())
}

/// A process for people: `name (pid 123)`, where its name can be read.
pub(crate) fn process(pid: u32) -> String {
    match std::fs::read_to_string(format!("/proc/{pid}/comm")) {
        Ok(name) => format!("{} (pid {pid})", name.trim()),
        Err(_) => format!("another process (pid {pid})"),
    }
}

/// Socket inode of the listener on `port` in the text of `/proc/net/tcp`.
fn listening_inode(table: &str, port: u16) -> Option<u64> {
    const LISTEN: &str = "0A";
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (_, local) = fields.get(1)?.rsplit_once(':')?;
        let listens =
            fields.get(3) == Some(&LISTEN) && u16::from_str_radix(local, 16).ok()? == port;
        listens.then(|| fields.get(9)?.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_ourselves() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let holder = listening_process(listener.local_addr().unwrap().port()).unwrap();
        assert!(
            holder.contains(&format!("(pid {})", std::process::id())),
            "{holder}"
        );
    }
}
