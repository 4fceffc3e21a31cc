mod quirks;

use serde_json::{Map, Number, json};

use self::quirks::{CANONICAL, notebook, notebooks};
use super::*;

/// A file's text, written over itself with what `edit` makes of its content.
fn saved(text: &str, edit: impl FnOnce(&mut Value)) -> String {
    let (content, _) = content_of(text.as_bytes()).unwrap();
    check(&content).unwrap();
    let mut content = as_a_page_has_it(content);
    edit(&mut content);
    over(text.as_bytes(), &content).unwrap()
}

/// What JavaScript makes of JSON: numbers are doubles, and whole ones have no point; names that are numbers
/// come first.
fn as_a_page_has_it(value: Value) -> Value {
    match value {
        Value::Number(number) => {
            let float = number.as_f64().unwrap();
            let whole = (float.fract() == 0.0 && float.abs() < 1e18).then_some(float as i64);
            whole.map_or_else(
                || Number::from_f64(float).unwrap().into(),
                |whole| Value::Number(whole.into()),
            )
        }
        Value::Array(items) => items.into_iter().map(as_a_page_has_it).collect(),
        Value::Object(fields) => {
            let (mut numbers, others): (Vec<_>, Vec<_>) = fields
                .into_iter()
                .map(|(name, value)| (name, as_a_page_has_it(value)))
                .partition(|(name, _)| name.parse::<u32>().is_ok());
            numbers.sort_by_key(|(name, _)| name.parse::<u32>().ok());
            numbers
                .into_iter()
                .chain(others)
                .collect::<Map<_, _>>()
                .into()
        }
        other => other,
    }
}

#[test]
fn what_nobody_changed_comes_back_byte_for_byte() {
    for text in notebooks() {
        assert_eq!(saved(&text, |_| {}), text);
    }
}

/// The lines of `after` that are not at the beginning or the end of `before`, and the other way round.
fn changed<'a>(before: &'a str, after: &'a str) -> (Vec<&'a str>, Vec<&'a str>) {
    let (old, new): (Vec<_>, Vec<_>) = (before.split('\n').collect(), after.split('\n').collect());
    let first = old
        .iter()
        .zip(&new)
        .take_while(|(one, other)| one == other)
        .count();
    let ends = old[first..].iter().rev().zip(new[first..].iter().rev());
    let last = ends.take_while(|(one, other)| one == other).count();
    (
        old[first..old.len() - last].to_vec(),
        new[first..new.len() - last].to_vec(),
    )
}

#[test]
fn a_cell_that_was_edited_changes_its_lines_alone() {
    for text in notebooks() {
        let now = saved(&text, |content| {
            content["cells"][2]["source"] = json!(["a = 2\n", "b = 'é'"]);
        });
        let (place, _) = text.match_indices("a = 1").nth(2).unwrap();
        let expected = format!("{}a = 2{}", &text[..place], &text[place + 5..]);
        assert_eq!(now, expected);
    }
}

#[test]
fn cells_that_come_go_and_move_leave_the_others_as_they_are() {
    for text in notebooks() {
        let spans = |text: &str| -> Vec<String> {
            let root = Node::read(text).unwrap();
            let super::super::tree::Kind::List(cells) = &root.field(text, "cells").unwrap().kind
            else {
                panic!("{text}");
            };
            cells
                .iter()
                .map(|cell| text[cell.place.clone()].to_owned())
                .collect()
        };
        let before = spans(&text);
        let now = saved(&text, |content| {
            let cells = content["cells"].as_array_mut().unwrap();
            cells.remove(0);
            cells.swap(0, 2);
            cells.insert(1, json!({"cell_type": "code", "source": ["new"], "metadata": {}, "outputs": [], "execution_count": null}));
            cells[4]["source"] = json!(["a = 7\n", "b = 'é'"]);
        });
        let after = spans(&now);
        // Where cells have no ids, two that say the same may stand for each other.
        assert_eq!(after.len(), 5);
        assert!(after[1].contains("\"new\""));
        if text.contains("\"cell-1\"") {
            assert_eq!(
                [&after[0], &after[2], &after[3]],
                [&before[3], &before[2], &before[1]]
            );
            assert_eq!(after[4].replace("a = 7", "a = 1"), before[4]);
        }
        let (content, _) = content_of(now.as_bytes()).unwrap();
        check(&content).unwrap();
        assert_eq!(saved(&now, |_| {}), now);
    }
}

