//! By what a file is known to be unchanged without reading it.

use rustix::fs::Stat;

/// Device, inode, size and times of a file. The time of the last change (`ctime`) can't be set by
/// whoever writes to the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Number of the file system.
    pub device: u64,
    /// Number of the file in it.
    pub inode: u64,
    /// Bytes.
    pub size: u64,
    /// When its content changed last, in Unix nanoseconds.
    pub modified_ns: i128,
    /// When it changed last in any way, in Unix nanoseconds.
    pub changed_ns: i128,
}

impl Stamp {
    /// What the system says of a file.
    // The widths of these fields differ between systems.
    #[allow(clippy::unnecessary_cast, clippy::cast_sign_loss)]
    pub fn of(found: &Stat) -> Self {
        let ns = |seconds: i64, ns: i64| i128::from(seconds) * 1_000_000_000 + i128::from(ns);
        Self {
            device: found.st_dev as u64,
            inode: found.st_ino as u64,
            size: found.st_size as u64,
            modified_ns: ns(found.st_mtime as i64, found.st_mtime_nsec as i64),
            changed_ns: ns(found.st_ctime as i64, found.st_ctime_nsec as i64),
        }
    }

    /// Whether a change after this time, in Unix nanoseconds, would have another stamp: clocks of
    /// file systems tick slowly.
    pub fn is_settled_at(&self, now_ns: i128) -> bool {
        const TICK_NS: i128 = 2_000_000_000;
        self.changed_ns + TICK_NS < now_ns
    }
}
