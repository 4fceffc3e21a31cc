//! What a run did, as lines: the last ones, numbered from 0.

use std::collections::VecDeque;

use wire::{job::JobLog, machine::Progress};

/// Bytes of the lines that are kept.
const KEPT_BYTES: usize = 1 << 20;
/// Bytes of one line.
const LONGEST_LINE: usize = 8 << 10;
/// What a line takes beside its text.
const LINE_BYTES: usize = 32;

#[derive(Default)]
pub(super) struct RunLog {
    lines: VecDeque<String>,
    bytes: usize,
    /// How many lines were dropped, which is the number of the first that is kept.
    dropped: u64,
}

impl RunLog {
    pub(super) fn note(&mut self, progress: &Progress) {
        match progress {
            Progress::Phase { name } => self.push(&format!("== {name}")),
            Progress::Step {
                index,
                total,
                title,
                cached,
            } => {
                let cached = if *cached { " (cached)" } else { "" };
                self.push(&format!("[{index}/{total}] {title}{cached}"));
            }
            Progress::Line { text } => self.push(text),
        }
    }

    /// Lines from this number on.
    pub(super) fn read(&self, after: u64) -> JobLog {
        let mut text = String::new();
        if after < self.dropped {
            let missing = self.dropped - after;
            text = format!("[log truncated, lines omitted: {missing}]\n");
        }
        let from = usize::try_from(after.saturating_sub(self.dropped)).unwrap_or(usize::MAX);
        for line in self.lines.iter().skip(from) {
            text.push_str(line);
            text.push('\n');
        }
        JobLog {
            text,
            next: self.dropped + self.lines.len() as u64,
        }
    }

    fn push(&mut self, line: &str) {
        let line = line[..line.floor_char_boundary(LONGEST_LINE)].to_owned();
        self.bytes += line.len() + LINE_BYTES;
        self.lines.push_back(line);
        while self.bytes > KEPT_BYTES {
            let Some(oldest) = self.lines.pop_front() else {
                break;
            };
            self.bytes -= oldest.len() + LINE_BYTES;
            self.dropped += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_read_on_from_where_it_was_read_to() {
        let mut log = RunLog::default();
        log.note(&Progress::Phase {
            name: "build".into(),
        });
        log.note(&Progress::Step {
            index: 1,
            total: 3,
            title: "FROM debian".into(),
            cached: true,
        });
        let page = log.read(0);
        assert_eq!(page.text, "== build\n[1/3] FROM debian (cached)\n");
        let nothing = log.read(page.next);
        assert_eq!((nothing.text.as_str(), nothing.next), ("", page.next));
        log.note(&Progress::Line { text: "x".into() });
        assert_eq!(log.read(page.next).text, "x\n");
    }

    #[test]
    fn a_build_that_prints_for_ever_keeps_its_end_and_says_what_is_missing() {
        let mut log = RunLog::default();
        for at in 0..1000 {
            let text = format!("{at} {}", "ä".repeat(LONGEST_LINE));
            log.note(&Progress::Line { text });
        }
        let page = log.read(3);
        assert!(page.text.len() <= KEPT_BYTES + 100, "{}", page.text.len());
        assert_eq!(page.next, 1000);
        assert!(page.text.starts_with("[log truncated, lines omitted: "));
        assert!(page.text.lines().last().unwrap().starts_with("999 ä"));
    }
}
