//! A server's entry: what may be in it, how it is written and shown, and the variables in it.

use std::collections::BTreeMap;

use hyper::{
    Uri,
    header::{HeaderName, HeaderValue},
    http::uri::InvalidUri,
};
use serde_json::Value;
use wire::mcp::McpServerEntry;

/// What stands for a value that is not shown.
pub const HIDDEN: &str = "•••";

/// An entry as it is written: what is left out stays out.
pub fn plain(entry: &McpServerEntry) -> Value {
    let mut value = serde_json::to_value(entry).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|name, field| match field {
            Value::Bool(on) => *on,
            Value::Object(inside) => !inside.is_empty(),
            // A list of no tools is a list.
            Value::Array(inside) => name == "tools" || !inside.is_empty(),
            _ => true,
        });
    }
    value
}

/// Why a server can't be taken.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error(
        "invalid server name {0:?}: use 1 to 48 letters, digits, '-', '_' and '.', with at least one letter or digit and without '__'"
    )]
    Name(String),
    #[error("{name}: {source}")]
    Entry { name: String, source: EntryError },
}

/// Why an entry can't be served.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    #[error("the \"type\" of a command must be \"stdio\"; set a \"url\" for a remote server")]
    CommandType,
    #[error("\"headers\" require a \"url\"")]
    CommandHeaders,
    #[error("set a \"command\" or a \"url\"")]
    Neither,
    #[error("set either a \"command\" or a \"url\", not both")]
    Both,
    #[error("values can't contain a zero byte")]
    ZeroByte,
    #[error("invalid variable name: {0:?}")]
    Variable(String),
    #[error("\"type\" must be \"http\" or \"sse\", not {0:?}")]
    UrlType(String),
    #[error("invalid \"url\": {0}")]
    Address(#[from] InvalidUri),
    #[error("\"url\" must start with http:// or https://")]
    Scheme,
    #[error("\"url\" must not contain a user; set Authorization in \"headers\" instead")]
    User,
    #[error("the header {0:?} is set by the transport itself")]
    OwnHeader(String),
    #[error("invalid header name: {0:?}")]
    HeaderName(String),
    #[error("the value of the header {0:?} contains invalid characters")]
    HeaderValue(String),
}

/// Whether a server may be called so.
pub fn check_name(name: &str) -> Result<(), ServerError> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    // Dots alone would be a step in a path, also in that of an address.
    let is_word = name.chars().any(|letter| letter.is_ascii_alphanumeric());
    if !is_word || name.len() > 48 || !name.chars().all(plain) || name.contains("__") {
        return Err(ServerError::Name(name.to_owned()));
    }
    Ok(())
}

/// Whether a server may be called so and its entry can be served.
pub fn check(name: &str, entry: &McpServerEntry) -> Result<(), ServerError> {
    check_name(name)?;
    let checked = match &entry.url {
        Some(url) => check_url(url, entry),
        None => check_command(entry),
    };
    checked.map_err(|source| ServerError::Entry {
        name: name.to_owned(),
        source,
    })
}

fn check_command(entry: &McpServerEntry) -> Result<(), EntryError> {
    if entry.kind.as_deref().is_some_and(|kind| kind != "stdio") {
        return Err(EntryError::CommandType);
    }
    if !entry.headers.is_empty() {
        return Err(EntryError::CommandHeaders);
    }
    let Some(command) = entry.command.as_ref().filter(|word| !word.is_empty()) else {
        return Err(EntryError::Neither);
    };
    let words = entry.args.iter().chain(entry.env.values());
    if words.chain([command]).any(|word| word.contains('\0')) {
        return Err(EntryError::ZeroByte);
    }
    if let Some(variable) = entry
        .env
        .keys()
        .find(|variable| variable.is_empty() || variable.contains(['=', '\0']))
    {
        return Err(EntryError::Variable(variable.clone()));
    }
    Ok(())
}

/// Words for Streamable HTTP, as clients write them.
const STREAMABLE: [&str; 4] = [
    "http",
    "streamable-http",
    "streamableHttp",
    "streamable_http",
];
/// Headers that the transport sets itself.
const OWN: [&str; 9] = [
    "accept",
    "connection",
    "content-length",
    "content-type",
    "host",
    "last-event-id",
    "mcp-protocol-version",
    "mcp-session-id",
    "transfer-encoding",
];

