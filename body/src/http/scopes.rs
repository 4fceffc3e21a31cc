//! Which scope each route needs of a token that isn't the machine's own: for the machine's API the list
//! of its routes says so, for the MCP endpoint a table here. `docs/tokens.md` is checked against both.

use std::collections::HashMap;

use axum::{
    RequestExt,
    extract::{MatchedPath, Path, Query, Request},
    http::Method,
};
use wire::{
    routes::{ROUTES, RouteAccess},
    tokens::Scope,
};

/// What a route needs, as the table has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// What the list of the machine's routes says.
    Route(RouteAccess),
    /// The scope `mcp:NAME` of the server in the path.
    McpServer,
    /// The scopes `mcp:NAME` of the servers in `?servers=`, or `mcp:*` without it.
    McpServers,
}

use Rule::{McpServer, McpServers};

const OPEN: Rule = Rule::Route(RouteAccess::Open);
const READ: Rule = Rule::Route(RouteAccess::Read);
const ADMIN: Rule = Rule::Route(RouteAccess::Admin);

/// A line of a table: the methods (`*` for any), the path, the rule.
pub type Line = (&'static str, &'static str, Rule);

/// The machine's API, as the list of its routes has it.
pub const API: &[Line] = &{
    let mut lines = [("", "", ADMIN); ROUTES.len()];
    let mut index = 0;
    while index < lines.len() {
        let (method, path, access) = ROUTES[index];
        lines[index] = (method.as_str(), path, Rule::Route(access));
        index += 1;
    }
    lines
};

/// The MCP endpoint.
pub const MCP: &[Line] = &[
    ("GET", "/ping", OPEN),
    ("GET", "/health", OPEN),
    ("GET", "/status", READ),
    ("GET", "/traces", READ),
    ("GET", "/servers", READ),
    ("PUT", "/servers/{name}", ADMIN),
    ("DELETE", "/servers/{name}", ADMIN),
    ("POST", "/servers/{name}/restart", ADMIN),
    ("POST", "/servers/{name}/enable", ADMIN),
    ("POST", "/servers/{name}/disable", ADMIN),
    ("GET", "/servers/{name}/sse", McpServer),
    ("POST", "/servers/{name}/message", McpServer),
    ("*", "/servers/{name}/mcp", McpServer),
    ("*", "/mcp", McpServers),
];

/// What a request needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Needed {
    /// Any token that is known: the request reaches no route.
    Token,
    /// All of these scopes.
    Scopes(Vec<Scope>),
}

/// What this request needs by a table. A route that the table doesn't have needs `admin`.
pub async fn needed(table: &[Line], request: &mut Request) -> Needed {
    let Some(path) = request.extensions().get::<MatchedPath>().cloned() else {
        return Needed::Token;
    };
    let method = match request.method() {
        // A route for GET answers HEAD too.
        &Method::HEAD => "GET",
        method => method.as_str(),
    };
    let rule = table
        .iter()
        .find(|(of, at, _)| *at == path.as_str() && (*of == "*" || *of == method))
        .map_or(ADMIN, |(_, _, rule)| *rule);
    let scopes = match rule {
        Rule::Route(access) => access.scope().into_iter().collect(),
        McpServer => server_in_path(request).await,
        McpServers => servers_in_query(request),
    };
    Needed::Scopes(scopes)
}

/// As the handler reads it.
async fn server_in_path(request: &mut Request) -> Vec<Scope> {
    match request.extract_parts::<Path<String>>().await {
        Ok(Path(name)) => vec![Scope::Mcp(name)],
        Err(_) => vec![Scope::Admin],
    }
}

/// As the endpoint's filter reads it, in which `*` may stand for any letters.
fn servers_in_query(request: &Request) -> Vec<Scope> {
    let query = Query::<HashMap<String, String>>::try_from_uri(request.uri());
    let servers = query
        .ok()
        .and_then(|Query(mut words)| words.remove("servers"));
    let named = servers.iter().flat_map(|servers| servers.split(','));
    let names: Vec<&str> = named
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    if names.is_empty() || names.iter().any(|name| name.contains('*')) {
        return vec![Scope::every_mcp_server()];
    }
    names
        .into_iter()
        .map(|name| Scope::Mcp(name.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests;
