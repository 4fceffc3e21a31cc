//! What cells put out, as nbformat 4.5 has it, and what comes in the place of an output that is too
//! large to be sent along or that can't be read.
//!
//! <https://nbformat.readthedocs.io/en/latest/format_description.html#code-cell-outputs>

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// An output whose JSON has more bytes than this comes as a reference to who asked for references.
pub const REFERENCE_BYTES: usize = 64 << 10;
/// Text of stdout and stderr comes in pieces of 64 Ki characters, which are sent along up to this.
pub const TEXT_PIECE_BYTES: usize = 512 << 10;
/// The most characters that stand for an output that isn't there.
pub const HEAD_CHARS: usize = 2000;
/// The most mime types that a reference names, and the longest of them.
pub const MOST_MIME_TYPES: usize = 16;
/// The longest mime type that a reference names, in characters.
pub const LONGEST_MIME_TYPE: usize = 100;
/// The longest id of a display that a reference names, in bytes: updates of others don't reach it.
pub const LONGEST_DISPLAY_ID: usize = 1000;

/// Values by mime type. What is in them is up to whoever made them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MimeBundle(
    #[cfg_attr(feature = "ts", ts(type = "Record<string, unknown>"))] pub Map<String, Value>,
);

wire! {
    /// Text that a file may hold as one string or as lines.
    #[derive(Eq)]
    #[serde(untagged)]
    pub enum MultilineText {
        /// As one string, as kernels send it.
        Text(String),
        /// As lines with their ends, as Jupyter writes it.
        Lines(Vec<String>),
    }

    /// What is true of an output only as long as its kernel runs; files don't have it.
    #[derive(Eq, Default)]
    pub struct TransientData {
        /// The display, for updates of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "ts", ts(optional))]
        pub display_id: Option<String>,
    }

    /// An output of a cell.
    #[serde(tag = "output_type", rename_all = "snake_case")]
    pub enum Output {
        /// Text that was printed.
        Stream {
            /// `stdout` or `stderr`.
            name: String,
            /// The text.
            text: MultilineText,
        },
        /// Something to show.
        DisplayData {
            /// The same thing in several forms.
            data: MimeBundle,
            /// How to show it.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            #[cfg_attr(feature = "ts", ts(optional))]
            metadata: Option<MimeBundle>,
            /// For as long as the kernel runs.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            #[cfg_attr(feature = "ts", ts(optional))]
            transient: Option<TransientData>,
        },
        /// The value of the cell's last expression.
        ExecuteResult {
            /// The same value in several forms.
            data: MimeBundle,
            /// How to show it.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            #[cfg_attr(feature = "ts", ts(optional))]
            metadata: Option<MimeBundle>,
            /// `Out [n]`.
            #[serde(default)]
            #[cfg_attr(feature = "ts", ts(optional, type = "number | null"))]
            execution_count: Option<u64>,
            /// For as long as the kernel runs.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            #[cfg_attr(feature = "ts", ts(optional))]
            transient: Option<TransientData>,
        },
        /// New data for the displays of an id; only in event streams.
        UpdateDisplayData {
            /// The same thing in several forms.
            data: MimeBundle,
            /// How to show it.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            #[cfg_attr(feature = "ts", ts(optional))]
            metadata: Option<MimeBundle>,
            /// Which displays.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            #[cfg_attr(feature = "ts", ts(optional))]
            transient: Option<TransientData>,
        },
        /// What the cell raised.
        Error {
            /// Class name.
            ename: String,
            /// `str(exception)`.
            evalue: String,
            /// Lines without their ends.
            traceback: Vec<String>,
        },
    }

    /// The `output_type` of an output.
    #[derive(Copy, Eq)]
    #[serde(rename_all = "snake_case")]
    pub enum OutputType {
        /// Text that was printed.
        Stream,
        /// Something to show.
        DisplayData,
        /// The value of the cell's last expression.
        ExecuteResult,
        /// New data for the displays of an id.
        UpdateDisplayData,
        /// What the cell raised.
        Error,
    }

    /// An output that is too large to be sent along: `GET /executions/{id}/outputs/{seq}` has it, as
    /// long as the machine keeps it.
    #[derive(Eq)]
    pub struct OutputReference {
        /// The kernel's id of the run.
        pub execution_id: String,
        /// Number of the output's event.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub seq: u64,
        /// Its `output_type`; none if nbformat doesn't have it.
        pub of: Option<OutputType>,
        /// The display that it is, or that it updates.
        pub display_id: Option<String>,
        /// Bytes of its JSON.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub size_bytes: u64,
        /// Of its data.
        pub mime_types: Vec<String>,
        /// The beginning of its text; empty if it has none.
        pub head: String,
    }

    /// An output that isn't one of nbformat's.
    #[derive(Eq)]
    pub struct UnreadableOutput {
        /// Why it can't be read.
        pub cause: String,
        /// Bytes of what came.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub size_bytes: u64,
        /// The beginning of it.
        pub head: String,
    }

    /// What stands for an output that isn't there.
    #[derive(Eq)]
    #[serde(tag = "output_type", rename_all = "snake_case")]
    pub enum OutputStandIn {
        /// It is fetched when it is shown.
        Reference(OutputReference),
        /// It is none of nbformat's.
        Unreadable(UnreadableOutput),
    }

    /// An output as views hear of it.
    #[serde(untagged)]
    pub enum CellOutput {
        /// The output itself.
        Whole(Output),
        /// Something in its place.
        StandIn(OutputStandIn),
    }
}

