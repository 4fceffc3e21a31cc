//! Which scope each route needs of a token that isn't the machine's own: the one table of it, from
//! which `docs/tokens.md` is checked.

use std::collections::HashMap;

use axum::{
    RequestExt,
    extract::{MatchedPath, Path, Query, Request},
    http::Method,
};
use wire::tokens::Scope;

/// What a route needs, as the table has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// No token.
    Open,
    /// The scope `read`.
    Read,
    /// The scope `exec`.
    Exec,
    /// The scope `admin`.
    Admin,
    /// The scope `mcp:NAME` of the server in the path.
    McpServer,
    /// The scopes `mcp:NAME` of the servers in `?servers=`, or `mcp:*` without it.
    McpServers,
}

use Rule::{Admin, Exec, McpServer, McpServers, Open, Read};

/// A line of a table: the methods (`*` for any), the path, the rule.
pub type Line = (&'static str, &'static str, Rule);

/// The machine's API.
pub const API: &[Line] = &[
    ("GET", "/ping", Open),
    ("GET", "/health", Open),
    ("GET", "/openapi.json", Read),
    ("GET", "/status", Read),
    ("GET", "/metrics", Read),
    ("GET", "/events", Read),
    ("GET", "/services", Read),
    ("GET", "/services/{name}/logs", Read),
    ("POST", "/services/{name}/restart", Admin),
    ("GET", "/takeover", Read),
    ("POST", "/takeover", Exec),
    ("POST", "/exec", Exec),
    ("GET", "/executions", Read),
    ("GET", "/executions/{id}", Read),
    ("GET", "/executions/{id}/events", Read),
    ("POST", "/executions/{id}/input", Exec),
    ("DELETE", "/executions/{id}", Exec),
    ("POST", "/interrupt", Exec),
    ("POST", "/reset", Exec),
    ("POST", "/restart", Exec),
    ("POST", "/complete", Exec),
    ("POST", "/inspect", Exec),
    ("GET", "/variables", Read),
    ("GET", "/comms", Read),
    ("POST", "/comms", Exec),
    ("POST", "/comms/{id}", Exec),
    ("DELETE", "/comms/{id}", Exec),
    ("GET", "/kernels", Read),
    ("POST", "/kernels", Exec),
    ("DELETE", "/kernels/{name}", Exec),
    ("POST", "/shell", Exec),
    ("POST", "/shell/cd", Exec),
    ("POST", "/shell/env", Exec),
    ("GET", "/terminal", Exec),
    ("GET", "/cryo", Read),
    ("GET", "/cryo/{name}", Read),
    ("POST", "/cryo/store", Exec),
    ("POST", "/cryo/reload", Exec),
    ("DELETE", "/cryo/{name}", Exec),
    ("GET", "/criu/status", Read),
    ("POST", "/criu/checkpoint", Exec),
    ("POST", "/criu/restore", Exec),
    ("GET", "/evolve/status", Read),
    ("GET", "/evolve/runs", Read),
    ("GET", "/evolve/runs/{id}/log", Read),
    ("POST", "/evolve", Admin),
    ("POST", "/evolve/cancel", Admin),
    ("POST", "/evolve/claim", Admin),
    ("POST", "/evolve/runs/{id}/report", Admin),
    ("POST", "/evolve/queue", Admin),
];

/// The MCP endpoint.
pub const MCP: &[Line] = &[
    ("GET", "/ping", Open),
    ("GET", "/health", Open),
    ("GET", "/status", Read),
    ("GET", "/traces", Read),
    ("GET", "/servers", Read),
    ("PUT", "/servers/{name}", Admin),
    ("DELETE", "/servers/{name}", Admin),
    ("POST", "/servers/{name}/restart", Admin),
    ("POST", "/servers/{name}/enable", Admin),
    ("POST", "/servers/{name}/disable", Admin),
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
        .map_or(Admin, |(_, _, rule)| *rule);
    let scopes = match rule {
        Open => Vec::new(),
        Read => vec![Scope::Read],
        Exec => vec![Scope::Exec],
        Admin => vec![Scope::Admin],
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
