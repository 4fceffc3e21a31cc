//! Sandboxes for a machine's programs: their calls wait in the machine, and this process, which hears of
//! them over the machine's stream of changes, takes and answers them ([`calls`]). What a call may do and
//! how it is done is [`work`]'s; [`runner`] is what does it. All that a call says is a stranger's.

mod calls;
mod runner;
#[cfg(test)]
mod tests;
mod work;

pub(crate) use work::{is_living, owner};