fn check_url(url: &str, entry: &McpServerEntry) -> Result<(), EntryError> {
    if entry.command.is_some() {
        return Err(EntryError::Both);
    }
    if let Some(kind) = entry.kind.as_deref()
        && kind != "sse"
        && !STREAMABLE.contains(&kind)
    {
        return Err(EntryError::UrlType(kind.to_owned()));
    }
    // What a variable brings is looked at when it is used.
    if !url.contains("${") {
        address(url)?;
    }
    for (name, value) in &entry.headers {
        header(name, value)?;
    }
    Ok(())
}

/// The address of a server elsewhere.
pub fn address(url: &str) -> Result<Uri, EntryError> {
    let bare = url.split('#').next().unwrap_or_default().trim();
    let address: Uri = bare.parse()?;
    if !matches!(address.scheme_str(), Some("http" | "https")) || address.host().is_none() {
        return Err(EntryError::Scheme);
    }
    if address
        .authority()
        .is_some_and(|authority| authority.as_str().contains('@'))
    {
        return Err(EntryError::User);
    }
    Ok(address)
}

/// A header that an entry adds.
pub fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), EntryError> {
    let lower = name.to_lowercase();
    if OWN.contains(&&*lower) {
        return Err(EntryError::OwnHeader(name.to_owned()));
    }
    let header = HeaderName::from_bytes(lower.as_bytes())
        .map_err(|_| EntryError::HeaderName(name.to_owned()))?;
    let mut value =
        HeaderValue::from_str(value).map_err(|_| EntryError::HeaderValue(name.to_owned()))?;
    value.set_sensitive(true);
    Ok((header, value))
}

/// Whether it names a server, and not only turns on or off the one below it.
pub fn names_server(entry: &McpServerEntry) -> bool {
    entry.command.is_some() || entry.url.is_some()
}

/// Puts back what was not shown.
pub fn restore(entry: &mut McpServerEntry, now: &McpServerEntry) {
    let put = |fields: &mut BTreeMap<String, String>, now: &BTreeMap<String, String>| {
        for (name, value) in fields {
            if value == HIDDEN {
                value.clone_from(now.get(name).unwrap_or(&String::new()));
            }
        }
    };
    put(&mut entry.env, &now.env);
    put(&mut entry.headers, &now.headers);
    if let Some(url) = &mut entry.url {
        *url = restored(url, now.url.as_deref().unwrap_or_default());
    }
}

/// An address with what was hidden in its query as it is in the present one's, by its name.
fn restored(url: &str, now: &str) -> String {
    let known = |wanted: &str| {
        let mut pairs = query(now).filter_map(|pair| pair.split_once('='));
        pairs
            .find(|(name, _)| *name == wanted)
            .map_or("", |(_, value)| value)
    };
    with_query(url, |name, value| {
        (value == HIDDEN).then(|| known(name).to_owned())
    })
}

fn query(url: &str) -> std::str::Split<'_, char> {
    url.split_once('?')
        .map_or("", |(_, query)| query)
        .split('&')
}

/// An address with values of its query changed, where there is something to change.
fn with_query(url: &str, change: impl Fn(&str, &str) -> Option<String>) -> String {
    let Some((place, _)) = url.split_once('?') else {
        return url.to_owned();
    };
    let changed = query(url).map(|pair| {
        let value = pair
            .split_once('=')
            .and_then(|(name, value)| Some((name, change(name, value)?)));
        value.map_or_else(
            || pair.to_owned(),
            |(name, value)| format!("{name}={value}"),
        )
    });
    format!("{place}?{}", changed.collect::<Vec<_>>().join("&"))
}

/// An address with what may be secret in its query hidden.
fn shown_url(url: &str) -> String {
    with_query(url, |name, value| {
        (looks_secret(name) && hides(value)).then(|| HIDDEN.to_owned())
    })
}

/// Whether a value is more than a reference, which names where the value is and is none, and a
/// word such as `Bearer` before it.
fn hides(value: &str) -> bool {
    let last = value.rsplit(' ').next().unwrap_or_default();
    let is_reference = last.starts_with("${") && last.ends_with('}');
    !value.is_empty() && !is_reference
}

