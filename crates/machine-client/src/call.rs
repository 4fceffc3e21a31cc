//! A call of a route of the list in `wire`: what the route's type says it takes goes in, what it
//! answers comes out.

use std::{fmt::Write as _, marker::PhantomData};

use reqwest::Method;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use wire::routes::{PathNames, Route, RouteBody, RouteMethod};

use crate::{
    answer::Answer,
    client::{Client, Request, segment},
    error::ClientError,
};

/// A request to a route, ready to be sent.
#[derive(Debug)]
pub struct RouteCall<R> {
    path: String,
    body: Option<Vec<u8>>,
    route: PhantomData<fn() -> R>,
}

impl<R: Route> RouteCall<R> {
    /// Fills the route's path and writes its body; `names` are escaped, so that none leaves its segment.
    ///
    /// # Errors
    /// [`ClientError::Request`] if the body can't be written as JSON.
    pub fn new(names: impl Into<R::Names>, request: &R::Request) -> Result<Self, ClientError> {
        let names = names.into();
        Ok(Self {
            path: filled(R::PATH, &names.names()),
            body: match R::BODY {
                RouteBody::None => None,
                RouteBody::Optional | RouteBody::Required => Some(written(request)?),
            },
            route: PhantomData,
        })
    }

    /// Adds the query; fields that are null are left out.
    ///
    /// # Errors
    /// [`ClientError::Request`] if the query can't be written.
    pub fn query(mut self, query: &R::Query) -> Result<Self, ClientError> {
        let query =
            serde_json::to_value(query).map_err(|error| ClientError::Request(error.to_string()))?;
        let mut mark = '?';
        for (name, value) in query.as_object().into_iter().flatten() {
            let value = match value {
                Value::Null => continue,
                Value::String(text) => segment(text),
                value => segment(&value.to_string()),
            };
            // A string takes everything.
            let _ = write!(self.path, "{mark}{name}={value}");
            mark = '&';
        }
        Ok(self)
    }

    /// Path and query.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The body, if the route takes one.
    #[must_use]
    pub fn body(&self) -> Option<&[u8]> {
        self.body.as_deref()
    }

    /// The request itself, which wants JSON.
    #[must_use]
    pub fn request(&self) -> Request<'_> {
        Request {
            method: method_of(R::METHOD),
            body: self.body.clone(),
            ..Request::get(&self.path)
        }
    }

    /// The request itself, which wants events.
    #[must_use]
    pub fn events(&self) -> Request<'_> {
        const { assert!(R::ANSWER.has_events(), "the route has no events") };
        self.request().streamed()
    }
}

fn method_of(method: RouteMethod) -> Method {
    match method {
        RouteMethod::Get => Method::GET,
        RouteMethod::Post => Method::POST,
        RouteMethod::Delete => Method::DELETE,
    }
}

impl Client {
    /// Calls a route and reads its answer, of so many bytes at most.
    ///
    /// # Errors
    /// [`ClientError`]; [`ClientError::Refused`] has the machine's own code.
    pub async fn call<R: Route>(
        &self,
        call: &RouteCall<R>,
        limit_bytes: usize,
    ) -> Result<R::Answer, ClientError>
    where
        R::Answer: DeserializeOwned,
    {
        const { assert!(R::ANSWER.has_json(), "the route doesn't answer with JSON") };
        self.ask(call.request(), limit_bytes).await
    }

    /// Calls a route whose answer is read as events.
    ///
    /// # Errors
    /// [`ClientError`]; [`ClientError::Refused`] has the machine's own code.
    pub async fn follow<R: Route>(&self, call: &RouteCall<R>) -> Result<Answer, ClientError> {
        self.send(call.events()).await?.accepted().await
    }
}

fn written(request: &impl Serialize) -> Result<Vec<u8>, ClientError> {
    serde_json::to_vec(request).map_err(|error| ClientError::Request(error.to_string()))
}

/// A path whose braces are filled, in their order.
fn filled(template: &str, names: &[&str]) -> String {
    let mut path = String::with_capacity(template.len());
    let mut names = names.iter();
    for (index, part) in template.split('{').enumerate() {
        let rest = match part.split_once('}') {
            Some((_, rest)) if index > 0 => {
                path.push_str(&segment(names.next().copied().unwrap_or_default()));
                rest
            }
            _ => part,
        };
        path.push_str(rest);
    }
    path
}

#[cfg(test)]
mod tests {
    use wire::{
        body::{CellQuery, InputRequest, KernelChoice},
        routes::{
            AnswerInput, EndCell, InterruptKernel, ListCells, LogQuery, ReadServiceLog,
            RestartService,
        },
    };

    use super::*;

    #[test]
    fn a_call_has_its_routes_path_query_and_body() {
        let call = RouteCall::<AnswerInput>::new(
            "a/b",
            &InputRequest {
                value: "yes".into(),
            },
        );
        let call = call.unwrap();
        assert_eq!(call.path(), "/executions/a%2Fb/input");
        assert_eq!(call.body(), Some(&br#"{"value":"yes"}"#[..]));
        assert_eq!(call.request().method, Method::POST);

        let all = RouteCall::<ListCells>::new((), &()).unwrap();
        assert_eq!((all.path(), all.body()), ("/executions", None));
        let query = CellQuery {
            kernel: Some("a b&c".into()),
            brief: true,
        };
        let some = all.query(&query).unwrap();
        let (path, query) = some.path().split_once('?').unwrap();
        let mut query: Vec<_> = query.split('&').collect();
        query.sort_unstable();
        assert_eq!(path, "/executions");
        assert_eq!(query, ["brief=true", "kernel=a%20b%26c"]);
        let main = RouteCall::<ListCells>::new((), &()).unwrap();
        let main = main.query(&CellQuery::default()).unwrap();
        assert_eq!(main.path(), "/executions?brief=false");

        let log = RouteCall::<ReadServiceLog>::new("mcp:x", &()).unwrap();
        let log = log.query(&LogQuery::default()).unwrap();
        assert!(log.path().starts_with("/services/mcp%3Ax/logs?"));
        assert!(log.path().contains("after=0"), "{}", log.path());
    }

    #[test]
    fn what_a_route_does_not_take_is_not_sent() {
        let restart = RouteCall::<RestartService>::new("xvnc", &()).unwrap();
        assert_eq!(restart.body(), None);
        let end = RouteCall::<EndCell>::new("..", &()).unwrap();
        assert_eq!((end.path(), end.body()), ("/executions/..", None));
        let interrupt = RouteCall::<InterruptKernel>::new((), &KernelChoice::default());
        assert_eq!(interrupt.unwrap().body(), Some(&br#"{"kernel":null}"#[..]));
    }
}
