//! What the sandbox uses, from its control group: version 2, or 1 on older systems.

use frames::{
    Name,
    message::{FolderUsage, Usage},
};
use rustix::fs::{stat, statvfs};

use crate::files::{Roots, roots::os};

/// A limit of version 1 that means that there is none.
const NO_LIMIT: u64 = 1 << 62;

/// What is used now.
pub fn usage(roots: &Roots) -> Usage {
    let group = "/sys/fs/cgroup";
    let number = |paths: [&str; 2]| {
        let texts = paths
            .iter()
            .map(|path| std::fs::read_to_string(format!("{group}/{path}")));
        texts
            .flatten()
            .find_map(|text| text.trim().parse::<u64>().ok())
    };
    let limit = number(["memory.max", "memory/memory.limit_in_bytes"]);
    let cpu_ns = number(["cpuacct/cpuacct.usage", "cpu,cpuacct/cpuacct.usage"]);
    let network = std::fs::read_to_string("/proc/net/dev").ok();
    let network = network.as_deref().and_then(network_of);
    Usage {
        memory_bytes: number(["memory.current", "memory/memory.usage_in_bytes"]),
        memory_limit_bytes: limit.filter(|limit| *limit < NO_LIMIT),
        cpu_us: cpu_time(group).or(cpu_ns.map(|ns| ns / 1000)),
        pids: number(["pids.current", "pids/pids.current"]),
        received_bytes: network.map(|(received, _)| received),
        sent_bytes: network.map(|(_, sent)| sent),
        folders: folders(roots),
    }
}

/// What came in and went out over all interfaces but loopback, as `/proc/net/dev` counts it.
fn network_of(table: &str) -> Option<(u64, u64)> {
    let mut all = (0_u64, 0_u64);
    // Two lines of headings come first.
    for line in table.lines().skip(2) {
        let (name, numbers) = line.split_once(':')?;
        if name.trim() == "lo" {
            continue;
        }
        let mut numbers = numbers.split_ascii_whitespace();
        let received: u64 = numbers.next()?.parse().ok()?;
        let sent: u64 = numbers.nth(7)?.parse().ok()?;
        all = (all.0.saturating_add(received), all.1.saturating_add(sent));
    }
    Some(all)
}

fn cpu_time(group: &str) -> Option<u64> {
    let text = std::fs::read_to_string(format!("{group}/cpu.stat")).ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("usage_usec "))?;
    line.trim().parse().ok()
}

fn folders(roots: &Roots) -> Vec<FolderUsage> {
    let mut seen = Vec::new();
    let mut folders = Vec::new();
    for path in roots.paths() {
        let (Ok(about), Ok(found)) = (stat(os(&path)), statvfs(os(&path))) else {
            continue;
        };
        // Several folders may lie on one file system.
        if seen.contains(&about.st_dev) {
            continue;
        }
        seen.push(about.st_dev);
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        folders.push(FolderUsage {
            path: Name(path),
            used_bytes: bytes(found.f_blocks.saturating_sub(found.f_bfree)),
            size_bytes: bytes(found.f_blocks),
        });
    }
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "Inter-|   Receive                                                |  Transmit\n face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n";

    #[test]
    fn all_that_is_not_loopback_is_counted() {
        let rows = "    lo:  900       9    0    0    0     0          0         0      900       9    0    0    0     0       0          0\n  eth0: 1500      10    1    2    3     4          5         6      700       8    0    0    0     0       0          0\n  eth1:1 1 0 0 0 0 0 0 2 1 0 0 0 0 0 0\n";
        assert_eq!(network_of(&format!("{HEAD}{rows}")), Some((1501, 702)));
        let (loopback, _) = rows.split_once('\n').unwrap();
        assert_eq!(network_of(&format!("{HEAD}{loopback}\n")), Some((0, 0)));
    }

    #[test]
    fn what_cannot_be_read_is_not_known() {
        assert_eq!(network_of(&format!("{HEAD}eth0: 1 2 3\n")), None);
        assert_eq!(network_of(&format!("{HEAD}eth0 1 2 3\n")), None);
    }
}
