//! Reads the classic builder's text stream (`Step 3/20 : RUN …`, ` ---> Using cache`)
//! into typed progress, and remembers the running step's last lines for the day it fails.

use std::collections::VecDeque;

use wire::machine::Progress;

/// How many of a step's last lines a failure carries.
const TAIL: usize = 40;

/// A step's command is told up to so many bytes.
const LONGEST_TITLE: usize = 4 << 10;
/// Steps whose images are remembered: more than any Dockerfile has.
const MOST_IMAGES: usize = 1000;

/// A line that has no end is told in pieces of about so many bytes.
const LONGEST_LINE: usize = 64 << 10;

/// A line at a time, steps as they begin.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    /// Text after the last newline.
    rest: String,
    step: Option<Step>,
    tail: VecDeque<String>,
    /// What the steps made or took from the cache.
    images: Vec<String>,
}

#[derive(Debug)]
struct Step {
    index: u32,
    total: u32,
    title: String,
    /// Its `Step` event waits for the next line, which tells whether it is cached.
    told: bool,
}

impl Reader {
    /// Takes a chunk of the stream.
    pub(crate) fn push(&mut self, text: &str, tell: &mut dyn FnMut(Progress)) {
        self.rest.push_str(text);
        if let Some(end) = self.rest.rfind('\n') {
            let after = self.rest.split_off(end + 1);
            let whole = std::mem::replace(&mut self.rest, after);
            for line in whole.lines() {
                self.line(line.trim_end_matches('\r'), tell);
            }
        }
        // A step that never ends a line is not kept for ever.
        if self.rest.len() > LONGEST_LINE {
            let line = std::mem::take(&mut self.rest);
            self.line(&line, tell);
        }
    }

    /// Tells what is left once the stream has ended.
    pub(crate) fn finish(&mut self, tell: &mut dyn FnMut(Progress)) {
        let rest = std::mem::take(&mut self.rest);
        if !rest.is_empty() {
            self.line(&rest, tell);
        }
        self.tell_step(false, tell);
    }

    /// The running step, for a failure's sentence.
    pub(crate) fn step(&self) -> String {
        self.step.as_ref().map_or_else(
            || "the first step".into(),
            |step| format!("step {}/{}: {}", step.index, step.total, cut(&step.title)),
        )
    }

    /// The running step's last lines.
    pub(crate) fn tail(&self) -> Vec<String> {
        self.tail.iter().cloned().collect()
    }

    /// Short ids of the images that the steps made or took from the cache.
    pub(crate) fn images(self) -> Vec<String> {
        self.images
    }

    fn line(&mut self, line: &str, tell: &mut dyn FnMut(Progress)) {
        if let Some((index, total, title)) = step_line(line) {
            self.tell_step(false, tell);
            self.tail.clear();
            self.step = Some(Step {
                index,
                total,
                title: title[..title.floor_char_boundary(LONGEST_TITLE)].into(),
                told: false,
            });
            return;
        }
        // What a step writes to stderr comes in red.
        let line = &plain(line);
        // A progress bar rewrites its line with carriage returns: its last state counts.
        let line = line.rsplit('\r').next().unwrap_or(line);
        self.tell_step(line.trim() == "---> Using cache", tell);
        // A step may print what looks like one, without an end.
        if self.images.len() < MOST_IMAGES {
            self.images.extend(image_line(line));
        }
        if line.is_empty()
            || line.starts_with(" ---> ")
            || line.starts_with("--> ")
            || line.starts_with("Removing intermediate container")
        {
            return;
        }
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(line.to_owned());
        tell(Progress::Line {
            text: line.to_owned(),
        });
    }

    fn tell_step(&mut self, cached: bool, tell: &mut dyn FnMut(Progress)) {
        if let Some(step) = self.step.as_mut().filter(|step| !step.told) {
            step.told = true;
            tell(Progress::Step {
                index: step.index,
                total: step.total,
                title: step.title.clone(),
                cached,
            });
        }
    }
}

/// A title short enough for a sentence.
fn cut(title: &str) -> String {
    const LENGTH: usize = 120;
    match title.char_indices().nth(LENGTH) {
        Some((at, _)) => format!("{}…", &title[..at]),
        None => title.into(),
    }
}

/// Without ANSI's colours (`ESC [ … m`).
fn plain(line: &str) -> String {
    let mut rest = line;
    let mut plain = String::with_capacity(line.len());
    while let Some((before, after)) = rest.split_once("\x1b[") {
        plain.push_str(before);
        rest = after
            .trim_start_matches(|c: char| c.is_ascii_digit() || c == ';')
            .trim_start_matches('m');
    }
    plain + rest
}

