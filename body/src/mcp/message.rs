//! JSON-RPC messages as text: only what the relay must know is read, and what it must change is
//! cut in. Arguments and results go through byte by byte, however large they are.

use std::{
    borrow::Cow,
    ops::Range,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{json, value::RawValue};
use wire::mcp::McpKind;

use super::jsonc;

/// The largest message that passes, in bytes.
pub const LARGEST: usize = 64 << 20;

/// JSON-RPC's codes, and those of the MCP specification.
pub mod code {
    pub const PARSE: i32 = -32700;
    pub const INVALID_REQUEST: i32 = -32600;
    pub const METHOD_NOT_FOUND: i32 = -32601;
    pub const INVALID_PARAMS: i32 = -32602;
    pub const INTERNAL: i32 = -32603;
    /// The server ended, could not start, or does not take more: ours.
    pub const SERVER_GONE: i32 = -32000;
    pub const SESSION_NOT_FOUND: i32 = -32001;
    pub const HEADER_MISMATCH: i32 = -32020;
    pub const UNSUPPORTED_VERSION: i32 = -32022;
}

/// A message can't be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    #[error("not valid JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("not a JSON-RPC message: {0}")]
    Shape(&'static str),
}

impl Unreadable {
    /// JSON-RPC's code for it.
    pub fn code(&self) -> i32 {
        match self {
            Self::Json(error) if !error.is_data() => code::PARSE,
            _ => code::INVALID_REQUEST,
        }
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

/// What the relay looks at in params. Places are within the message's text.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    pub meta: Option<Range<usize>>,
    pub name: Option<Range<usize>>,
    pub uri: Option<Range<usize>>,
    pub level: Option<Range<usize>>,
    pub request_id: Option<Range<usize>>,
    pub progress_token: Option<Range<usize>>,
    pub reference: Option<Range<usize>>,
    pub task: Option<Range<usize>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawFields<'a> {
    #[serde(borrow, rename = "_meta")]
    meta: Option<&'a RawValue>,
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    uri: Option<&'a RawValue>,
    #[serde(borrow)]
    level: Option<&'a RawValue>,
    #[serde(borrow)]
    request_id: Option<&'a RawValue>,
    #[serde(borrow)]
    progress_token: Option<&'a RawValue>,
    #[serde(borrow, rename = "ref")]
    reference: Option<&'a RawValue>,
    #[serde(borrow)]
    task: Option<&'a RawValue>,
}

/// A message and where its parts lie.
#[derive(Clone, Debug)]
pub struct Message {
    pub text: Bytes,
    pub kind: McpKind,
    pub method: Option<Arc<str>>,
    id: Option<Range<usize>>,
    params: Option<Range<usize>>,
    /// Result or error.
    payload: Option<Range<usize>>,
    /// Of its params, once somebody asked.
    fields: OnceLock<Fields>,
}

impl Message {
    /// Reads one message; ids must be strings or numbers.
    pub fn read(text: Bytes) -> Result<Self, Unreadable> {
        let found: Envelope<'_> = serde_json::from_slice(&text)?;
        let place = |part: Option<&RawValue>| part.map(|part| place(&text, part.get()));
        if let Some(id) = found.id
            && !id
                .get()
                .starts_with(|first: char| first == '"' || first == '-' || first.is_ascii_digit())
        {
            return Err(Unreadable::Shape("id must be a string or a number"));
        }
        let kind = match (&found.method, found.id, found.result, found.error) {
            (Some(_), Some(_), None, None) => McpKind::Request,
            (Some(_), None, None, None) => McpKind::Notification,
            (None, Some(_), Some(_), None) => McpKind::Response,
            (None, _, None, Some(_)) => McpKind::Error,
            _ => {
                return Err(Unreadable::Shape(
                    "it has no method, and no result or error",
                ));
            }
        };
        let (id, params) = (place(found.id), place(found.params));
        let payload = place(found.result.or(found.error));
        let method = found.method.map(Arc::from);
        Ok(Self {
            kind,
            method,
            id,
            params,
            payload,
            fields: OnceLock::new(),
            text,
        })
    }

    /// Its method, empty for an answer.
    pub fn method(&self) -> &str {
        self.method.as_deref().unwrap_or_default()
    }

    /// Its id as it stands in the text.
    pub fn id(&self) -> Option<&str> {
        self.id.clone().map(|place| self.at(place))
    }

    /// What stands at a place.
    pub fn at(&self, place: Range<usize>) -> &str {
        // Places come from parts that were read as text.
        std::str::from_utf8(&self.text[place]).unwrap_or_default()
    }

    /// Result or error, without a copy.
    pub fn payload(&self) -> Bytes {
        let place = self.payload.clone().unwrap_or_default();
        self.text.slice(place)
    }

    /// Its params as text.
    pub fn params(&self) -> Option<&str> {
        self.params.clone().map(|place| self.at(place))
    }

    /// Params as a type.
    pub fn params_as<'a, T: Deserialize<'a>>(&'a self) -> Option<T> {
        serde_json::from_str(self.params()?).ok()
    }

    /// The fields of its params that matter here.
    pub fn fields(&self) -> Result<Fields, Unreadable> {
        if let Some(fields) = self.fields.get() {
            return Ok(fields.clone());
        }
        let fields = self.read_fields()?;
        Ok(self.fields.get_or_init(|| fields).clone())
    }

    fn read_fields(&self) -> Result<Fields, Unreadable> {
        let Some(params) = self.params() else {
            return Ok(Fields::default());
        };
        if !params.starts_with('{') {
            return Err(Unreadable::Shape("params must be an object"));
        }
        let raw: RawFields<'_> = serde_json::from_str(params)?;
        let place = |part: Option<&RawValue>| part.map(|part| place(&self.text, part.get()));
        let mut fields = Fields {
            meta: place(raw.meta),
            name: place(raw.name),
            uri: place(raw.uri),
            level: place(raw.level),
            request_id: place(raw.request_id),
            progress_token: place(raw.progress_token),
            reference: place(raw.reference),
            task: place(raw.task),
        };
        // A request has its token in `_meta`, a progress notification beside it.
        if self.kind == McpKind::Request
            && let Some(meta) = raw.meta.filter(|meta| meta.get().starts_with('{'))
        {
            let meta: RawFields<'_> = serde_json::from_str(meta.get())?;
            fields.progress_token = place(meta.progress_token);
        }
        Ok(fields)
    }

    /// The request with more members in its params, which are written as in an object.
    pub fn with_params(&self, members: &str) -> Bytes {
        match &self.params {
            Some(place) => {
                let params = with_members(self.at(place.clone()), members);
                self.with(None, &[(place.clone(), &params)])
            }
            None => {
                let end = self.text.len().saturating_sub(1);
                let added = format!(",\"params\":{{{members}}}}}");
                self.with(None, &[(end..self.text.len(), &added)])
            }
        }
    }

    /// The request with more members in the `_meta` of its params.
    pub fn with_meta(&self, members: &str) -> Bytes {
        match self.fields().ok().and_then(|fields| fields.meta) {
            Some(place) if self.at(place.clone()).starts_with('{') => {
                let meta = with_members(self.at(place.clone()), members);
                self.with(None, &[(place, &meta)])
            }
            _ => self.with_params(&format!("\"_meta\":{{{members}}}")),
        }
    }

    /// The request without what asks for a task; none if it asks for none.
    pub fn without_task(&self) -> Option<Self> {
        self.fields().ok()?.task?;
        let text = std::str::from_utf8(&self.text).ok()?;
        let text = jsonc::remove(text, &["params"], "task")?;
        Self::read(text.into()).ok()
    }

    /// The text with its id replaced, and these places.
    pub fn with(&self, id: Option<&str>, cuts: &[(Range<usize>, &str)]) -> Bytes {
        let mut cuts: Vec<(Range<usize>, &str)> = cuts.to_vec();
        if let (Some(place), Some(id)) = (self.id.clone(), id) {
            cuts.push((place, id));
        }
        cuts.sort_by_key(|(place, _)| place.start);
        let mut out = Vec::with_capacity(self.text.len() + 64);
        let mut from = 0;
        for (place, text) in cuts {
            out.extend_from_slice(&self.text[from..place.start]);
            out.extend_from_slice(text.as_bytes());
            from = place.end;
        }
        out.extend_from_slice(&self.text[from..]);
        one_line(&mut out);
        out.into()
    }
}

/// An object with more members before its own.
fn with_members(object: &str, members: &str) -> String {
    let rest = object.trim_start().strip_prefix('{').unwrap_or_default();
    let comma = if rest.trim_start().starts_with('}') {
        ""
    } else {
        ","
    };
    format!("{{{members}{comma}{rest}")
}

/// Breaks of lines can only stand between tokens; on a pipe and in an event they would end it.
fn one_line(text: &mut [u8]) {
    for byte in text {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
}

/// A text on one line.
pub fn lined(text: Bytes) -> Bytes {
    if text.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
        let mut copy = text.to_vec();
        one_line(&mut copy);
        copy.into()
    } else {
        text
    }
}

/// Where a part lies that was borrowed from the whole.
fn place(whole: &[u8], part: &str) -> Range<usize> {
    let start = part.as_ptr() as usize - whole.as_ptr() as usize;
    start..start + part.len()
}

/// An answer to a client.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The whole message.
    pub text: Bytes,
    /// Where its result or error lies.
    payload: Range<usize>,
    pub is_error: bool,
}

impl Answer {
    /// A result.
    pub fn result(id: &str, result: &[u8]) -> Self {
        Self::new(id, "result", result)
    }

    /// An error, as it came.
    pub fn error(id: &str, error: &[u8]) -> Self {
        Self::new(id, "error", error)
    }

    /// An error of ours.
    pub fn refusal(id: &str, code: i32, message: &str) -> Self {
        let error = json!({"code": code, "message": message}).to_string();
        Self::error(id, error.as_bytes())
    }

    fn new(id: &str, word: &str, payload: &[u8]) -> Self {
        let mut text = Vec::with_capacity(payload.len() + id.len() + 48);
        text.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
        text.extend_from_slice(id.as_bytes());
        text.extend_from_slice(b",\"");
        text.extend_from_slice(word.as_bytes());
        text.extend_from_slice(b"\":");
        let start = text.len();
        text.extend_from_slice(payload);
        let end = text.len();
        text.push(b'}');
        Self {
            text: text.into(),
            payload: start..end,
            is_error: word == "error",
        }
    }

    /// Its result or error.
    pub fn payload(&self) -> Bytes {
        self.text.slice(self.payload.clone())
    }
}

/// A notification of ours.
pub fn notification(method: &str, params: Option<&str>) -> Bytes {
    match params {
        Some(params) => {
            format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{params}}}"#).into()
        }
        None => format!(r#"{{"jsonrpc":"2.0","method":"{method}"}}"#).into(),
    }
}

