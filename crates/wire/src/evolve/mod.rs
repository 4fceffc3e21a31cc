//! A machine's evolves: the runs that build, prove and put in place a new machine, the
//! generations that they leave, and what host and machine tell each other of them.

mod generation;
mod inside;
mod run;
mod view;

pub use generation::*;
pub use inside::*;
pub use run::*;
pub use view::*;