/// `Step 3/20 : RUN true` (Docker), `STEP 3/20: RUN true` (Podman).
fn step_line(line: &str) -> Option<(u32, u32, &str)> {
    // Podman numbers each stage's steps anew: `[1/4] STEP 2/10: …`.
    let line = match line.strip_prefix('[') {
        Some(rest) => rest.split_once("] ")?.1,
        None => line,
    };
    let rest = line
        .strip_prefix("Step ")
        .or_else(|| line.strip_prefix("STEP "))?;
    let (numbers, title) = rest.split_once(':')?;
    let (index, total) = numbers.trim().split_once('/')?;
    Some((index.parse().ok()?, total.parse().ok()?, title.trim()))
}

/// The short id of ` ---> 0a1b2c3d4e5f` (Docker), `--> 0a1b2c3d4e5f` (Podman).
fn image_line(line: &str) -> Option<String> {
    let id = line
        .trim()
        .strip_prefix("-")?
        .trim_start_matches(['-', '>', ' ']);
    let is_id = id.len() >= 11 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(chunks: &[&str]) -> (Reader, Vec<Progress>) {
        let mut reader = Reader::default();
        let mut told = Vec::new();
        for chunk in chunks {
            reader.push(chunk, &mut |progress| told.push(progress));
        }
        reader.finish(&mut |progress| told.push(progress));
        (reader, told)
    }

    fn step(index: u32, total: u32, title: &str, cached: bool) -> Progress {
        Progress::Step {
            index,
            total,
            title: title.into(),
            cached,
        }
    }

    fn line(text: &str) -> Progress {
        Progress::Line { text: text.into() }
    }

    #[test]
    fn steps_cache_and_lines() {
        let (_, told) = read(&[
            "Step 1/3 : FROM debian\n",
            " ---> 1234\nStep 2/3 : RUN ",
            "apt-get update\n ---> Using cache\n ---> 5678\n",
            "Step 3/3 : RUN make\n ---> Running in abc\nhel",
            "lo\n10%\r20%\r30%\n",
        ]);
        assert_eq!(
            told,
            [
                step(1, 3, "FROM debian", false),
                step(2, 3, "RUN apt-get update", true),
                step(3, 3, "RUN make", false),
                line("hello"),
                line("30%"),
            ]
        );
    }

    #[test]
    fn the_steps_images_are_remembered() {
        let (reader, _) = read(&[
            "Step 1/2 : FROM debian\n ---> f232b44b3ca7\nStep 2/2 : RUN true\n",
            " ---> Using cache\n ---> 0c42a0355a8c\n--> 0c42a0355a8d\n",
        ]);
        assert_eq!(
            reader.images(),
            ["f232b44b3ca7", "0c42a0355a8c", "0c42a0355a8d"]
        );
    }

    #[test]
    fn what_a_step_prints_fills_nothing() {
        let ids = "---> 0c42a0355a8c\n".repeat(MOST_IMAGES);
        let long = format!("Step 1/1 : RUN {}\n", "x".repeat(1 << 20));
        let (reader, _) = read(&[&long, &ids, &ids, &ids]);
        assert!(reader.step.as_ref().unwrap().title.len() <= LONGEST_TITLE);
        assert_eq!(reader.images().len(), MOST_IMAGES);
    }

    #[test]
    fn podmans_stages_are_read() {
        let (reader, told) = read(&["[1/4] STEP 2/10: RUN true\n--> 0c42a0355a8d\n"]);
        assert_eq!(reader.step(), "step 2/10: RUN true");
        assert!(matches!(&told[..], [Progress::Step { index: 2, .. }]));
    }

    #[test]
    fn the_builders_red_is_left_out() {
        let (reader, told) = read(&[
            "Step 1/1 : RUN a\n\x1b[91mE:\x1b[0m\x1b[91m no\n\x1b[0mRemoving intermediate container 1\n",
        ]);
        assert_eq!(reader.tail(), ["E: no"]);
        assert_eq!(told.len(), 2);
    }

    #[test]
    fn the_failing_steps_lines_are_kept() {
        let (reader, _) = read(&["Step 1/2 : RUN a\nold\nStep 2/2 : RUN b\nnew\nboom"]);
        assert_eq!(reader.tail(), ["new", "boom"]);
        assert_eq!(reader.step(), "step 2/2: RUN b");
    }

    #[test]
    fn podman_writes_capitals() {
        let (_, told) = read(&["STEP 1/1: FROM x\n"]);
        assert_eq!(told, [step(1, 1, "FROM x", false)]);
    }
}
