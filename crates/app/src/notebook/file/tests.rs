use machine_client::json::MOST_VALUES;
use serde_json::{Value, json};

use super::*;

fn empty() -> Value {
    json!({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
}

fn request(path: &Path, content: Value, stamp: Option<String>) -> NotebookSaveRequest {
    NotebookSaveRequest {
        path: path.display().to_string(),
        content,
        stamp,
        overwrite: false,
        from: None,
    }
}

#[test]
fn a_round_trip_keeps_what_is_not_known() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ipynb");
    let content = json!({
        "cells": [{"cell_type": "code", "id": "x", "source": ["1\n", "2"], "metadata": {"tags": ["t"]}, "outputs": [], "execution_count": null, "later": {"b": 1, "a": [2.5]}}],
        "metadata": {"kernelspec": {"name": "python3"}, "vendor": {"z": 1}}, "nbformat": 4, "nbformat_minor": 5, "extra": true,
    });
    let saved = save(&request(&path, content.clone(), None)).unwrap();
    let file = open(&saved.path).unwrap();
    assert_eq!((&file.content, &file.stamp), (&content, &saved.stamp));
    assert_eq!(stamp_of(&saved.path).unwrap(), Some(saved.stamp.clone()));
    let text = fs::read_to_string(&path).unwrap();
    assert!(
        text.starts_with("{\n \"cells\": [\n  {\n   \"cell_type\""),
        "{text}"
    );
    assert!(text.ends_with("}\n"));
    // Saved again, on top of what was opened.
    save(&request(&path, empty(), Some(saved.stamp))).unwrap();
}

#[test]
fn what_somebody_else_wrote_is_not_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let saved = save(&request(&path, empty(), None)).unwrap();
    assert!(saved.path.ends_with("a.ipynb"));
    fs::write(&saved.path, "{}").unwrap();
    for stamp in [Some(saved.stamp.clone()), None] {
        let failure = save(&request(&path, empty(), stamp)).unwrap_err();
        assert_eq!(failure.code, FailureCode::Changed);
        assert_eq!(fs::read_to_string(&saved.path).unwrap(), "{}");
    }
    let over = |path: &Path| NotebookSaveRequest {
        overwrite: true,
        ..request(path, empty(), None)
    };
    // The yes was said of another name than the file's.
    let failure = save(&over(&path)).unwrap_err();
    assert_eq!(failure.code, FailureCode::Changed);
    save(&over(Path::new(&saved.path))).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[cfg(unix)]
#[test]
fn permissions_and_links_stay() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let (real, link) = (
        folder.path().join("real.ipynb"),
        folder.path().join("link.ipynb"),
    );
    let saved = save(&request(&real, empty(), None)).unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o600)).unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    save(&request(&link, empty(), Some(saved.stamp))).unwrap();
    assert!(link.is_symlink());
    assert_eq!(
        fs::metadata(&real).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

#[cfg(unix)]
#[test]
fn what_a_machine_can_put_in_its_place_holds_nothing_up() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe.ipynb");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let name = pipe.display().to_string();
    assert_eq!(open(&name).unwrap_err().code, FailureCode::Invalid);
    let large = folder.path().join("large.ipynb");
    fs::File::create(&large).unwrap().set_len(1 << 40).unwrap();
    let name = large.display().to_string();
    assert_eq!(open(&name).unwrap_err().code, FailureCode::Invalid);
    let many = format!(
        "{{\"nbformat\":4,\"cells\":[{}0]}}",
        "0,".repeat(MOST_VALUES)
    );
    fs::write(&large, many).unwrap();
    let failure = open(&name).unwrap_err();
    assert!(failure.cause.is_some_and(|why| why.contains("values")));
}

#[test]
fn what_is_no_notebook_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ipynb");
    let name = path.display().to_string();
    assert_eq!(open(&name).unwrap_err().code, FailureCode::NotFound);
    assert_eq!(open("a.ipynb").unwrap_err().code, FailureCode::Invalid);
    for text in [
        "",
        "{",
        "[]",
        "{}",
        r#"{"nbformat": 5, "cells": []}"#,
        r#"{"nbformat": 4, "cells": [], "metadata": {"a": nan}}"#,
        r#"{"nbformat": 4}"#,
        r#"{"nbformat": 4, "cells": [{}]}"#,
    ] {
        fs::write(&path, text).unwrap();
        let failure = open(&name).unwrap_err();
        assert_eq!(failure.code, FailureCode::Invalid, "{text}");
        assert!(failure.cause.is_some());
    }
    assert_eq!(
        open(&folder.path().display().to_string()).unwrap_err().code,
        FailureCode::Invalid
    );
}

#[test]
fn a_copy_is_laid_out_like_the_file_that_it_was_opened_from() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("a.ipynb"), folder.path().join("b.ipynb"));
    let text = "{\n    \"nbformat\": 4,\n    \"nbformat_minor\": 2,\n    \"metadata\": {\"exact\": 1.10},\n    \"cells\": []\n}";
    fs::write(&path, text).unwrap();
    let file = open(&path.display().to_string()).unwrap();
    let asked = NotebookSaveRequest {
        from: Some(file.path),
        ..request(&copy, file.content.clone(), None)
    };
    save(&asked).unwrap();
    assert_eq!(fs::read_to_string(&copy).unwrap(), text);
    // One that is gone leaves nothing to be like.
    let gone = NotebookSaveRequest {
        from: Some(folder.path().join("gone").display().to_string()),
        ..request(&folder.path().join("c.ipynb"), file.content, None)
    };
    let saved = save(&gone).unwrap();
    assert!(
        fs::read_to_string(saved.path)
            .unwrap()
            .starts_with("{\n \"cells\": []")
    );
}

#[test]
fn an_older_format_is_opened_and_saved_as_version_four() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ipynb");
    let old = r#"{"metadata": {"name": "n"}, "nbformat": 3, "nbformat_minor": 0, "worksheets": [{"cells": []}]}"#;
    fs::write(&path, old).unwrap();
    let file = open(&path.display().to_string()).unwrap();
    assert_eq!(file.upgraded_from, Some(3));
    save(&request(&path, file.content, Some(file.stamp))).unwrap();
    let file = open(&path.display().to_string()).unwrap();
    assert_eq!((file.upgraded_from, file.content), (None, empty()));
}
