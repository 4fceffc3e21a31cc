//! Files in the writable folders: no path leads out of them, and names are bytes.

mod change;
mod entry;
mod list;
mod read;
mod remove;
pub mod roots;
mod watch;
mod weigh;
mod write;

pub use change::{make_folder, rename, stat};
pub use list::List;
pub use read::Read;
pub use remove::Remove;
pub use roots::Roots;
pub use watch::Watch;
pub use weigh::Weigh;
pub use write::Write;