#[test]
fn a_new_notebook_is_laid_out_as_jupyter_does_it() {
    let content = json!({"nbformat_minor": 5, "nbformat": 4, "metadata": {}, "cells": [{"source": ["é\n"], "id": "a", "cell_type": "raw", "metadata": {"b": 1.5, "a": []}}]});
    let expected = "{\n \"cells\": [\n  {\n   \"cell_type\": \"raw\",\n   \"id\": \"a\",\n   \"metadata\": {\n    \"a\": [],\n    \"b\": 1.5\n   },\n   \"source\": [\n    \"é\\n\"\n   ]\n  }\n ],\n \"metadata\": {},\n \"nbformat\": 4,\n \"nbformat_minor\": 5\n}\n";
    assert_eq!(layout::written(&content), expected);
}

#[test]
fn outputs_of_a_new_run_take_the_place_of_the_old_ones() {
    let text = notebook(CANONICAL, 5);
    let now = saved(&text, |content| {
        content["cells"][0]["execution_count"] = json!(3);
        content["cells"][0]["outputs"] =
            json!([{"output_type": "stream", "name": "stdout", "text": ["2\n"]}]);
    });
    let (content, _) = content_of(now.as_bytes()).unwrap();
    let cell = &content["cells"][0];
    assert_eq!(
        cell["outputs"],
        json!([{"output_type": "stream", "name": "stdout", "text": ["2\n"]}])
    );
    assert_eq!(cell["execution_count"], 3);
    let (old, new) = changed(&text, &now);
    assert!(old.len() < 40 && new.len() < 12, "{old:#?}{new:#?}");
}

#[test]
fn an_escaped_file_gets_escapes_and_another_doesnt() {
    for (text, expected) in [
        (
            r#"{"nbformat":4,"metadata":{"n":"\u00e9"},"cells":[]}"#,
            r#"{"nbformat":4,"metadata":{"n":"\u00e9","o":"\ud83d\ude00"},"cells":[]}"#,
        ),
        (
            r#"{"nbformat":4,"metadata":{"n":"e"},"cells":[]}"#,
            "{\"nbformat\":4,\"metadata\":{\"n\":\"e\",\"o\":\"😀\"},\"cells\":[]}",
        ),
    ] {
        let now = saved(text, |content| content["metadata"]["o"] = "😀".into());
        assert_eq!(now, expected);
    }
}

#[test]
fn a_cell_that_becomes_another_kind_gets_what_that_needs() {
    let text = r#"{"nbformat": 4, "cells": [{"id": "i", "cell_type": "markdown", "source": "a"}], "metadata": {}}"#;
    let code = json!({"id": "i", "cell_type": "code", "source": ["a"], "metadata": {}, "outputs": [], "execution_count": null});
    let now = saved(text, |content| content["cells"][0] = code);
    let expected = r#"{"nbformat": 4, "cells": [{"id": "i", "cell_type": "code", "source": "a", "execution_count": null, "metadata": {}, "outputs": []}], "metadata": {}}"#;
    assert_eq!(now, expected);
    // One that lacked them all along gets none for being edited.
    let text = text.replace("markdown", "code");
    let now = saved(&text, |content| {
        content["cells"][0] = json!({"id": "i", "cell_type": "code", "source": ["b"], "metadata": {}, "outputs": [], "execution_count": null});
    });
    assert_eq!(now, text.replace("\"a\"", "\"b\""));
}

#[test]
fn what_is_nested_too_deeply_stays_in_the_file() {
    let deep = format!("{}1.0{}", "[".repeat(50_000), "]".repeat(50_000));
    let text = format!(
        r#"{{"nbformat": 4, "cells": [{{"cell_type": "raw", "source": "a", "metadata": {{"deep": {deep}}}}}], "metadata": {{}}}}"#
    );
    let now = saved(&text, |content| {
        assert!(serde_json::from_str::<Value>(&content.to_string()).is_ok());
        content["cells"][0]["source"] = json!(["b"]);
    });
    assert_eq!(now, text.replacen("\"a\"", "\"b\"", 1));
}