/// The entry with secret values of its environment, its headers and its address hidden.
pub fn shown(entry: &McpServerEntry) -> McpServerEntry {
    let mut entry = entry.clone();
    entry.url = entry.url.as_deref().map(shown_url);
    for value in entry.headers.values_mut() {
        if hides(value) {
            *value = HIDDEN.to_owned();
        }
    }
    for (name, value) in &mut entry.env {
        if looks_secret(name) && !value.starts_with("${") && !value.is_empty() {
            *value = HIDDEN.to_owned();
        }
    }
    entry
}

/// Whether a variable's name says that its value is not for everybody.
pub fn looks_secret(name: &str) -> bool {
    let name = name.to_uppercase();
    [
        "KEY",
        "TOKEN",
        "SECRET",
        "PASSWORD",
        "PASSWD",
        "CREDENTIAL",
        "AUTH",
        "COOKIE",
        "DSN",
    ]
    .iter()
    .any(|word| name.contains(word))
}

/// `${NAME}`, `${env:NAME}` and `${NAME:-word}` replaced; what is not set is empty.
pub fn expanded(text: &str, variable: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        let Some((inside, left)) = after.split_once('}') else {
            out.push_str("${");
            rest = after;
            continue;
        };
        let (name, word) = inside.split_once(":-").unwrap_or((inside, ""));
        let name = name.strip_prefix("env:").unwrap_or(name);
        let value = variable(name).filter(|value| !value.is_empty());
        out.push_str(value.as_deref().unwrap_or(word));
        rest = left;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced() {
        let variable = |name: &str| (name == "A").then(|| "1".to_owned());
        assert_eq!(
            expanded("x${A}y${B:-2}${env:A}${B} $A ${", variable),
            "x1y21 $A ${"
        );
    }

    fn elsewhere(url: &str) -> McpServerEntry {
        McpServerEntry {
            url: Some(url.to_owned()),
            ..McpServerEntry::default()
        }
    }

    #[test]
    fn addresses_and_headers_are_checked() {
        check("a", &elsewhere("https://x.example/mcp")).unwrap();
        check("a", &elsewhere("${PLACE}/mcp")).unwrap();
        let refused = |entry: &McpServerEntry| check("a", entry).unwrap_err().to_string();
        assert!(refused(&elsewhere("ftp://x.example")).contains("http://"));
        assert!(refused(&elsewhere("x.example")).contains("http://"));
        assert!(refused(&elsewhere("https://me:pw@x.example")).contains("Authorization"));
        let with = |change: &dyn Fn(&mut McpServerEntry)| {
            let mut entry = elsewhere("https://x.example");
            change(&mut entry);
            check("a", &entry)
        };
        assert!(with(&|entry| entry.command = Some("x".into())).is_err());
        assert!(with(&|entry| entry.kind = Some("stdio".into())).is_err());
        with(&|entry| entry.kind = Some("streamableHttp".into())).unwrap();
        for (name, value) in [("a b", "x"), ("A", "x\ny"), ("Mcp-Session-Id", "x")] {
            let one = [(name.to_owned(), value.to_owned())];
            assert!(
                with(&|entry| entry.headers = one.clone().into()).is_err(),
                "{name}"
            );
        }
    }

    #[test]
    fn what_is_secret_is_not_shown_and_comes_back() {
        let mut entry = elsewhere("https://x.example/mcp?api_key=s3cret&page=2");
        for (name, value) in [
            ("Authorization", "Bearer s3cret"),
            ("X-Key", "${X_API_KEY}"),
        ] {
            entry.headers.insert(name.to_owned(), value.to_owned());
        }
        let seen = shown(&entry);
        assert!(!format!("{seen:?}").contains("s3cret"), "{seen:?}");
        assert_eq!(
            seen.url.as_deref(),
            Some("https://x.example/mcp?api_key=•••&page=2")
        );
        assert_eq!(seen.headers["X-Key"], "${X_API_KEY}");
        let mut back = seen.clone();
        restore(&mut back, &entry);
        assert_eq!(back, entry);
        // Also where the address was changed around it.
        let mut changed = seen;
        changed.url = Some("https://y.example/?page=3&api_key=•••&token=•••".to_owned());
        restore(&mut changed, &entry);
        assert_eq!(
            changed.url.as_deref(),
            Some("https://y.example/?page=3&api_key=s3cret&token=")
        );
    }
}
