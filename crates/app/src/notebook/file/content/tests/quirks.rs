//! Notebooks as people and programs write them.

use serde_json::Value;

/// How files are laid out: by nbformat, by others, by hand.
#[derive(Clone, Copy)]
pub(super) struct Look {
    newline: &'static str,
    indent: &'static str,
    colon: &'static str,
    comma: &'static str,
    head: &'static str,
    tail: &'static str,
}

pub(super) const CANONICAL: Look = Look {
    newline: "\n",
    indent: " ",
    colon: ": ",
    comma: ",",
    head: "",
    tail: "\n",
};

const LOOKS: [Look; 8] = [
    CANONICAL,
    Look {
        indent: "  ",
        tail: "",
        ..CANONICAL
    },
    Look {
        indent: "    ",
        ..CANONICAL
    },
    Look {
        indent: "\t",
        tail: "\n\n",
        ..CANONICAL
    },
    Look {
        newline: "\r\n",
        indent: " ",
        tail: "\r\n",
        ..CANONICAL
    },
    Look {
        newline: "",
        indent: "",
        comma: ", ",
        tail: "",
        ..CANONICAL
    },
    Look {
        newline: "",
        indent: "",
        colon: ":",
        ..CANONICAL
    },
    Look {
        head: "\u{feff}\n",
        colon: " : ",
        ..CANONICAL
    },
];

/// Values as a file may have them, which no reader of numbers and texts gives back.
const ODD: [&str; 24] = [
    "0.1",
    "1.0",
    "1e5",
    "1E+5",
    "-0.0",
    "1.10",
    "3.141592653589793115997963",
    "0.30000000000000004",
    "9007199254740993",
    "18446744073709551616",
    "123456789012345678901234567890",
    "1e400",
    "5e-324",
    "NaN",
    "-Infinity",
    "Infinity",
    r#""\ud83d""#,
    r#""\u00e9\/""#,
    r#""\ud83d\ude00 \uDE00""#,
    r#""é \u2028""#,
    r#"{"b": 1, "a": 2, "a": 3.0}"#,
    r#"{"10": 1.0, "9": [], "x": {}}"#,
    "[ 1.0 ,2 ]",
    r#"{"__proto__": 7.0}"#,
];

/// A tree of what a file holds: names with values, or the text of a value.
enum Part {
    Text(String),
    List(Vec<Part>),
    Object(Vec<(&'static str, Part)>),
}

fn text(text: impl Into<String>) -> Part {
    Part::Text(text.into())
}

impl Part {
    fn write(&self, look: Look, depth: usize, out: &mut String) {
        let (brackets, parts): (_, Vec<(Option<&str>, &Self)>) = match self {
            Self::Text(text) => return out.push_str(text),
            Self::List(items) => (["[", "]"], items.iter().map(|item| (None, item)).collect()),
            Self::Object(fields) => {
                let fields = fields.iter();
                (
                    ["{", "}"],
                    fields.map(|(name, part)| (Some(*name), part)).collect(),
                )
            }
        };
        out.push_str(brackets[0]);
        for (at, (name, part)) in parts.iter().enumerate() {
            if at > 0 {
                out.push_str(look.comma);
            }
            out.push_str(look.newline);
            out.push_str(&look.indent.repeat(depth + 1));
            if let Some(name) = name {
                out.push_str(&format!("\"{name}\"{}", look.colon));
            }
            part.write(look, depth + 1, out);
        }
        if !parts.is_empty() {
            out.push_str(look.newline);
            out.push_str(&look.indent.repeat(depth));
        }
        out.push_str(brackets[1]);
    }
}

/// What a source looks like: lines, or one text.
fn source(lines: &[&str], is_one: bool) -> Part {
    let quoted = |line: &str| text(Value::from(line).to_string());
    if is_one {
        return quoted(&lines.concat());
    }
    Part::List(lines.iter().map(|line| quoted(line)).collect())
}

/// A notebook of so many kinds of cells; each number makes another one.
pub(super) fn notebook(look: Look, seed: usize) -> String {
    let odd = |at: usize| text(ODD[(seed + at) % ODD.len()]);
    let minor = seed % 6;
    let has_ids = minor == 5;
    let is_one = seed % 3 == 1;
    let mut cells = Vec::new();
    for at in 0..5 {
        let mut fields = vec![
            (
                "cell_type",
                text(
                    [
                        "\"code\"",
                        "\"markdown\"",
                        "\"code\"",
                        "\"raw\"",
                        "\"code\"",
                    ][at],
                ),
            ),
            (
                "metadata",
                Part::Object(vec![
                    ("odd", odd(at)),
                    ("tags", Part::List(vec![odd(at + 1)])),
                ]),
            ),
            ("source", source(&["a = 1\n", "b = 'é'"], is_one)),
        ];
        if has_ids {
            fields.push(("id", text(format!("\"cell-{at}\""))));
        }
        if at != 3 {
            // In a Markdown cell, too.
            let data = Part::Object(vec![
                ("application/json", odd(at + 2)),
                ("text/plain", source(&["x\n", "y"], is_one)),
            ]);
            let output = Part::Object(vec![
                ("output_type", text("\"display_data\"")),
                ("metadata", Part::Object(vec![])),
                ("data", data),
                ("later", odd(at + 3)),
            ]);
            let stream = Part::Object(vec![
                ("name", text("\"stdout\"")),
                ("output_type", text("\"stream\"")),
                ("text", source(&["1\n"], is_one)),
            ]);
            fields.push(("outputs", Part::List(vec![stream, output])));
            fields.push(("execution_count", text("null")));
        }
        if seed.is_multiple_of(2) {
            fields.sort_by_key(|(name, _)| *name);
        }
        cells.push(Part::Object(fields));
    }
    let mut fields = vec![
        ("nbformat", text("4")),
        ("nbformat_minor", text(minor.to_string())),
        ("metadata", Part::Object(vec![("vendor", odd(9))])),
        ("cells", Part::List(cells)),
        ("extra", odd(10)),
    ];
    if seed.is_multiple_of(2) {
        fields.sort_by_key(|(name, _)| *name);
    }
    let mut out = look.head.to_owned();
    Part::Object(fields).write(look, 0, &mut out);
    out + look.tail
}

pub(super) fn notebooks() -> impl Iterator<Item = String> {
    LOOKS
        .iter()
        .flat_map(|look| (0..ODD.len()).map(|seed| notebook(*look, seed)))
}
