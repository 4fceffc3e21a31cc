//! Queries of lists: which sandboxes, how many, from where on.

use std::collections::BTreeMap;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use percent_encoding::percent_decode_str;
use wire::sandbox::{SandboxState, SandboxView};

use crate::sandboxes::Refusal;

/// The most of one page, and as many as there are if nobody says.
const PAGE: usize = 100;

/// The parameters of a query, in order.
pub(super) fn pairs(query: &str) -> Vec<(String, String)> {
    let parts = query.split('&').filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (decoded(name), decoded(value))
        })
        .collect()
}

fn decoded(text: &str) -> String {
    let text = text.replace('+', " ");
    percent_decode_str(&text).decode_utf8_lossy().into_owned()
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Query {
    states: Vec<SandboxState>,
    metadata: BTreeMap<String, String>,
    image: Option<String>,
    started_after_ms: Option<u64>,
    oldest_first: bool,
    limit: usize,
    after: Option<(u64, String)>,
}

impl Query {
    pub(super) fn read(query: &str) -> Result<Self, Refusal> {
        let mut read = Self {
            states: vec![SandboxState::Running, SandboxState::Paused],
            metadata: BTreeMap::new(),
            image: None,
            started_after_ms: None,
            oldest_first: false,
            limit: PAGE,
            after: None,
        };
        let mut states = Vec::new();
        for (name, value) in pairs(query) {
            match name.as_str() {
                "state" => {
                    for state in value.split(',').filter(|state| !state.is_empty()) {
                        states.push(match state {
                            "running" => SandboxState::Running,
                            "paused" => SandboxState::Paused,
                            _ => {
                                return Err(Refusal::invalid(
                                    "invalid state: running or paused was expected",
                                ));
                            }
                        });
                    }
                }
                // Its names and values are escaped once more.
                "metadata" => {
                    let escaped = pairs(&value).into_iter();
                    let plain =
                        |text: String| percent_decode_str(&text).decode_utf8_lossy().into_owned();
                    read.metadata
                        .extend(escaped.map(|(key, value)| (plain(key), plain(value))));
                }
                "template" if !value.is_empty() => read.image = Some(value),
                "startedAfter" => {
                    let time: jiff::Timestamp = value.parse().map_err(|error| {
                        Refusal::invalid(format!("invalid startedAfter: {error}"))
                    })?;
                    read.started_after_ms = Some(u64::try_from(time.as_millisecond()).unwrap_or(0));
                }
                "order" => read.oldest_first = value == "asc",
                "limit" => {
                    let limit: usize = value
                        .parse()
                        .map_err(|error| Refusal::invalid(format!("invalid limit: {error}")))?;
                    read.limit = limit.clamp(1, PAGE);
                }
                "nextToken" if !value.is_empty() => {
                    let place = place(&value);
                    read.after = Some(place.ok_or_else(|| Refusal::invalid("invalid nextToken"))?);
                }
                _ => {}
            }
        }
        if !states.is_empty() {
            read.states = states;
        }
        Ok(read)
    }

    /// The page, and what leads to the next one.
    pub(super) fn page(
        &self,
        mut views: Vec<SandboxView>,
        image: impl Fn(&SandboxView) -> String,
    ) -> (Vec<SandboxView>, Option<String>) {
        let key = |view: &SandboxView| (view.created_at_ms, view.sandbox_id.to_string());
        views.retain(|view| {
            self.states.contains(&view.state)
                && self
                    .metadata
                    .iter()
                    .all(|(name, value)| view.metadata.get(name) == Some(value))
                && self
                    .image
                    .as_ref()
                    .is_none_or(|wanted| *wanted == image(view))
                && self
                    .started_after_ms
                    .is_none_or(|after| view.created_at_ms >= after)
                && self
                    .after
                    .as_ref()
                    .is_none_or(|after| match self.oldest_first {
                        true => key(view) > *after,
                        false => key(view) < *after,
                    })
        });
        views.sort_by_key(key);
        if !self.oldest_first {
            views.reverse();
        }
        let is_more = views.len() > self.limit;
        views.truncate(self.limit);
        let next = views.last().filter(|_| is_more).map(|last| {
            let (created_at_ms, id) = key(last);
            BASE64_URL_SAFE_NO_PAD.encode(format!("{created_at_ms}:{id}"))
        });
        (views, next)
    }
}

fn place(token: &str) -> Option<(u64, String)> {
    let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    let (created_at_ms, id) = text.split_once(':')?;
    Some((created_at_ms.parse().ok()?, id.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::e2b::tests::view;

    fn ids(views: &[SandboxView]) -> Vec<&str> {
        views.iter().map(|view| view.sandbox_id.as_str()).collect()
    }

    #[test]
    fn pages_follow_each_other_and_end() {
        let views: Vec<SandboxView> = ["a", "b", "c", "d", "e"]
            .iter()
            .zip([1, 2, 2, 3, 4])
            .map(|(id, at)| view(id, at))
            .collect();
        for (order, expected) in [
            ("desc", ["e", "d", "c", "b", "a"]),
            ("asc", ["a", "b", "c", "d", "e"]),
        ] {
            let (mut found, mut token) = (Vec::new(), String::new());
            loop {
                let query =
                    Query::read(&format!("order={order}&limit=2&nextToken={token}")).unwrap();
                let (page, next) = query.page(views.clone(), |view| view.image.clone());
                found.extend(ids(&page).into_iter().map(String::from));
                match next {
                    Some(next) => token = next,
                    None => break,
                }
            }
            assert_eq!(found, expected, "{order}");
        }
        assert!(Query::read("nextToken=x").is_err() && Query::read("limit=-1").is_err());
    }

    #[test]
    fn metadata_is_escaped_twice_by_its_clients() {
        // As Python sends {"user id": "a&b=c", "x": "ä"}.
        let query = "metadata=user%252520id%3Da%252526b%25253Dc%26x%3D%2525C3%2525A4";
        let read = Query::read(query).unwrap();
        assert_eq!(read.metadata["user id"], "a&b=c");
        assert_eq!(read.metadata["x"], "ä");
        let mut fits = view("a", 1);
        fits.metadata = read.metadata.clone();
        let (page, _) = read.page(vec![fits, view("b", 1)], |view| view.image.clone());
        assert_eq!(ids(&page), ["a"]);
    }

    #[test]
    fn what_ended_is_never_listed() {
        let mut paused = view("a", 1);
        paused.state = SandboxState::Paused;
        let mut ended = view("b", 1);
        ended.state = SandboxState::Ended;
        let views = vec![paused, ended, view("c", 1)];
        let listed = |query: &str| {
            let (page, _) = Query::read(query)
                .unwrap()
                .page(views.clone(), |view| view.image.clone());
            ids(&page).into_iter().map(String::from).collect::<Vec<_>>()
        };
        assert_eq!(listed(""), ["c", "a"]);
        assert_eq!(listed("state=paused"), ["a"]);
        assert_eq!(listed("state=running%2Cpaused"), ["c", "a"]);
        assert!(Query::read("state=ended").is_err());
    }
}
