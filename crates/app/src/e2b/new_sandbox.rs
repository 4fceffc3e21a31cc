//! What these clients ask for when they create a sandbox, in our own words.

use std::collections::BTreeMap;

use axum::http::HeaderMap;
use serde::Deserialize;
use serde_json::{Map, Value};
use wire::sandbox::{CreateRequest, NetworkMode, NetworkRequest, OnTimeout};

use super::HOME;
use crate::sandboxes::Refusal;

/// Templates of theirs that are our own image.
const OWN_TEMPLATES: [&str; 4] = ["", "base", "code-interpreter-v1", "code-interpreter"];
/// All addresses.
const ALL_TRAFFIC: [&str; 3] = ["0.0.0.0/0", "::/0", "0.0.0.0"];

/// `POST /v2/sandboxes` and `POST /sandboxes`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct NewSandbox {
    #[serde(rename = "templateID")]
    template_id: String,
    timeout: Option<u64>,
    metadata: Option<BTreeMap<String, String>>,
    env_vars: Option<BTreeMap<String, String>>,
    auto_pause: Option<bool>,
    auto_pause_memory: Option<bool>,
    auto_resume: Option<AutoResume>,
    #[serde(rename = "allow_internet_access")]
    allow_internet_access: Option<bool>,
    network: Option<Map<String, Value>>,
    mcp: Option<Value>,
    iam: Option<Value>,
    volume_mounts: Option<Vec<Value>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct AutoResume {
    enabled: bool,
}

/// The first versions known to say nothing about the internet if their caller says nothing. Older ones
/// add `allow_internet_access: true` to every request.
const FIRST_SILENT: [(&str, (u32, u32)); 2] = [("python", (2, 63)), ("js", (2, 51))];

impl NewSandbox {
    /// Leaves out what an older client of theirs says without having been asked to: untrusted code
    /// would reach the internet though nobody wanted that.
    pub(super) fn forget_what_its_client_adds(&mut self, headers: &HeaderMap) {
        let text = |name: &str| headers.get(name)?.to_str().ok();
        let (Some(language), Some(version)) = (text("lang"), text("package_version")) else {
            return;
        };
        let first = FIRST_SILENT.iter().find(|(name, _)| *name == language);
        let mut numbers = version.split('.').map_while(|number| number.parse().ok());
        let version = numbers.next().zip(numbers.next());
        let is_silent = first.is_some_and(|(_, first)| version >= Some(*first));
        if !is_silent && self.allow_internet_access == Some(true) {
            self.allow_internet_access = None;
        }
    }

    /// The request for our own sandboxes; `default` is what it reaches if it says nothing.
    pub(super) fn request(
        self,
        default: Option<NetworkMode>,
        default_timeout_s: u64,
    ) -> Result<CreateRequest, Refusal> {
        self.check()?;
        let network = match (self.allow_internet_access, network(self.network.as_ref())?) {
            (Some(false), _) | (_, Some(NetworkMode::None)) => Some(NetworkMode::None),
            (Some(true), _) => Some(NetworkMode::Internet),
            (None, other) => other.or(default),
        };
        let mut env = self.env_vars.unwrap_or_default();
        env.entry("HOME".into()).or_insert_with(|| HOME.into());
        let seconds = self.timeout.unwrap_or(default_timeout_s);
        Ok(CreateRequest {
            image: (!OWN_TEMPLATES.contains(&self.template_id.as_str()))
                .then_some(self.template_id),
            network: network.map(NetworkRequest::Mode),
            // No number of seconds that somebody means is too large for it.
            ttl_s: Some(seconds as f64),
            on_timeout: Some(if self.auto_pause == Some(true) {
                OnTimeout::Pause
            } else {
                OnTimeout::Kill
            }),
            auto_resume: self.auto_resume.is_some_and(|resume| resume.enabled),
            env,
            metadata: self.metadata.unwrap_or_default(),
            ..Default::default()
        })
    }

    /// Refuses what isn't there, in words.
    fn check(&self) -> Result<(), Refusal> {
        let is_set = |value: &Option<Value>| value.as_ref().is_some_and(|value| !value.is_null());
        let missing = if self.auto_pause_memory == Some(false) {
            "a pause that keeps only files isn't supported: a pause keeps the memory, until the container engine stops"
        } else if is_set(&self.mcp) {
            "MCP gateways in sandboxes aren't supported"
        } else if is_set(&self.iam) {
            "workload identities aren't supported"
        } else if self
            .volume_mounts
            .as_ref()
            .is_some_and(|mounts| !mounts.is_empty())
        {
            "volumes aren't supported"
        } else {
            return Ok(());
        };
        Err(Refusal::not_supported(missing))
    }
}

