//! What was freed goes back to the system: after a flood of output the allocator's heap is full of
//! holes, and by itself it gives back only what lies at its end.

use std::time::Duration;

use nix::unistd::{SysconfVar, sysconf};
use tokio_util::sync::CancellationToken;

/// A reserve of this size is worth more than the work of giving it back.
const WORTH: usize = 16 << 20;
const LOOK_EVERY: Duration = Duration::from_secs(15);

/// Looks from time to time what lies idle, and gives it back; until `stop`.
pub async fn give_back(stop: CancellationToken) {
    // What a trim leaves, and what we hold beside the heap.
    let mut least = usize::MAX;
    while stop
        .run_until_cancelled(tokio::time::sleep(LOOK_EVERY))
        .await
        .is_some()
    {
        let now = idle();
        if now > least.saturating_add(WORTH) {
            trim();
            least = idle();
        } else {
            least = least.min(now);
        }
    }
}

/// Bytes that this process holds and that nobody asked the allocator for.
fn idle() -> usize {
    resident().saturating_sub(allocated())
}

/// Bytes of memory that this process holds; 0 where that can't be read.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split_whitespace().nth(1);
    pages.map_or(0, |pages| pages.parse().unwrap_or(0) * page())
}

/// Bytes of a page; some processors have larger ones than 4 KiB.
fn page() -> usize {
    let told = sysconf(SysconfVar::PAGE_SIZE).ok().flatten();
    told.and_then(|bytes| bytes.try_into().ok()).unwrap_or(4096)
}

#[allow(unsafe_code)]
fn allocated() -> usize {
    // SAFETY: it takes the allocator's own locks, and only counts.
    let told = unsafe { nix::libc::mallinfo2() };
    told.uordblks + told.hblkhd
}

#[allow(unsafe_code)]
fn trim() {
    // SAFETY: it takes the allocator's own locks, and moves nothing that is in use.
    unsafe { nix::libc::malloc_trim(0) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_freed_between_what_is_kept_is_given_back() {
        let mut all: Vec<Vec<u8>> = (0..6144).map(|_| vec![1; 32 << 10]).collect();
        let mut number = 0;
        all.retain(|_| {
            number += 1;
            number % 64 == 0
        });
        let full = idle();
        trim();
        let left = idle();
        assert!(left + (96 << 20) < full, "{full} -> {left}");
        assert_eq!(all.len(), 96);
    }
}
