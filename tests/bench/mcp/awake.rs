//! Cores that do not sleep. To wake a sleeping core of a virtual machine takes longer than a whole
//! call, and how long is the hypervisor's doing; what a relay adds is measured without it.

use std::process::{Child, Command, Stdio};

/// One idle-priority loop on each core, which yields to everything else at once.
pub struct Awake(Vec<Child>);

impl Awake {
    pub fn keep() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let start = |core: usize| {
            Command::new("taskset")
                .args(["--cpu-list", &core.to_string()])
                .args(["chrt", "--idle", "0", "sh", "-c", "while :; do :; done"])
                .stdout(Stdio::null())
                .spawn()
                .expect("util-linux is there")
        };
        Self((0..cores).map(start).collect())
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
