//! Tar archives of the writable folders: a snapshot without the engine, which could take nothing
//! out of folders in memory. Names are absolute paths without their first slash.

mod pack;
mod records;
mod unpack;

pub use pack::Pack;
pub use unpack::Unpack;

/// Bytes of a header, and what files are filled up to a multiple of.
const BLOCK_BYTES: usize = 512;

/// How many zeros follow a file of this size.
fn padding(size: u64) -> usize {
    let over = size % BLOCK_BYTES as u64;
    ((BLOCK_BYTES as u64 - over) % BLOCK_BYTES as u64) as usize
}
