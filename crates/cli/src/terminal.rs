//! This program's terminal: its size, and a state in which every key reaches who is at its other end.

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use wire::sandbox::PtySize;

/// What a terminal has whose size nobody knows.
const USUAL: PtySize = PtySize { cols: 80, rows: 24 };

/// Size of this program's terminal.
pub fn size() -> PtySize {
    match tcgetwinsize(std::io::stdout()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => PtySize {
            cols: size.ws_col,
            rows: size.ws_row,
        },
        _ => USUAL,
    }
}

/// A terminal that passes on every key, as long as this lives.
pub struct Raw(Termios);

impl Raw {
    /// `None` if stdin is no terminal.
    pub fn begin() -> Option<Self> {
        let before = tcgetattr(std::io::stdin()).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(std::io::stdin(), OptionalActions::Now, &raw).ok()?;
        Some(Self(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.0);
    }
}
