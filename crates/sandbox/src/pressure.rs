//! Whether this computer is short of memory, so that nothing should wait in it for later use.

use std::fs;

/// Below this share of the memory, or below this much, memory is short.
const SHORT_PERCENT: u64 = 10;
const SHORT_BYTES: u64 = 512 << 20;
/// It is no longer so above this multiple of it: else the pool would come and go.
const ENOUGH: u64 = 2;

/// Memory of this computer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Memory {
    total: u64,
    available: u64,
}

impl Memory {
    /// As the kernel tells it; `None` if it doesn't.
    pub(crate) fn read() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/meminfo").ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
            Some(kilobytes << 10)
        };
        Some(Self {
            total: field("MemTotal:")?,
            available: field("MemAvailable:")?,
        })
    }

    /// Whether it is short, if it was so before.
    pub(crate) fn is_short(self, was_short: bool) -> bool {
        // A small computer is not short of memory by being small.
        let least = (self.total * SHORT_PERCENT / 100).min(SHORT_BYTES);
        self.available < least * if was_short { ENOUGH } else { 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_short_until_there_is_plenty_again() {
        let text = "MemTotal:        4096000 kB\nMemFree: 1 kB\nMemAvailable:     300000 kB\n";
        let memory = Memory::parse(text).unwrap();
        assert!(memory.is_short(false));
        let more = Memory {
            available: 500 << 20,
            ..memory
        };
        assert!(!more.is_short(false));
        assert!(more.is_short(true));
        let plenty = Memory {
            available: 2 << 30,
            ..memory
        };
        assert!(!plenty.is_short(true));
        assert!(Memory::read().is_some());
    }
}
