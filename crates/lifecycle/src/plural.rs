//! Numbers with what they count, as a person reads them.

/// `1 cell`, `3 cells`.
pub(crate) fn count(number: impl Into<u64>, one: &str) -> String {
    let number = number.into();
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_agrees_with_what_it_counts() {
        assert_eq!(
            [0_u64, 1, 2].map(|number| count(number, "cell")),
            ["0 cells", "1 cell", "2 cells"]
        );
    }
}
