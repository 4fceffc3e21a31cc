//! Lists of all servers as one: fetched page by page, each name and address once, and each server's
//! faults told in its status.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::{
    Relay,
    all_servers::{Unanswered, ask, attach, visible},
    filter::{shown_prompt, shown_tool},
    server::Server,
    session::Session,
    tool_names::Named,
};
use crate::tool_schema::strip_formats;

/// Pages of a list that are fetched.
const PAGES: usize = 100;
/// Names in a remark.
const NAMED: usize = 5;

/// What is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum List {
    Tools,
    Prompts,
    Resources,
    Templates,
}

impl List {
    /// The list that a method asks for.
    pub fn of(method: &str) -> Option<Self> {
        let all = [Self::Tools, Self::Prompts, Self::Resources, Self::Templates];
        all.into_iter().find(|list| list.method() == method)
    }

    fn method(self) -> &'static str {
        match self {
            Self::Tools => "tools/list",
            Self::Prompts => "prompts/list",
            Self::Resources => "resources/list",
            Self::Templates => "resources/templates/list",
        }
    }

    /// Where a page has its entries.
    fn field(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
        }
    }

    fn capability(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources | Self::Templates => "resources",
        }
    }
}

/// An entry of a list.
struct Item {
    /// Its name or address as it is shown.
    shown: String,
    /// Its name at the server; none of a resource.
    own: Option<String>,
    text: String,
    /// Whether the name was cut.
    cut: bool,
}

/// What a server's list says for nothing.
#[derive(Default)]
struct Faults {
    cursor: bool,
    twice: Vec<String>,
    cut: Vec<String>,
}

/// A list of all servers, in the order of their names: a result as text.
pub async fn list(relay: &Relay, session: &Arc<Session>, list: List) -> String {
    let servers = visible(relay, session);
    let patience = relay.common.limits.listing;
    let fetching = servers.iter().map(|server| async move {
        let fetched = tokio::time::timeout(patience, fetch(session, server, list)).await;
        let problem = match fetched {
            Ok(Ok(items)) => return Some(items),
            Ok(Err(problem)) => problem.to_string(),
            Err(_) => format!("no answer within {} s", patience.as_secs()),
        };
        server.core.miss();
        let method = list.method();
        tracing::warn!(server = &*server.core.name, problem, "left out of {method}");
        None
    });
    let fetched = futures_util::future::join_all(fetching).await;
    let mut seen = HashSet::new();
    let mut texts = Vec::new();
    for (server, fetched) in servers.iter().zip(fetched) {
        let Some((items, mut faults)) = fetched else {
            continue;
        };
        for item in items {
            if !seen.insert(item.shown.clone()) {
                faults.twice.push(item.shown);
                continue;
            }
            if item.cut {
                faults.cut.push(item.shown.clone());
            }
            learn(relay, session, server, list, &item);
            texts.push(item.text);
        }
        server.core.remark(list.method(), faults.words(list));
    }
    format!("{{\"{}\":[{}]}}", list.field(), texts.join(","))
}

/// Whose an entry is, for who asks for it.
fn learn(relay: &Relay, session: &Session, server: &Server, list: List, item: &Item) {
    match &item.own {
        Some(own) => {
            let named = Named {
                server: Arc::clone(&server.core.name),
                own: own.clone(),
            };
            relay.names.learn(list == List::Tools, &item.shown, named);
        }
        None => session.learn([(item.shown.clone(), server.core.name.to_string())]),
    }
}

impl Faults {
    fn words(self, list: List) -> Vec<String> {
        let what = list.method();
        let mut words = Vec::new();
        if self.cursor {
            words.push(format!(
                "{what} repeats its cursor: only the pages up to there are used"
            ));
        }
        if !self.twice.is_empty() {
            words.push(format!(
                "{what} at /mcp: listed more than once, the first is used: {}",
                few(&self.twice)
            ));
        }
        if !self.cut.is_empty() {
            words.push(format!(
                "{what} at /mcp: names longer than 64 letters are shortened: {}; \"rename\" in mcp.json gives them others",
                few(&self.cut)
            ));
        }
        words
    }
}

