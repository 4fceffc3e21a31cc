//! JSON of a notebook file with the place of each value in its text, so that what nobody changed can be
//! written again as it stands there. It takes what other programs take: a byte order mark, `NaN` and
//! `Infinity`, halves of surrogate pairs, nesting of any depth.

use std::ops::Range;

use machine_client::json::MOST_VALUES;
use serde_json::{Map, Number, Value};

/// Lists and objects that lie deeper are not read: [`TOO_DEEP`] stands for each. A request may be nested
/// no more than 128 times.
const DEEPEST: usize = 100;
/// What stands for a value that is nested too deeply; saved again, the value stays in the file.
pub(super) const TOO_DEEP: &str = "[nested too deeply to be shown; kept in the file]";

/// Why a text could not be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TreeError {
    #[error("it has more than {MOST_VALUES} values")]
    TooMany,
    #[error("{expected} was expected at line {line}, column {column}")]
    Unexpected {
        expected: &'static str,
        line: usize,
        column: usize,
    },
}

/// A value and its place in the text.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) place: Range<usize>,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    /// `null`, and a number that JSON lacks.
    Null,
    Boolean(bool),
    Number,
    Text,
    List(Vec<Node>),
    Object(Vec<Field>),
    /// A list or an object whose values were not read.
    Deep,
}

#[derive(Debug)]
pub(super) struct Field {
    /// With its quotation marks.
    pub(super) name: Range<usize>,
    pub(super) value: Node,
}

impl Node {
    /// Reads a text.
    ///
    /// # Errors
    /// Where it isn't JSON as described above, or has too many values.
    pub(super) fn read(text: &str) -> Result<Self, TreeError> {
        let mut reader = Reader {
            text: text.as_bytes(),
            at: if text.starts_with('\u{feff}') { 3 } else { 0 },
            values: 0,
        };
        let root = reader.value(0)?;
        reader.blank();
        match reader.peek() {
            None => Ok(root),
            Some(_) => Err(reader.unexpected("the end of the file")),
        }
    }

    /// The value as programs see it that know less numbers, texts and depth than this.
    pub(super) fn view(&self, text: &str) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Boolean(is_true) => Value::Bool(*is_true),
            Kind::Number => number(&text[self.place.clone()]),
            Kind::Text => Value::String(unescaped(&text[self.place.clone()])),
            Kind::List(items) => items.iter().map(|item| item.view(text)).collect(),
            Kind::Object(fields) => {
                let fields = fields.iter();
                let fields = fields.map(|field| (field.name(text), field.value.view(text)));
                Value::Object(fields.collect::<Map<_, _>>())
            }
            Kind::Deep => TOO_DEEP.into(),
        }
    }

    /// The value of a field; the last one, where there are several of the name.
    pub(super) fn field(&self, text: &str, name: &str) -> Option<&Self> {
        let Kind::Object(fields) = &self.kind else {
            return None;
        };
        let found = fields.iter().rfind(|field| field.name(text) == name);
        found.map(|field| &field.value)
    }

    /// Whether its [view](Self::view) is this value. Numbers are compared as JavaScript has them.
    pub(super) fn is(&self, text: &str, value: &Value) -> bool {
        match (&self.kind, value) {
            (Kind::Null, Value::Null) => true,
            (Kind::Boolean(one), Value::Bool(other)) => one == other,
            (Kind::Number, Value::Number(other)) => {
                float(&text[self.place.clone()]) == other.as_f64().unwrap_or(f64::NAN)
            }
            (Kind::Number, Value::Null) => number(&text[self.place.clone()]).is_null(),
            (Kind::Text, Value::String(other)) => unescaped(&text[self.place.clone()]) == *other,
            (Kind::List(items), Value::Array(others)) => {
                items.len() == others.len()
                    && items
                        .iter()
                        .zip(others)
                        .all(|(item, other)| item.is(text, other))
            }
            (Kind::Object(fields), Value::Object(others)) => {
                let mut names = std::collections::HashSet::new();
                // Of several of a name, the last one counts.
                fields.iter().rev().all(|field| {
                    let name = field.name(text);
                    let is = others
                        .get(&name)
                        .is_some_and(|other| field.value.is(text, other));
                    !names.insert(name) || is
                }) && names.len() == others.len()
            }
            (Kind::Deep, Value::String(other)) => other == TOO_DEEP,
            _ => false,
        }
    }
}

impl Field {
    pub(super) fn name(&self, text: &str) -> String {
        unescaped(&text[self.name.clone()])
    }
}

fn float(digits: &str) -> f64 {
    digits.parse().unwrap_or(f64::NAN)
}

fn number(digits: &str) -> Value {
    let whole = digits.parse::<i64>().map(Number::from);
    let whole = whole.or_else(|_| digits.parse::<u64>().map(Number::from));
    // Too large a number is none in JavaScript either.
    whole.map_or_else(
        |_| Number::from_f64(float(digits)).map_or(Value::Null, Value::Number),
        Value::Number,
    )
}