#[test]
fn what_is_no_json_is_refused_with_its_place() {
    for (text, told) in [
        ("", "a value was expected at line 1, column 1"),
        (
            "{\n 1",
            "a name in quotation marks was expected at line 2, column 2",
        ),
        ("{\"a\" 1}", "a colon was expected at line 1, column 6"),
        ("[1 2]", "a comma or ] was expected at line 1, column 4"),
        (
            "{\"a\": 1,}",
            "a name in quotation marks was expected at line 1, column 9",
        ),
        ("[01]", "a comma or ] was expected at line 1, column 3"),
        ("[1.]", "a digit was expected at line 1, column 4"),
        ("[-]", "a digit was expected at line 1, column 3"),
        ("nul", "a value was expected at line 1, column 1"),
        (
            "\"\\x\"",
            "an escape sequence was expected at line 1, column 3",
        ),
        (
            "\"\\u12g4\"",
            "an escape sequence was expected at line 1, column 3",
        ),
        (
            "\"a\n\"",
            "the end of a text was expected at line 1, column 3",
        ),
        (
            "[] []",
            "the end of the file was expected at line 1, column 4",
        ),
    ] {
        assert_eq!(Node::read(text).unwrap_err().to_string(), told, "{text}");
    }
    for open in ["[", "{\"a\":", "[{\"a\":\""] {
        assert!(Node::read(&open.repeat(100_000)).is_err());
    }
    assert!(content_of(b"\xff").is_err());
    let many = format!("[{}0]", "0,".repeat(machine_client::json::MOST_VALUES));
    assert_eq!(Node::read(&many).unwrap_err(), TreeError::TooMany);
}

#[test]
fn older_formats_become_version_four() {
    let old = json!({
        "metadata": {"name": "n", "kept": 1}, "nbformat": 3, "nbformat_minor": 0, "orig_nbformat": 2,
        "worksheets": [{"metadata": {}, "cells": [
            {"cell_type": "heading", "level": 2, "metadata": {}, "source": ["Two\n", "lines"]},
            {"cell_type": "code", "collapsed": true, "language": "python", "input": ["1+1"], "prompt_number": 4, "outputs": [
                {"output_type": "pyout", "prompt_number": 4, "text": ["2"], "html": ["<b>"], "metadata": {"png": {"width": 3}}},
                {"output_type": "stream", "stream": "stderr", "text": ["e"]},
                {"output_type": "display_data", "json": ["{\"a\":", "1}"]},
                {"output_type": "pyerr", "ename": "E", "evalue": "v", "traceback": ["t"]},
            ]},
        ]}, {"cells": [{"cell_type": "html", "source": "<i>"}, {"cell_type": "markdown", "source": "m"}]}],
    });
    let (mut content, from) = content_of(old.to_string().as_bytes()).unwrap();
    check(&content).unwrap();
    assert_eq!(from, Some(3));
    for cell in content["cells"].as_array_mut().unwrap() {
        let id = cell.as_object_mut().unwrap().shift_remove("id");
        assert!(id.is_some_and(|id| id.as_str().is_some_and(|id| id.len() == 8)));
    }
    assert_eq!(
        content,
        json!({
            "metadata": {"kept": 1}, "nbformat": 4, "nbformat_minor": 5, "cells": [
                {"cell_type": "markdown", "metadata": {}, "source": "## Two lines"},
                {"cell_type": "code", "metadata": {"collapsed": true}, "source": ["1+1"], "execution_count": 4, "outputs": [
                    {"output_type": "execute_result", "execution_count": 4, "data": {"text/plain": ["2"], "text/html": ["<b>"]}, "metadata": {"image/png": {"width": 3}}},
                    {"output_type": "stream", "name": "stderr", "text": ["e"]},
                    {"output_type": "display_data", "data": {"application/json": {"a": 1}}, "metadata": {}},
                    {"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["t"]},
                ]},
                {"cell_type": "markdown", "metadata": {}, "source": "<i>"},
                {"cell_type": "markdown", "metadata": {}, "source": "m"},
            ],
        })
    );
    // The same file becomes the same notebook: what is saved over it keeps its ids.
    let text = old.to_string();
    let (content, _) = content_of(text.as_bytes()).unwrap();
    assert_eq!(
        over(text.as_bytes(), &content).unwrap(),
        layout::written(&content)
    );
    let second = text.replacen("\"nbformat\":3", "\"nbformat\":2", 1);
    assert_eq!(content_of(second.as_bytes()).unwrap().1, Some(2));
}