/// The mode that a network configuration comes to; rules are refused.
pub(super) fn network(config: Option<&Map<String, Value>>) -> Result<Option<NetworkMode>, Refusal> {
    let Some(config) = config else {
        return Ok(None);
    };
    let mut mode = None;
    for (name, value) in config {
        let is_empty = match value {
            Value::Null | Value::Bool(false) => true,
            Value::Array(list) => list.is_empty(),
            Value::Object(map) => map.is_empty(),
            _ => false,
        };
        let is_all = || {
            let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
            list.iter()
                .any(|one| one.as_str().is_some_and(|one| ALL_TRAFFIC.contains(&one)))
        };
        match name.as_str() {
            "allow_internet_access" | "allowInternetAccess" => {
                mode = match value.as_bool() {
                    Some(true) => Some(NetworkMode::Internet),
                    Some(false) => Some(NetworkMode::None),
                    None => mode,
                };
            }
            _ if is_empty => {}
            "denyOut" | "deny_out" if is_all() => mode = Some(NetworkMode::None),
            _ => {
                return Err(Refusal::not_supported(format!(
                    "network rules aren't supported yet ({name}): allow_internet_access true or false is"
                )));
            }
        }
    }
    Ok(mode)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(body: Value, default: Option<NetworkMode>) -> Result<CreateRequest, Refusal> {
        serde_json::from_value::<NewSandbox>(body)
            .unwrap()
            .request(default, 300)
    }

    #[test]
    fn what_the_clients_send_is_understood() {
        let body = json!({
            "templateID": "code-interpreter-v1", "metadata": {"a": "b"}, "envVars": {"K": "v"},
            "timeout": 60, "autoPause": true, "autoResume": {"enabled": true}, "secure": true,
        });
        let asked = request(body, None).unwrap();
        assert_eq!((asked.image, asked.ttl_s), (None, Some(60.0)));
        assert_eq!(asked.on_timeout, Some(OnTimeout::Pause));
        assert!(asked.auto_resume);
        assert_eq!(
            (asked.env["K"].as_str(), asked.env["HOME"].as_str()),
            ("v", "/home/user")
        );
        assert_eq!(asked.metadata["a"], "b");
        let bare = request(json!({"templateID": "python:3.13"}), None).unwrap();
        assert_eq!(
            (bare.image.as_deref(), bare.ttl_s),
            (Some("python:3.13"), Some(300.0))
        );
    }

    #[test]
    fn the_internet_is_reached_only_by_those_who_say_so() {
        use NetworkMode::{Internet, None as Nothing};
        for (body, default, expected) in [
            (json!({}), None, None),
            (json!({}), Some(Internet), Some(Internet)),
            (json!({"allow_internet_access": true}), None, Some(Internet)),
            (
                json!({"allow_internet_access": false}),
                Some(Internet),
                Some(Nothing),
            ),
            (
                json!({"network": {"denyOut": ["0.0.0.0/0"]}}),
                Some(Internet),
                Some(Nothing),
            ),
            (
                json!({"allow_internet_access": true, "network": {"denyOut": ["0.0.0.0/0"]}}),
                None,
                Some(Nothing),
            ),
            (json!({"network": {}}), None, None),
        ] {
            let network = request(body.clone(), default).unwrap().network;
            assert_eq!(network, expected.map(NetworkRequest::Mode), "{body}");
        }
    }

    #[test]
    fn what_an_older_client_adds_by_itself_opens_nothing() {
        let asked = |client: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in client {
                headers.insert(*name, value.parse().unwrap());
            }
            let body = json!({"allow_internet_access": true});
            let mut asked: NewSandbox = serde_json::from_value(body).unwrap();
            asked.forget_what_its_client_adds(&headers);
            asked.allow_internet_access
        };
        let client = |lang, version| asked(&[("lang", lang), ("package_version", version)]);
        assert_eq!(client("python", "2.31.0"), None);
        assert_eq!(client("python", "unknown"), None);
        assert_eq!(client("python", "2.63.0"), Some(true));
        assert_eq!(client("python", "3.0.0"), Some(true));
        assert_eq!(asked(&[]), Some(true));
    }

    #[test]
    fn what_isn_t_there_is_refused_with_words() {
        for body in [
            json!({"network": {"allowOut": ["example.org"]}}),
            json!({"network": {"rules": {"example.org": []}}}),
            json!({"network": {"denyOut": ["10.0.0.0/8"]}}),
            json!({"autoPauseMemory": false}),
            json!({"mcp": {"x": {}}}),
            json!({"iam": {"tokens": {}}}),
            json!({"volumeMounts": [{"name": "a", "path": "/a"}]}),
        ] {
            let refused = request(body.clone(), None).unwrap_err();
            assert_eq!(refused.status, 501, "{body}");
            assert!(refused.message.contains("supported"), "{}", refused.message);
        }
    }
}