/// What a text says; half of a surrogate pair becomes U+FFFD.
fn unescaped(quoted: &str) -> String {
    let inside = quoted.get(1..quoted.len() - 1).unwrap_or_default();
    if !inside.contains('\\') {
        return inside.to_owned();
    }
    let mut units: Vec<u16> = Vec::new();
    let mut out = String::with_capacity(inside.len());
    let mut rest = inside;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let escape = rest.as_bytes()[at + 1];
        rest = &rest[at + 2..];
        let plain = match escape {
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                units.clear();
                units.extend(u16::from_str_radix(&rest[..4], 16));
                rest = &rest[4..];
                // The other half of a pair stands right behind it.
                if (0xd800..0xdc00).contains(&units[0])
                    && let Some(second) = rest.strip_prefix("\\u")
                    && let Ok(low @ 0xdc00..0xe000) = u16::from_str_radix(&second[..4], 16)
                {
                    units.push(low);
                    rest = &second[4..];
                }
                out.push_str(&String::from_utf16_lossy(&units));
                continue;
            }
            other => char::from(other),
        };
        out.push(plain);
    }
    out.push_str(rest);
    out
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    values: usize,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Result<Node, TreeError> {
        self.blank();
        self.values += 1;
        if self.values > MOST_VALUES {
            return Err(TreeError::TooMany);
        }
        let start = self.at;
        let kind = match self.peek() {
            Some(b'{' | b'[') if depth >= DEEPEST => self.deep()?,
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.list(depth)?,
            Some(b'"') => self.text()?,
            Some(b't') => self.word("true", Kind::Boolean(true))?,
            Some(b'f') => self.word("false", Kind::Boolean(false))?,
            Some(b'n') => self.word("null", Kind::Null)?,
            Some(b'N') => self.word("NaN", Kind::Null)?,
            Some(b'I') => self.word("Infinity", Kind::Null)?,
            Some(b'-') if self.text.get(self.at + 1) == Some(&b'I') => {
                self.word("-Infinity", Kind::Null)?
            }
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ => return Err(self.unexpected("a value")),
        };
        Ok(Node {
            place: start..self.at,
            kind,
        })
    }

    fn object(&mut self, depth: usize) -> Result<Kind, TreeError> {
        let mut fields = Vec::new();
        self.at += 1;
        self.blank();
        if self.takes(b'}') {
            return Ok(Kind::Object(fields));
        }
        loop {
            self.blank();
            let start = self.at;
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("a name in quotation marks"));
            }
            self.text()?;
            let name = start..self.at;
            self.blank();
            if !self.takes(b':') {
                return Err(self.unexpected("a colon"));
            }
            let value = self.value(depth + 1)?;
            fields.push(Field { name, value });
            self.blank();
            if self.takes(b'}') {
                return Ok(Kind::Object(fields));
            }
            if !self.takes(b',') {
                return Err(self.unexpected("a comma or }"));
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Kind, TreeError> {
        let mut items = Vec::new();
        self.at += 1;
        self.blank();
        if self.takes(b']') {
            return Ok(Kind::List(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.blank();
            if self.takes(b']') {
                return Ok(Kind::List(items));
            }
            if !self.takes(b',') {
                return Err(self.unexpected("a comma or ]"));
            }
        }
    }

    /// Passes over a list or an object. Whatever is wrong in it stays in the file.
    fn deep(&mut self) -> Result<Kind, TreeError> {
        let mut open = Vec::new();
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.text()?;
                    continue;
                }
                Some(bracket @ (b'{' | b'[')) => open.push(bracket + 2),
                Some(bracket @ (b'}' | b']')) if open.last() == Some(&bracket) => {
                    open.pop();
                }
                Some(b'}' | b']') | None => return Err(self.unexpected("the end of a list")),
                Some(_) => {}
            }
            self.at += 1;
            if open.is_empty() {
                return Ok(Kind::Deep);
            }
        }
    }

    fn text(&mut self) -> Result<Kind, TreeError> {
        self.at += 1;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Kind::Text);
                }
                Some(b'\\') => {
                    self.at += 1;
                    let digits = self.text.get(self.at + 1..self.at + 5);
                    match self.peek() {
                        Some(b'u')
                            if digits.is_some_and(|all| all.iter().all(u8::is_ascii_hexdigit)) =>
                        {
                            self.at += 5;
                        }
                        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                            self.at += 1;
                        }
                        _ => return Err(self.unexpected("an escape sequence")),
                    }
                }
                Some(0x20..) => self.at += 1,
                _ => return Err(self.unexpected("the end of a text")),
            }
        }
    }

    fn number(&mut self) -> Result<Kind, TreeError> {
        self.takes(b'-');
        if !self.takes(b'0') && self.digits() == 0 {
            return Err(self.unexpected("a digit"));
        }
        if self.takes(b'.') && self.digits() == 0 {
            return Err(self.unexpected("a digit"));
        }
        if self.takes(b'e') || self.takes(b'E') {
            let _ = self.takes(b'+') || self.takes(b'-');
            if self.digits() == 0 {
                return Err(self.unexpected("a digit"));
            }
        }
        Ok(Kind::Number)
    }

    fn digits(&mut self) -> usize {
        let begin = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        self.at - begin
    }

    fn word(&mut self, word: &'static str, kind: Kind) -> Result<Kind, TreeError> {
        if self.text[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(kind);
        }
        Err(self.unexpected("a value"))
    }

    fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn takes(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn unexpected(&self, expected: &'static str) -> TreeError {
        let before = &self.text[..self.at.min(self.text.len())];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let column = before
            .iter()
            .rev()
            .take_while(|byte| **byte != b'\n')
            .count()
            + 1;
        TreeError::Unexpected {
            expected,
            line,
            column,
        }
    }
}