fn few(names: &[String]) -> String {
    let mut few: Vec<String> = names
        .iter()
        .take(NAMED)
        .map(|name| name.chars().take(80).collect())
        .collect();
    if names.len() > NAMED {
        few.push(format!("{} more", names.len() - NAMED));
    }
    few.join(", ")
}

/// One server's list, with names as they are shown.
async fn fetch(
    session: &Arc<Session>,
    server: &Server,
    list: List,
) -> Result<(Vec<Item>, Faults), Unanswered> {
    let upstream = attach(session, server)?;
    let hello = upstream.ready().await?;
    let (mut items, mut faults) = (Vec::new(), Faults::default());
    if hello.capabilities.get(list.capability()).is_none() {
        return Ok((items, faults));
    }
    let mut cursors = HashSet::new();
    let mut params = "{}".to_owned();
    for _ in 0..PAGES {
        let answer = ask(&upstream, list.method(), &params).await?;
        let payload = answer.payload();
        if answer.is_error {
            let words = String::from_utf8_lossy(&payload).into_owned();
            return Err(Unanswered::Refused(words));
        }
        let text = std::str::from_utf8(&payload).unwrap_or_default();
        let page: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(text)?;
        let found = page.get(list.field()).map_or("[]", |found| found.get());
        let found: Vec<&RawValue> = serde_json::from_str(found)?;
        let found = found.into_iter();
        items.extend(found.filter_map(|item| read(session, server, list, item.get())));
        let cursor = page
            .get("nextCursor")
            .filter(|cursor| cursor.get() != "null");
        let Some(cursor) = cursor else { break };
        if !cursors.insert(cursor.get().to_owned()) {
            faults.cursor = true;
            break;
        }
        params = format!("{{\"cursor\":{}}}", cursor.get());
    }
    if faults.cursor {
        // The page that came again: nobody need hear of each of its entries.
        let mut seen = HashSet::new();
        items.retain(|item| seen.insert(item.shown.clone()));
    }
    Ok((items, faults))
}

/// An entry of a list, in the server's own words but for its name.
fn read(session: &Session, server: &Server, list: List, item: &str) -> Option<Item> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Entry<'a> {
        #[serde(borrow)]
        name: Option<&'a RawValue>,
        uri: Option<String>,
        uri_template: Option<String>,
    }
    let entry: Entry<'_> = serde_json::from_str(item).ok()?;
    if matches!(list, List::Resources | List::Templates) {
        return Some(Item {
            shown: entry.uri.or(entry.uri_template)?,
            own: None,
            text: item.to_owned(),
            cut: false,
        });
    }
    let place = entry.name?.get();
    let own: String = serde_json::from_str(place).ok()?;
    let name = match list {
        List::Tools => shown_tool(session, server, &own)?,
        _ => shown_prompt(session, server, &own),
    };
    let start = place.as_ptr() as usize - item.as_ptr() as usize;
    let (before, after) = (&item[..start], &item[start + place.len()..]);
    let text = format!("{before}{}{after}", Value::from(&*name.shown));
    Some(Item {
        text: if list == List::Tools {
            without_odd_formats(text)
        } else {
            text
        },
        shown: name.shown,
        own: Some(own),
        cut: name.cut,
    })
}

/// A tool whose schemas have no format that clients warn of; as it was, where there was none.
fn without_odd_formats(tool: String) -> String {
    if !tool.contains("\"format\"") {
        return tool;
    }
    let Ok(Value::Object(mut fields)) = serde_json::from_str(&tool) else {
        return tool;
    };
    let mut found = false;
    for name in ["inputSchema", "outputSchema"] {
        if let Some(Value::Object(schema)) = fields.get_mut(name) {
            found |= strip_formats(schema);
        }
    }
    if found {
        Value::Object(fields).to_string()
    } else {
        tool
    }
}