impl MultilineText {
    /// The text as one string.
    #[must_use]
    pub fn joined(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Lines(lines) => lines.concat(),
        }
    }
}

impl MimeBundle {
    /// The text of a type; a value that isn't text has none.
    #[must_use]
    pub fn text(&self, mime_type: &str) -> Option<String> {
        match self.0.get(mime_type)? {
            Value::String(text) => Some(text.clone()),
            Value::Array(lines) => Some(lines.iter().filter_map(Value::as_str).collect()),
            _ => None,
        }
    }
}

impl OutputReference {
    /// What refers to an output of so many bytes of JSON. Its value is the kernel's, and may be anything.
    #[must_use]
    pub fn of(execution_id: &str, seq: u64, size_bytes: u64, output: &Value) -> Self {
        let text = |value: &Value| -> String {
            match value {
                Value::String(text) => head(text),
                Value::Array(lines) => {
                    let lines = lines.iter().filter_map(Value::as_str);
                    head(&lines.take(HEAD_CHARS).collect::<Vec<_>>().concat())
                }
                _ => String::new(),
            }
        };
        let data = output["data"].as_object();
        let mime_types = data.into_iter().flat_map(Map::keys).take(MOST_MIME_TYPES);
        let mime_types = mime_types.map(|name| name.chars().take(LONGEST_MIME_TYPE).collect());
        let words = [
            &output["text"],
            &output["data"]["text/plain"],
            &output["evalue"],
        ];
        Self {
            execution_id: execution_id.to_owned(),
            seq,
            of: OutputType::deserialize(&output["output_type"]).ok(),
            display_id: display_id(output)
                .filter(|id| id.len() <= LONGEST_DISPLAY_ID)
                .map(str::to_owned),
            size_bytes,
            mime_types: mime_types.collect(),
            head: words
                .map(text)
                .into_iter()
                .find(|text| !text.is_empty())
                .unwrap_or_default(),
        }
    }
}

/// The display that an output is, or updates.
#[must_use]
pub fn display_id(output: &Value) -> Option<&str> {
    output["transient"]["display_id"].as_str()
}

impl UnreadableOutput {
    /// What stands for JSON, or for what should have been JSON.
    #[must_use]
    pub fn of(text: &[u8], cause: &str) -> Self {
        // A character has four bytes at most.
        let begin = &text[..text.len().min(4 * HEAD_CHARS)];
        Self {
            cause: head(cause),
            size_bytes: text.len() as u64,
            head: head(&String::from_utf8_lossy(begin)),
        }
    }
}

