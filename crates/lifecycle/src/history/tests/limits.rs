//! What is too much is refused, with a sentence that says so.

use super::*;
use crate::history::{HistoryError, snapshot::Limits};

#[test]
fn too_many_files_are_refused() {
    let repo = Repo::new();
    assert!(Limits::default().names < 100_000);
    for number in 0..300 {
        repo.write(&format!("d{}/f{number}", number % 3), "");
    }
    let few = Limits {
        names: 200,
        ..Limits::default()
    };
    let error = repo.history().with_limits(few).look().unwrap_err();
    assert!(
        matches!(error, HistoryError::TooManyFiles { limit: 200 }),
        "{error}"
    );
    let failure = wire::failure::Failure::from(crate::LifecycleError::from(error));
    assert!(failure.message.contains("more than 200 files"), "{failure}");
    assert!(failure.cause.is_some() && failure.next.is_some());
    // In a folder that is ignored they don't count.
    let away = repo.path().join("away");
    fs::rename(repo.path(), repo.outside("many")).unwrap();
    fs::create_dir(repo.path()).unwrap();
    repo.write(".gitignore", "away\n");
    fs::rename(repo.outside("many"), away).unwrap();
    let history = repo.history().with_limits(few);
    let tree = history.look().unwrap();
    assert_eq!(history.diff(None, &tree).unwrap().files.len(), 1);
}

#[test]
fn files_that_are_too_large_are_refused_without_being_read() {
    let repo = Repo::new();
    let large = fs::File::create(repo.path().join("large")).unwrap();
    // No block of it is on the disk.
    large.set_len(1 << 40).unwrap();
    let error = repo.history().look().unwrap_err();
    assert!(
        matches!(error, HistoryError::FileTooLarge { .. }),
        "{error}"
    );
    assert!(
        error.to_string().contains("large in the machine's repo"),
        "{error}"
    );
    fs::remove_file(repo.path().join("large")).unwrap();
    let limits = Limits {
        bytes: 7,
        ..Limits::default()
    };
    let error = repo.history().with_limits(limits).look().unwrap_err();
    assert!(
        matches!(error, HistoryError::TooLarge { limit: 7 }),
        "{error}"
    );
}

#[test]
fn folders_that_are_nested_too_deep_are_refused() {
    let repo = Repo::new();
    repo.write(&format!("{}f", "d/".repeat(64)), "x");
    assert_eq!(repo.stored().len(), 3);
    repo.write(&format!("{}f", "d/".repeat(65)), "x");
    let error = repo.history().look().unwrap_err();
    assert!(matches!(error, HistoryError::TooDeep { .. }), "{error}");
}

#[test]
fn rules_that_are_too_long_are_refused() {
    let repo = Repo::new();
    repo.write(".gitignore", &"x\n".repeat(40_000));
    let error = repo.history().look().unwrap_err();
    assert!(
        matches!(error, HistoryError::TooManyRules { .. }),
        "{error}"
    );
    // Patterns that would take for ever in a matcher that tries again and again.
    let rule = format!("{}b\n", "*a".repeat(40));
    repo.write(".gitignore", &rule.repeat(50));
    repo.write(&"a".repeat(200), "x");
    let begun = std::time::Instant::now();
    repo.history().look().unwrap();
    assert!(begun.elapsed() < std::time::Duration::from_secs(20));
}

#[test]
fn a_long_change_is_cut_and_said_to_be() {
    let repo = Repo::new();
    let first = repo.commit("1");
    for number in 0..8 {
        repo.write(&format!("long{number}"), &"line\n".repeat(100_000));
    }
    let history = repo.history();
    let diff = history
        .diff(Some(&first), &history.look().unwrap())
        .unwrap();
    assert!(diff.cut && diff.patch.len() < 500_000);
    assert!(diff.files.iter().all(|file| file.cut));
    for number in 0..6000 {
        repo.write(&format!("many/{number}"), "");
    }
    let diff = history
        .diff(Some(&first), &history.look().unwrap())
        .unwrap();
    assert_eq!((diff.files.len(), diff.more_files), (5000, 1008));
}
