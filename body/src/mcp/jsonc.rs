//! JSON as people write it, with comments and trailing commas: read as strict JSON, and changed
//! one member at a time, so that all else in a file stays as somebody wrote it.

use std::{fmt, ops::Range};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::{Value, value::RawValue};

/// The same text with blanks for comments, trailing commas and a byte order mark: every part of it
/// stays at its place.
pub fn strict(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    if bytes.starts_with(b"\xef\xbb\xbf") {
        blank(&mut bytes[..3]);
    }
    // The last byte that isn't a blank, and a comma that nothing has followed yet.
    let (mut last, mut comma) = (b'{', None);
    let mut at = 0;
    while at < bytes.len() {
        let next = match bytes[at] {
            b'/' => match comment_end(&bytes, at) {
                Some(end) => {
                    blank(&mut bytes[at..end]);
                    at = end;
                    continue;
                }
                None => at + 1,
            },
            b'"' => string_end(&bytes, at),
            byte if byte.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            _ => at + 1,
        };
        match bytes[at] {
            b',' => comma = (!matches!(last, b'{' | b'[' | b',')).then_some(at),
            b'}' | b']' => {
                if let Some(comma) = comma.take() {
                    bytes[comma] = b' ';
                }
            }
            _ => comma = None,
        }
        last = bytes[at];
        at = next;
    }
    // Only whole characters were blanked.
    String::from_utf8(bytes).unwrap_or_default()
}

fn blank(part: &mut [u8]) {
    for byte in part {
        if !matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
}

/// Where a comment ends that begins here; none if there is none, or it has no end.
fn comment_end(bytes: &[u8], start: usize) -> Option<usize> {
    let rest = bytes.get(start + 2..)?;
    match bytes[start + 1] {
        b'/' => {
            let end = rest.iter().position(|byte| *byte == b'\n');
            Some(end.map_or(bytes.len(), |end| start + 2 + end))
        }
        b'*' => {
            let end = rest.windows(2).position(|pair| pair == b"*/")?;
            Some(start + 4 + end)
        }
        _ => None,
    }
}

/// Where a string ends that begins here.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// A member of an object, and where it stands in the text.
#[derive(Debug)]
pub struct Member {
    pub name: String,
    pub key: Range<usize>,
    pub value: Range<usize>,
}

/// The members of the object that stands there in a strict text, in their order, also those of the
/// same name; none if it isn't an object.
pub fn members(text: &str, object: Range<usize>) -> Option<Vec<Member>> {
    let part = text.get(object)?;
    if !part.trim_start().starts_with('{') {
        return None;
    }
    let pairs: Pairs<'_> = serde_json::from_str(part).ok()?;
    let place = |part: &RawValue| {
        let start = part.get().as_ptr() as usize - text.as_ptr() as usize;
        start..start + part.get().len()
    };
    let members = pairs.0.into_iter().map(|(key, value)| {
        Some(Member {
            name: serde_json::from_str(key.get()).ok()?,
            key: place(key),
            value: place(value),
        })
    });
    members.collect()
}

/// The member that counts: the last one of this name.
pub fn find<'a>(members: &'a [Member], name: &str) -> Option<&'a Member> {
    members.iter().rfind(|member| member.name == name)
}

struct Pairs<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Pairs<'de>;

            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        from.deserialize_map(All)
    }
}

/// The text with a member of an object set to a value. The object is found by its names from the
/// whole text's top on, and made if it isn't there. None if the text can't be read, or something
/// else stands in the way.
pub fn set(text: &str, path: &[&str], name: &str, value: &Value) -> Option<String> {
    let plain = strict(text);
    let mut object = 0..plain.len();
    for (depth, step) in path.iter().enumerate() {
        let Some(member) = taken(members(&plain, object.clone())?, step) else {
            // All that is missing, from the inside out.
            let inside = path[depth + 1..].iter().rev();
            let inner = Value::Object([(name.to_owned(), value.clone())].into_iter().collect());
            let whole = inside.fold(inner, |inner, step| {
                Value::Object([((*step).to_owned(), inner)].into_iter().collect())
            });
            return set(text, &path[..depth], step, &whole);
        };
        object = member.value;
    }
    let members = members(&plain, object.clone())?;
    let outer = indent(text, object.start);
    let first = members.first().map(|first| first.key.start);
    // Members that stand on one line stay so.
    let own_lines = first.is_none_or(|first| text[object.start..first].contains('\n'));
    let inner = match first {
        Some(first) if own_lines => indent(text, first),
        _ => format!("{outer}  "),
    };
    let written = serde_json::to_string_pretty(value).ok()?;
    let written = written.replace('\n', &format!("\n{inner}"));
    if let Some(member) = find(&members, name) {
        let (before, after) = (&text[..member.value.start], &text[member.value.end..]);
        return Some(format!("{before}{written}{after}"));
    }
    let key = Value::from(name);
    let (place, added) = match members.last() {
        Some(last) if own_lines => (last.value.end, format!(",\n{inner}{key}: {written}")),
        Some(last) => (last.value.end, format!(", {key}: {written}")),
        None => {
            let start = plain[object.clone()].find('{')? + object.start + 1;
            let rest = &text[start..object.end];
            let end = if rest.contains('\n') {
                String::new()
            } else {
                format!("\n{outer}")
            };
            (start, format!("\n{inner}{key}: {written}{end}"))
        }
    };
    Some(format!("{}{added}{}", &text[..place], &text[place..]))
}