impl From<Output> for CellOutput {
    fn from(output: Output) -> Self {
        Self::Whole(output)
    }
}

impl From<OutputReference> for CellOutput {
    fn from(reference: OutputReference) -> Self {
        Self::StandIn(OutputStandIn::Reference(reference))
    }
}

impl From<UnreadableOutput> for CellOutput {
    fn from(output: UnreadableOutput) -> Self {
        Self::StandIn(OutputStandIn::Unreadable(output))
    }
}

/// The first characters of a text.
fn head(text: &str) -> String {
    text.chars().take(HEAD_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn outputs_are_written_as_they_were_read() {
        for output in [
            json!({"output_type": "stream", "name": "stdout", "text": "a\n"}),
            json!({"output_type": "stream", "name": "stderr", "text": ["a\n", "b"]}),
            json!({"output_type": "display_data", "data": {"a/b": {"c": [1, null]}}, "metadata": {"w": 1}, "transient": {"display_id": "d"}}),
            json!({"output_type": "execute_result", "data": {"text/plain": "1"}, "metadata": {}, "execution_count": 3}),
            json!({"output_type": "update_display_data", "data": {}, "transient": {"display_id": "d"}}),
            json!({"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["t"]}),
        ] {
            let read: CellOutput = serde_json::from_value(output.clone()).unwrap();
            assert!(matches!(read, CellOutput::Whole(_)), "{output}");
            assert_eq!(serde_json::to_value(&read).unwrap(), output);
        }
    }

    #[test]
    fn a_reference_names_what_it_refers_to_and_stays_small() {
        let picture = json!({
            "output_type": "display_data", "transient": {"display_id": "d"},
            "data": {"image/png": "A".repeat(100_000), "text/plain": "<Figure>"},
        });
        let reference = OutputReference::of("01A", 7, 100_100, &picture);
        assert_eq!(reference.of, Some(OutputType::DisplayData));
        assert_eq!(reference.display_id.as_deref(), Some("d"));
        assert_eq!(reference.mime_types, ["image/png", "text/plain"]);
        assert_eq!(reference.head, "<Figure>");
        let told = serde_json::to_value(CellOutput::from(reference.clone())).unwrap();
        assert_eq!(
            (&told["output_type"], &told["seq"]),
            (&json!("reference"), &json!(7))
        );
        let read: CellOutput = serde_json::from_value(told).unwrap();
        assert_eq!(read, reference.into());

        let long = "ä".repeat(100_000);
        for hostile in [
            json!({"output_type": "stream", "text": [&long, &long]}),
            json!({"output_type": &long, "data": {&long: 1, "text/plain": &long}, "evalue": 3}),
            json!({"output_type": "error", "evalue": &long, "transient": {"display_id": &long}}),
            Value::Object(
                (0..50)
                    .map(|at| (format!("{at}{long}"), json!(1)))
                    .collect(),
            ),
            json!({"data": (0..50).map(|at| (at.to_string(), json!(&long))).collect::<Map<_, _>>()}),
            json!(null),
        ] {
            let reference = OutputReference::of("01A", 1, 1 << 20, &hostile);
            let bytes = serde_json::to_string(&reference).unwrap().len();
            assert!(bytes < REFERENCE_BYTES / 4, "{bytes}");
        }
    }

    #[test]
    fn what_is_unreadable_is_cut() {
        let text = "é".repeat(1 << 20);
        let unreadable = UnreadableOutput::of(text.as_bytes(), &text);
        assert_eq!(unreadable.size_bytes, 2 << 20);
        let sizes = [
            unreadable.head.chars().count(),
            unreadable.cause.chars().count(),
        ];
        assert_eq!(sizes, [HEAD_CHARS, HEAD_CHARS]);
    }
}