/// A request of ours.
pub fn request(id: u64, method: &str, params: &str) -> Bytes {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#).into()
}

/// The id of a message of which only the beginning and the end are there.
pub fn id_of_cut(head: &[u8], tail: &[u8]) -> Option<String> {
    let in_head = String::from_utf8_lossy(head);
    // Before the first nested value: further in, an `id` may be anybody's.
    let before = in_head
        .get(1..)?
        .split(['{', '['])
        .next()
        .unwrap_or_default();
    if let Some(id) = id_in(before) {
        return Some(id);
    }
    let in_tail = String::from_utf8_lossy(tail);
    let after = in_tail.trim_end().strip_suffix('}')?;
    let after = after.rsplit(['}', ']']).next().unwrap_or_default();
    id_in(after)
}

fn id_in(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("\"id\"")?;
    let rest = rest.trim_start().strip_prefix(':')?.trim_start();
    if let Some(word) = rest.strip_prefix('"') {
        let (word, _) = word.split_once('"')?;
        return Some(format!("\"{word}\""));
    }
    let end = rest
        .find(|letter: char| !letter.is_ascii_digit() && letter != '-')
        .unwrap_or(rest.len());
    (end > 0).then(|| rest[..end].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &'static str) -> Result<Message, Unreadable> {
        Message::read(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn ids_and_tokens_are_cut_in_and_all_else_stays() {
        let message = read(
            "{\"id\": \"a\\\"b\", \"x\": 1,\n \"method\":\"tools/call\", \"params\":{\"arguments\":{\"id\":7,\"progressToken\":1}, \"_meta\":{\"k\":0, \"progressToken\":\"t\"}, \"name\":\"n\"}}",
        )
        .unwrap();
        assert_eq!(
            (message.kind, message.id()),
            (McpKind::Request, Some("\"a\\\"b\""))
        );
        let fields = message.fields().unwrap();
        let token = fields.progress_token.unwrap();
        assert_eq!(message.at(token.clone()), "\"t\"");
        let text = message.with(
            Some("12"),
            &[(token, "12"), (fields.name.unwrap(), "\"m\"")],
        );
        assert_eq!(
            text,
            "{\"id\": 12, \"x\": 1,  \"method\":\"tools/call\", \"params\":{\"arguments\":{\"id\":7,\"progressToken\":1}, \"_meta\":{\"k\":0, \"progressToken\":12}, \"name\":\"m\"}}"
        );
    }

    #[test]
    fn params_and_meta_get_more_members() {
        let with = |text: &str, change: &dyn Fn(&Message) -> Bytes| {
            let message = Message::read(Bytes::copy_from_slice(text.as_bytes())).unwrap();
            String::from_utf8(change(&message).to_vec()).unwrap()
        };
        for (text, params, meta) in [
            (
                r#"{"id":1,"method":"m"}"#,
                r#"{"id":1,"method":"m","params":{"a":1}}"#,
                r#"{"id":1,"method":"m","params":{"_meta":{"a":1}}}"#,
            ),
            (
                r#"{"id":1,"params":{ },"method":"m"}"#,
                r#"{"id":1,"params":{"a":1 },"method":"m"}"#,
                r#"{"id":1,"params":{"_meta":{"a":1} },"method":"m"}"#,
            ),
            (
                r#"{"id":1,"method":"m","params":{"_meta":{"b":2},"c":3}}"#,
                r#"{"id":1,"method":"m","params":{"a":1,"_meta":{"b":2},"c":3}}"#,
                r#"{"id":1,"method":"m","params":{"_meta":{"a":1,"b":2},"c":3}}"#,
            ),
        ] {
            assert_eq!(
                with(text, &|message| message.with_params("\"a\":1")),
                params
            );
            assert_eq!(with(text, &|message| message.with_meta("\"a\":1")), meta);
        }
    }

    #[test]
    fn a_task_is_taken_out_and_all_else_stays() {
        let message = |params: &str| {
            let text = format!(r#"{{"id":1,"method":"tools/call","params":{params}}}"#);
            Message::read(text.into()).unwrap()
        };
        let asked = message(r#"{"task": {"ttl": 1}, "name": "n", "arguments": {"task": 1.0}}"#);
        let plain = asked.without_task().unwrap();
        assert_eq!(
            plain.params(),
            Some(r#"{"name": "n", "arguments": {"task": 1.0}}"#)
        );
        assert!(plain.without_task().is_none());
        assert_eq!(
            message(r#"{"task":{}}"#).without_task().unwrap().params(),
            Some("{}")
        );
    }

    #[test]
    fn what_is_no_message_is_refused_with_its_code() {
        let code = |text| read(text).unwrap_err().code();
        assert_eq!(code("nonsense"), code::PARSE);
        assert_eq!(code("{"), code::PARSE);
        assert_eq!(code("{}"), code::INVALID_REQUEST);
        assert_eq!(code("[1]"), code::INVALID_REQUEST);
        assert_eq!(code(r#"{"id":{},"method":"x"}"#), code::INVALID_REQUEST);
        assert_eq!(
            code(r#"{"id":1,"result":{},"error":{}}"#),
            code::INVALID_REQUEST
        );
        let result = read(r#"{"result":{"a":[1]},"jsonrpc":"2.0","id":3}"#).unwrap();
        assert_eq!(result.payload(), r#"{"a":[1]}"#);
    }

    #[test]
    fn the_id_of_a_cut_message_is_found_where_it_can_only_be_its_own() {
        let id = |head: &str, tail: &str| id_of_cut(head.as_bytes(), tail.as_bytes());
        assert_eq!(
            id(r#"{"jsonrpc":"2.0","id":5,"result":{"id":7"#, "xx"),
            Some("5".into())
        );
        assert_eq!(
            id(
                r#"{"result":{"id":7,"#,
                r#""id":8}],"jsonrpc":"2.0","id":"q"}"#
            ),
            Some("\"q\"".into())
        );
        assert_eq!(id(r#"{"result":{"id":7,"#, r#""id":8}}"#), None);
    }

    #[test]
    fn answers_know_their_payload() {
        let answer = Answer::result("\"q\"", b"{\"a\":1}");
        assert_eq!(
            answer.text,
            r#"{"jsonrpc":"2.0","id":"q","result":{"a":1}}"#
        );
        assert_eq!(answer.payload(), r#"{"a":1}"#);
        assert!(Answer::refusal("1", -1, "no \"way\"").is_error);
    }
}
