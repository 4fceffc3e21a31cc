//! How much of a difference is shown.

/// Limits of one comparison. What they leave out is named and can be asked for file by file.
#[derive(Clone, Copy, Debug)]
pub struct DiffLimits {
    /// Files that are listed. Those with a mark are listed in any case.
    pub files: usize,
    /// Lines of one file, context included.
    pub file_lines: usize,
    /// Bytes of one file's lines.
    pub file_bytes: usize,
    /// Bytes of all lines.
    pub bytes: usize,
}

impl Default for DiffLimits {
    fn default() -> Self {
        Self {
            files: 10_000,
            file_lines: 2000,
            file_bytes: 256 << 10,
            bytes: 8 << 20,
        }
    }
}

impl DiffLimits {
    /// For a file that was folded and that a person opens.
    #[must_use]
    pub fn of_one_file() -> Self {
        Self {
            files: 2,
            file_lines: 200_000,
            file_bytes: 16 << 20,
            bytes: 16 << 20,
        }
    }
}
