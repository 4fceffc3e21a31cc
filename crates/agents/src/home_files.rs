//! Files of an agent's home that are written before its tool starts for the first time. What is there
//! already, by its image, keeps its own values.

use frames::{
    Name,
    message::{Event, Request},
};
use init_client::{Call, Piece, Session, SessionEnd};
use serde_json::Value;

use crate::{
    catalogue::{FileFormat, FirstRunFile},
    container::HOME,
};

/// The most that is read of one that is there.
const MOST_BYTES: usize = 1 << 20;

/// Writes them.
pub(crate) async fn write(session: &Session, files: &[FirstRunFile]) -> Result<(), SessionEnd> {
    for file in files {
        let path = format!("{HOME}/{}", file.path);
        let before = read(session, &path).await?;
        if let Some(text) = merged(file, before.as_deref()) {
            put(session, &path, text.as_bytes()).await?;
        }
    }
    Ok(())
}

/// What the file has then; `None` if it stays as it is, also because it can't be understood.
fn merged(file: &FirstRunFile, before: Option<&str>) -> Option<String> {
    let Some(before) = before else {
        return Some(file.content.clone());
    };
    match file.format {
        FileFormat::Text => None,
        FileFormat::Json => {
            let mut into: Value = serde_json::from_str(before).ok()?;
            add_json(&mut into, serde_json::from_str(&file.content).ok()?);
            serde_json::to_string_pretty(&into).ok()
        }
        FileFormat::Toml => {
            let mut into: toml::Table = before.parse().ok()?;
            add_toml(&mut into, file.content.parse().ok()?);
            Some(into.to_string())
        }
    }
}

fn add_json(into: &mut Value, from: Value) {
    let (Value::Object(into), Value::Object(from)) = (into, from) else {
        return;
    };
    for (key, value) in from {
        match into.get_mut(&key) {
            Some(own) => add_json(own, value),
            None => {
                into.insert(key, value);
            }
        }
    }
}

fn add_toml(into: &mut toml::Table, from: toml::Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(toml::Value::Table(own)), toml::Value::Table(value)) => add_toml(own, value),
            (Some(_), _) => {}
            (None, value) => {
                into.insert(key, value);
            }
        }
    }
}

/// `None` if there is none, or none that can be text of a tool's.
async fn read(session: &Session, path: &str) -> Result<Option<String>, SessionEnd> {
    let request = Request::Read {
        path: Name::from(path),
        from: 0,
        length: Some(MOST_BYTES as u64),
    };
    let call = Call::new(session, request)?;
    let mut bytes = Vec::new();
    while let Some(piece) = call.next().await? {
        match piece {
            Piece::Data(data) if bytes.len() + data.len() <= MOST_BYTES => {
                bytes.extend_from_slice(&data);
            }
            Piece::Data(_) => return Err(SessionEnd("a file is longer than was asked for".into())),
            Piece::Event(Event::Refused { .. }) => return Ok(None),
            Piece::Event(_) => {}
        }
    }
    Ok(String::from_utf8(bytes).ok())
}

/// Puts a file, which only the agent may read, with the folders that it needs.
pub(crate) async fn put(session: &Session, path: &str, bytes: &[u8]) -> Result<(), SessionEnd> {
    let write = Request::Write {
        path: Name::from(path),
        mode: Some(0o600),
        parents: true,
    };
    let call = Call::new(session, write)?;
    call.send(bytes).await;
    call.close_input();
    match call.event().await? {
        Event::Done { .. } => Ok(()),
        Event::Refused { message, .. } => Err(SessionEnd(message)),
        _ => Err(SessionEnd("unexpected response to a file".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(format: FileFormat, content: &str) -> FirstRunFile {
        FirstRunFile {
            path: ".tool".to_owned().try_into().unwrap(),
            format,
            content: content.into(),
        }
    }

    #[test]
    fn what_is_there_keeps_its_own_values() {
        let json = file(FileFormat::Json, r#"{"a": 1, "b": {"c": 2, "d": 3}}"#);
        assert_eq!(merged(&json, None).as_deref(), Some(json.content.as_str()));
        let text = merged(&json, Some(r#"{"b": {"c": 9}, "e": 4}"#)).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        let expected = serde_json::json!({"a": 1, "b": {"c": 9, "d": 3}, "e": 4});
        assert_eq!(value, expected);
        let toml = file(FileFormat::Toml, "a = 1\n[b]\nc = 2\n");
        let text = merged(&toml, Some("[b]\nc = 9\n[d]\ne = 1\n")).unwrap();
        let value: toml::Table = text.parse().unwrap();
        assert_eq!(value["a"].as_integer(), Some(1));
        assert_eq!(value["b"]["c"].as_integer(), Some(9));
        assert_eq!(merged(&file(FileFormat::Text, "x"), Some("y")), None);
    }

    #[test]
    fn what_cannot_be_understood_stays() {
        assert_eq!(merged(&file(FileFormat::Json, "{}"), Some("{")), None);
        assert_eq!(merged(&file(FileFormat::Toml, "a = 1"), Some("[")), None);
    }
}