/// The text without a member of an object: none if the text can't be read, the same text if there
/// is no such member.
pub fn remove(text: &str, path: &[&str], name: &str) -> Option<String> {
    let mut text = text.to_owned();
    loop {
        let plain = strict(&text);
        let mut object = 0..plain.len();
        for step in path {
            let Some(member) = taken(members(&plain, object)?, step) else {
                return Some(text);
            };
            object = member.value;
        }
        let members = members(&plain, object)?;
        let Some(at) = members.iter().position(|member| member.name == name) else {
            return Some(text);
        };
        let gone = match (members.get(at + 1), at.checked_sub(1)) {
            (Some(next), _) => members[at].key.start..next.key.start,
            (None, Some(before)) => members[before].value.end..members[at].value.end,
            (None, None) => {
                let end = members[at].value.end;
                members[at].key.start..after_comma(text.as_bytes(), end).unwrap_or(end)
            }
        };
        text.replace_range(gone, "");
    }
}

/// Where a comma ends that follows, behind blanks and comments.
fn after_comma(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match bytes.get(at)? {
            b',' => return Some(at + 1),
            b'/' => at = comment_end(bytes, at)?,
            byte if byte.is_ascii_whitespace() => at += 1,
            _ => return None,
        }
    }
}

fn taken(members: Vec<Member>, name: &str) -> Option<Member> {
    members.into_iter().rfind(|member| member.name == name)
}

/// What the line of a place begins with.
fn indent(text: &str, place: usize) -> String {
    let line = text[..place].rsplit('\n').next().unwrap_or_default();
    let blank = line.find(|letter: char| !matches!(letter, ' ' | '\t'));
    line[..blank.unwrap_or(line.len())].to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Option<Value> {
        let plain = strict(text);
        assert_eq!(plain.len(), text.len());
        serde_json::from_str(&plain).ok()
    }

    #[test]
    fn comments_and_trailing_commas_are_left_out_and_strings_are_not_looked_into() {
        let text = "\u{feff}{ // ä, \"x\": 1\n \"a\": \"// no, ] /* \\\" */\", /* , */ \"b\": [1, 2, /* ] */ ], \"u\": \"http://x\",\n}// end";
        assert_eq!(
            read(text),
            Some(json!({"a": "// no, ] /* \" */", "b": [1, 2], "u": "http://x"}))
        );
        for wrong in [
            "{,}",
            "[,]",
            "[1,,]",
            "{\"a\":,}",
            "[1 /* no end ]",
            "/",
            "\"",
            "[1]]",
            "",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_change_leaves_all_else_as_it_was_written() {
        let text = "{\n  // mine\n  \"z\": 1.0,\n  \"servers\": {\n    \"b\": {\"command\": \"x\"}, // why\n    \"a\": 2,\n  },\n}\n";
        let changed = set(text, &["servers"], "c", &json!({"url": "u"})).unwrap();
        assert_eq!(
            changed,
            text.replace(
                "\"a\": 2",
                "\"a\": 2,\n    \"c\": {\n      \"url\": \"u\"\n    }"
            )
        );
        assert_eq!(read(&changed).unwrap()["servers"]["c"]["url"], "u");
        let changed = set(text, &["servers", "b"], "disabled", &json!(true)).unwrap();
        assert_eq!(
            changed,
            text.replace("\"x\"}", "\"x\", \"disabled\": true}")
        );
        assert_eq!(
            set(text, &["servers"], "a", &json!(3)).unwrap(),
            text.replace("2", "3")
        );
        let without = remove(text, &["servers"], "b").unwrap();
        assert!(
            without.contains("// mine") && without.contains("\"z\": 1.0"),
            "{without}"
        );
        assert_eq!(read(&without).unwrap()["servers"], json!({"a": 2}));
        let without = remove(&without, &["servers"], "a").unwrap();
        assert_eq!(read(&without).unwrap(), json!({"z": 1.0, "servers": {}}));
        assert_eq!(remove(text, &["servers"], "nobody").as_deref(), Some(text));
    }

    #[test]
    fn what_is_missing_is_made_and_what_is_in_the_way_is_not_written_over() {
        for text in ["{}", "{\n}\n", "{ /* empty */ }", "{\"a\": 1}"] {
            let made = set(text, &["mcp", "servers"], "x", &json!({"url": "u"})).unwrap();
            assert_eq!(
                read(&made).unwrap()["mcp"]["servers"]["x"]["url"],
                "u",
                "{made}"
            );
            assert_eq!(made.contains("/* empty */"), text.contains("/*"), "{made}");
        }
        for text in ["{\"servers\": []}", "[]", "{", "7"] {
            assert_eq!(set(text, &["servers"], "x", &json!(1)), None, "{text}");
        }
    }

    #[test]
    fn of_members_of_one_name_the_last_counts_and_all_are_removed() {
        let text = r#"{"s": {"a": 1, "b": 2, "a": 3}}"#;
        let changed = set(text, &["s"], "a", &json!(4)).unwrap();
        assert_eq!(changed, text.replace('3', "4"));
        let without = remove(text, &["s"], "a").unwrap();
        assert_eq!(read(&without).unwrap(), json!({"s": {"b": 2}}));
    }
}
