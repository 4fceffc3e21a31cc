//! What a run keeps of what it was told from inside: cut, so that its record stays small whatever a
//! machine or a candidate says.

use wire::{
    advice::Advice,
    body::{NotRestored, Skipped},
    evolve::{Asker, CarriedKernel, EvolveRun, Proof, RunKind},
    failure::Failure,
};

use super::run_store::now_ms;

/// Bytes of a text: a reason, what a check saw.
const TEXT: usize = 4 << 10;
/// Bytes of a text of several lines.
const LINES: usize = 64 << 10;
/// Bytes of a name.
const NAME: usize = 256;
/// Entries of a list.
const ENTRIES: usize = 1000;
/// Bytes of all that a run tells of namespaces; beyond that their names are left out.
const NAMESPACES: usize = 2 << 20;
/// Bytes of why a run was asked for.
const NOTE: usize = 2000;
/// The longest line of a log.
const LINE: usize = 16 << 10;

/// A run that a machine asks for, with as much of it as the machine has a say in.
#[must_use]
pub fn asked(run: EvolveRun) -> EvolveRun {
    let now = now_ms();
    EvolveRun {
        state: run.state,
        note: run.note.as_deref().map(note),
        running_cell: run.running_cell,
        ended_at: run.ended_at.map(|at| at.min(now)),
        ..EvolveRun::new(
            run.run_id,
            RunKind::Evolve,
            Asker::Machine,
            run.started_at.min(now),
        )
    }
}

/// Why a run was asked for, cut.
pub(super) fn note(text: &str) -> String {
    let mut text = text.to_owned();
    cut(&mut text, NOTE);
    text
}

/// One line of a log, whatever is in it.
pub(super) fn line(text: &str) -> String {
    let end = text.floor_char_boundary(LINE);
    let mut line = text[..end]
        .replace('\n', "\u{240a}")
        .replace('\r', "\u{240d}");
    if end < text.len() {
        line.push('…');
    }
    line
}

/// What a candidate showed, cut.
pub(super) fn proof(proof: &mut Proof) {
    proof.checks.truncate(ENTRIES);
    for check in &mut proof.checks {
        cut(&mut check.name, NAME);
        cut(&mut check.detail, TEXT);
    }
}

/// What a command inside said, as a reason.
pub(super) fn words(bytes: &[u8]) -> String {
    let start = &bytes[..bytes.len().min(TEXT)];
    let mut words = String::from_utf8_lossy(start).trim().to_owned();
    if bytes.len() > TEXT {
        words.push('…');
    }
    words
}

/// A run as it is written down and told.
pub(super) fn run(run: &mut EvolveRun) {
    if let Some(text) = &mut run.note {
        cut(text, NOTE);
    }
    if let Some(text) = &mut run.error {
        cut(text, TEXT);
    }
    if let Some(told) = &mut run.failure {
        failure(told);
    }
    for step in &mut run.steps {
        if let Some(text) = &mut step.note {
            cut(text, TEXT);
        }
    }
    let report = &mut run.report;
    if let Some(told) = &mut report.proof {
        proof(told);
    }
    for list in [&mut report.lost_files, &mut report.warnings] {
        list.truncate(ENTRIES);
        list.iter_mut().for_each(|text| cut(text, TEXT));
    }
    let mut left = NAMESPACES;
    for kernel in &mut report.kernels {
        namespace(kernel, &mut left);
    }
}

fn namespace(kernel: &mut CarriedKernel, left: &mut usize) {
    cut(&mut kernel.kernel, NAME);
    cut(&mut kernel.snapshot, NAME);
    keep(&mut kernel.saved, left, |name| {
        cut(name, NAME);
        name.len()
    });
    keep(&mut kernel.skipped, left, |skipped: &mut Skipped| {
        cut(&mut skipped.name, NAME);
        cut(&mut skipped.kind, NAME);
        cut(&mut skipped.reason, TEXT);
        skipped.name.len() + skipped.kind.len() + skipped.reason.len()
    });
    keep(&mut kernel.failed, left, |failed: &mut NotRestored| {
        cut(&mut failed.name, NAME);
        cut(&mut failed.reason, TEXT);
        failed.name.len() + failed.reason.len()
    });
}

/// Keeps the first entries of a list; `size` cuts one and answers its bytes.
fn keep<T>(list: &mut Vec<T>, left: &mut usize, mut size: impl FnMut(&mut T) -> usize) {
    let mut fits = 0;
    for entry in list.iter_mut().take(ENTRIES) {
        let bytes = size(entry) + 16;
        let Some(rest) = left.checked_sub(bytes) else {
            break;
        };
        *left = rest;
        fits += 1;
    }
    list.truncate(fits);
}

fn failure(failure: &mut Failure) {
    cut(&mut failure.message, TEXT);
    let next = failure.next.as_deref_mut().and_then(Advice::text_mut);
    for text in failure.cause.as_mut().into_iter().chain(next) {
        cut(text, TEXT);
    }
    if let Some(text) = &mut failure.detail {
        cut(text, LINES);
    }
}

fn cut(text: &mut String, most: usize) {
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most));
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    use wire::evolve::{ProofCheck, RunState};

    use super::*;

    #[test]
    fn a_record_stays_small_whatever_is_told() {
        let long = || "ä".repeat(1 << 20);
        let mut told = EvolveRun::new("r".into(), RunKind::Evolve, Asker::Machine, 1);
        told.note = Some(long());
        told.error = Some(long());
        told.report.warnings = vec![long(); 3];
        let check = ProofCheck {
            name: long(),
            ok: false,
            detail: long(),
            took_ms: 1,
        };
        told.report.proof = Some(Proof {
            ok: false,
            checks: vec![check; 3],
        });
        let kernel = |name: &str| CarriedKernel {
            kernel: name.into(),
            snapshot: "s".into(),
            saved: (0..100_000).map(|number| format!("name{number}")).collect(),
            skipped: vec![
                Skipped {
                    name: long(),
                    kind: long(),
                    reason: long(),
                };
                5
            ],
            failed: Vec::new(),
        };
        told.report.kernels = vec![kernel("main"), kernel("other")];
        run(&mut told);
        let size = serde_json::to_vec(&told).unwrap().len();
        assert!(size < 4 << 20, "{size}");
        assert_eq!(told.report.kernels[1].saved.len(), ENTRIES);
        assert_eq!(told.report.kernels[1].skipped.len(), 5);
    }

    #[test]
    fn of_a_run_that_is_asked_for_only_the_wish_counts() {
        let mut told = EvolveRun::new("r".into(), RunKind::Rollback, Asker::Person, u64::MAX);
        told.state = RunState::AwaitsYes;
        told.note = Some("x".repeat(1 << 20));
        told.commit = Some("c".into());
        told.report.warnings = vec![String::new(); 1000];
        let run = asked(told);
        assert!(run.note.is_some_and(|note| note.len() < NOTE + 10));
        assert!(run.started_at <= now_ms());
        assert_eq!((run.kind, run.asked_by), (RunKind::Evolve, Asker::Machine));
        assert_eq!((run.commit, run.report.warnings.len()), (None, 0));
    }

    #[test]
    fn a_line_is_one_line() {
        let spoof = "left out: a\n== good: the new machine is in place";
        assert_eq!(
            line(spoof),
            "left out: a␊== good: the new machine is in place"
        );
        assert!(line(&"ä".repeat(1 << 20)).len() <= LINE + 3);
    }
}
