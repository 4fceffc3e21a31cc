//! What came back into an old machine's kernels after it was started again: nothing is said of it
//! that was not seen.

use wire::{body::CryoReloaded, evolve::CarriedKernel};

/// Counts it over all kernels whose namespaces a run had stored.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Returned {
    /// Kernels whose snapshot was read.
    back: usize,
    /// Kernels whose snapshot was not.
    away: usize,
    /// Names that were not stored, or did not come back.
    names_lost: usize,
}

impl Returned {
    pub(super) fn came_back(&mut self, kernel: &CarriedKernel, back: &CryoReloaded) {
        self.back += 1;
        self.names_lost += kernel.skipped.len() + back.failed.len();
    }

    pub(super) fn stayed_away(&mut self) {
        self.away += 1;
    }

    /// As the end of a sentence.
    pub(super) fn words(&self) -> String {
        match (self.back, self.away, self.names_lost) {
            (0, _, _) => "without its variables".to_owned(),
            (_, 0, 0) => "with its variables".to_owned(),
            (_, 0, names) => format!("with its variables; not restored: {names}"),
            (back, away, _) => format!("with the variables of {back} of {} kernels", back + away),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_came_back_is_said_to_be_there() {
        let words = |back, away, names_lost| {
            Returned {
                back,
                away,
                names_lost,
            }
            .words()
        };
        // Killed before anything was stored: in the build step, for one.
        assert_eq!(words(0, 0, 0), "without its variables");
        assert_eq!(words(0, 2, 0), "without its variables");
        assert_eq!(words(2, 0, 0), "with its variables");
        assert_eq!(words(1, 0, 3), "with its variables; not restored: 3");
        assert_eq!(words(1, 1, 0), "with the variables of 1 of 2 kernels");
    }
}
