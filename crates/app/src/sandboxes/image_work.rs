//! Images that are being built or fetched: what is told of them while that lasts.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use parking_lot::Mutex;
use sandbox::Owner;
use wire::{machine::Progress, sandbox_commands::SandboxImageWork, stream::Event};

use crate::journal::Journal;

/// Lines that follow one another faster are not all told.
const BETWEEN_LINES: Duration = Duration::from_millis(250);
/// The longest text that is kept of a step or a line.
const TEXT_CHARS: usize = 200;

/// All of them. Cheap to clone; clones share it.
#[derive(Clone)]
pub(super) struct ImageWorks {
    works: Arc<Mutex<BTreeMap<String, SandboxImageWork>>>,
    journal: Journal,
}

/// One of them, as long as it lasts.
pub(super) struct ImageWork {
    all: ImageWorks,
    image: String,
    owner: Option<String>,
    step: String,
    /// When a line was told last.
    line_at: Option<Instant>,
}

impl ImageWorks {
    pub(super) fn new(journal: Journal) -> Self {
        Self {
            works: Arc::default(),
            journal,
        }
    }

    pub(super) fn list(&self) -> Vec<SandboxImageWork> {
        self.works.lock().values().cloned().collect()
    }

    /// One begins, at this owner's wish.
    pub(super) fn begin(&self, image: &str, owner: &Owner) -> ImageWork {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let work = SandboxImageWork {
            image: image.to_owned(),
            doing: String::new(),
            since_ms: u64::try_from(now.unwrap_or_default().as_millis()).unwrap_or(u64::MAX),
        };
        self.works.lock().insert(image.to_owned(), work);
        ImageWork {
            all: self.clone(),
            image: image.to_owned(),
            owner: owner.token().map(str::to_owned),
            step: String::new(),
            line_at: None,
        }
    }
}

impl ImageWork {
    /// Tells how it goes.
    pub(super) fn tell(&mut self, progress: &Progress) {
        let doing = match progress {
            Progress::Phase { name } => {
                self.step.clone_from(name);
                name.clone()
            }
            Progress::Step {
                index,
                total,
                title,
                ..
            } => {
                self.step = cut(&format!("[{index}/{total}] {title}"));
                self.step.clone()
            }
            Progress::Line { text } => {
                let is_soon = |at: Instant| at.elapsed() < BETWEEN_LINES;
                if self.line_at.is_some_and(is_soon) {
                    return;
                }
                self.line_at = Some(Instant::now());
                match self.step.is_empty() {
                    true => cut(text),
                    false => format!("{}: {}", self.step, cut(text)),
                }
            }
        };
        if let Some(work) = self.all.works.lock().get_mut(&self.image) {
            work.doing = doing;
        }
        self.publish(Some(progress.clone()));
    }

    fn publish(&self, progress: Option<Progress>) {
        self.all.journal.publish(Event::SandboxImage {
            image: self.image.clone(),
            owner: self.owner.clone(),
            progress,
        });
    }
}

impl Drop for ImageWork {
    fn drop(&mut self) {
        self.all.works.lock().remove(&self.image);
        self.publish(None);
    }
}

fn cut(text: &str) -> String {
    text.chars().take(TEXT_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_done_is_told_and_listed_until_it_is_over() {
        let journal = Journal::new();
        let mut events = journal.subscribe(0);
        let works = ImageWorks::new(journal.clone());
        let mut work = works.begin("python:3.13", &Owner::Token("ci".into()));
        assert_eq!(works.list()[0].doing, "");
        let step = Progress::Step {
            index: 2,
            total: 5,
            title: "RUN true".into(),
            cached: false,
        };
        let line = |text: &str| Progress::Line { text: text.into() };
        for progress in [step.clone(), line("one"), line("two, at once")] {
            work.tell(&progress);
        }
        assert_eq!(works.list()[0].doing, "[2/5] RUN true: one");
        drop(work);
        assert!(works.list().is_empty());
        let mut told = Vec::new();
        while told.last() != Some(&None) {
            match events.next().await.unwrap().event {
                Event::SandboxImage {
                    image,
                    owner,
                    progress,
                } => {
                    assert_eq!(
                        (image.as_str(), owner.as_deref()),
                        ("python:3.13", Some("ci"))
                    );
                    told.push(progress);
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(told, [Some(step), Some(line("one")), None]);
    }
}
