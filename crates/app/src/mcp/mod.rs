//! The host's side of the machine's MCP endpoint: how its servers stand and are configured, what
//! was said to them, how other programs become its clients ([`configuration`]), and sessions of our
//! own ([`session`]).

mod configuration;
mod session;

use machine_client::{Method, segment};
use serde::{Serialize, de::DeserializeOwned};
use wire::{
    commands::Nothing,
    failure::{Failure, FailureCode},
    inspector::{
        McpAccess, McpAnswer, McpConfiguration, McpConfigurationRequest, McpOpenRequest, McpOrder,
        McpRequest, McpServerName, McpServerOrder, McpServerSave, McpSession, McpSessionName,
        McpTell, McpTraceQuery,
    },
    mcp::{McpRemoved, McpServerList, McpStatus, McpTracePage},
    secrets::SecretValue,
    tokens::{Scope, ScopeError, TokenCreateRequest},
};

pub(crate) use session::Sessions;

use crate::{
    MachineHandle,
    body::json,
    endpoint::{Api, ApiCall},
};

impl MachineHandle {
    pub(crate) async fn mcp_status(&self, _: Nothing) -> Result<McpStatus, Failure> {
        self.ask_mcp(Method::GET, "/status", None).await
    }

    pub(crate) async fn mcp_servers(&self, _: Nothing) -> Result<McpServerList, Failure> {
        self.ask_mcp(Method::GET, "/servers", None).await
    }

    pub(crate) async fn mcp_server_order(&self, order: McpServerOrder) -> Result<Nothing, Failure> {
        let verb = match order.order {
            McpOrder::Restart => "restart",
            McpOrder::Enable => "enable",
            McpOrder::Disable => "disable",
        };
        let path = format!("/servers/{}/{verb}", segment(&order.name));
        self.ask_mcp::<serde_json::Value>(Method::POST, &path, Some(json(&Nothing {})?))
            .await?;
        Ok(Nothing {})
    }

    pub(crate) async fn mcp_server_save(&self, save: McpServerSave) -> Result<Nothing, Failure> {
        let path = format!("/servers/{}", segment(&save.name));
        self.ask_mcp::<serde_json::Value>(Method::PUT, &path, Some(json(&save.entry)?))
            .await?;
        Ok(Nothing {})
    }

    pub(crate) async fn mcp_server_remove(
        &self,
        server: McpServerName,
    ) -> Result<McpRemoved, Failure> {
        let path = format!("/servers/{}", segment(&server.name));
        self.ask_mcp(Method::DELETE, &path, None).await
    }

    pub(crate) async fn mcp_traces(&self, query: McpTraceQuery) -> Result<McpTracePage, Failure> {
        let mut path = format!("/traces?after={}", query.after);
        if let Some(server) = &query.server {
            path.push_str("&server=");
            path.push_str(&segment(server));
        }
        self.ask_mcp(Method::GET, &path, None).await
    }

    pub(crate) async fn mcp_access(&self, _: Nothing) -> Result<McpAccess, Failure> {
        let endpoint = self.inner.endpoints.find().await?;
        Ok(McpAccess {
            url: format!("http://127.0.0.1:{}", endpoint.port(Api::Mcp)?),
        })
    }

    /// What another program is given to become a client: with a token of its own, named after it,
    /// for what it is told of, at this machine.
    pub(crate) async fn mcp_configuration(
        &self,
        request: McpConfigurationRequest,
    ) -> Result<McpConfiguration, Failure> {
        let McpAccess { url } = self.mcp_access(Nothing {}).await?;
        let (url, name) = match &request.server {
            None => (format!("{url}/mcp"), &self.inner.name),
            Some(server) => (format!("{url}/servers/{}/mcp", segment(server)), server),
        };
        let scope = format!("mcp:{}", request.server.as_deref().unwrap_or("*"));
        let scope: Scope = scope.parse().map_err(|error: ScopeError| {
            Failure::new(
                FailureCode::Invalid,
                "This server can't have a token of its own",
            )
            .because(error.to_string())
        })?;
        let made = self
            .create_token(TokenCreateRequest {
                name: configuration::token_name(request.client).to_owned(),
                scopes: vec![scope],
                machines: Some(vec![self.inner.name.clone()]),
                numbered: true,
            })
            .await?;
        let text = configuration::text(request.client, &url, made.token.reveal(), name);
        Ok(McpConfiguration {
            text: SecretValue::new(text),
            place: configuration::place(request.client).to_owned(),
            token: made.entry.name,
        })
    }

    pub(crate) async fn mcp_open(&self, request: McpOpenRequest) -> Result<McpSession, Failure> {
        let inner = &self.inner;
        let client = inner.endpoints.find().await?.client(Api::Mcp)?;
        inner
            .mcp
            .open(client, &request, &inner.journal, &inner.tasks, &inner.stop)
            .await
    }

    pub(crate) async fn mcp_request(&self, request: McpRequest) -> Result<McpAnswer, Failure> {
        self.inner
            .mcp
            .find(&request.session)?
            .request(request)
            .await
    }

    pub(crate) async fn mcp_tell(&self, tell: McpTell) -> Result<Nothing, Failure> {
        self.inner
            .mcp
            .find(&tell.session)?
            .tell(tell.message)
            .await?;
        Ok(Nothing {})
    }

    pub(crate) async fn mcp_close(&self, session: McpSessionName) -> Result<Nothing, Failure> {
        self.inner.mcp.close(&session.session).await;
        Ok(Nothing {})
    }

    async fn ask_mcp<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<T, Failure> {
        let call = ApiCall {
            api: Api::Mcp,
            method,
            body,
            ..ApiCall::get(path)
        };
        self.ask(call).await
    }
}

/// A message as it goes over the wire.
fn message(value: &impl Serialize) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(value).map_err(|error| {
        Failure::new(FailureCode::Invalid, "The message can't be written as JSON")
            .because(error.to_string())
    })
}
