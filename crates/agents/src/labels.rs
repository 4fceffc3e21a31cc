//! Labels of agents' containers and volumes: enough to list, reattach and resume an agent with no other
//! store. Whoever else makes containers at the engine can use the same labels, so that each is checked.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

use serde::{Deserialize, Serialize};
use wire::agent::{AgentId, AgentLimits, AgentMode, AgentWorkspace, ReadOnlyMount};

/// That it is an agent's.
pub(crate) const AGENT: &str = "tmux-agents";
const AGENT_ID: &str = "tmux-agents.agent-id";
const SESSION_NAME: &str = "tmux-agents.session-name";
const PROVIDER: &str = "tmux-agents.ai-provider";
const CREATED_AT: &str = "tmux-agents.created-at";
const INSTANCE: &str = "vivarium.instance";
const KIND: &str = "vivarium.kind";
const WORKSPACE: &str = "vivarium.workspace";
const BRANCH: &str = "vivarium.branch";
const IMAGE: &str = "vivarium.image";
const MADE: &str = "vivarium.agent";

/// The session that the helper opens.
pub(crate) const SESSION: &str = "agent";
/// The most of a label that is read.
const MOST_LABEL_BYTES: usize = 64 << 10;

/// How an agent was made, for making its container again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Made {
    pub(crate) image: String,
    pub(crate) workspace: AgentWorkspace,
    pub(crate) limits: AgentLimits,
    pub(crate) networks: Vec<String>,
    pub(crate) host_access: bool,
    pub(crate) mounts: Vec<ReadOnlyMount>,
    pub(crate) keys: Vec<String>,
    pub(crate) title: Option<String>,
    #[serde(default)]
    pub(crate) mode: Option<AgentMode>,
    #[serde(default)]
    pub(crate) gpu: bool,
}

/// What stays the same for all of an agent's life.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct About {
    pub(crate) id: AgentId,
    pub(crate) tool: String,
    pub(crate) created_at_ms: u64,
    pub(crate) image_id: String,
    pub(crate) made: Made,
}

/// Why something with an agent's labels is none of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Odd(&'static str);

impl fmt::Display for Odd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Labels of an installation.
#[derive(Clone, Debug)]
pub(crate) struct Labels {
    pub(crate) instance: String,
}

impl Labels {
    /// To find all agents of this installation by.
    pub(crate) fn all(&self) -> BTreeMap<String, String> {
        BTreeMap::from([
            (AGENT.to_owned(), "true".to_owned()),
            (INSTANCE.to_owned(), self.instance.clone()),
        ])
    }

    /// To find one by.
    pub(crate) fn of(&self, id: &AgentId) -> BTreeMap<String, String> {
        let mut labels = self.all();
        labels.insert(AGENT_ID.to_owned(), id.to_string());
        labels
    }

    /// Of what agents and sandboxes of this installation share.
    pub(crate) fn of_kind(&self, kind: &str) -> BTreeMap<String, String> {
        BTreeMap::from([
            (KIND.to_owned(), kind.to_owned()),
            (INSTANCE.to_owned(), self.instance.clone()),
        ])
    }

    /// The name of something that they share.
    pub(crate) fn named(&self, what: &str) -> String {
        match self.instance.as_str() {
            "" => format!("vivarium-{what}"),
            instance => format!("{instance}-{what}"),
        }
    }

    /// The agents' network.
    pub(crate) fn network(&self) -> String {
        match self.instance.as_str() {
            "" => "tmux-agents".to_owned(),
            instance => format!("{instance}-tmux-agents"),
        }
    }

    /// All labels of an agent's container and volumes.
    pub(crate) fn write(&self, about: &About) -> BTreeMap<String, String> {
        let workspace = match &about.made.workspace {
            AgentWorkspace::Volume => "volume".to_owned(),
            AgentWorkspace::InPlace { path } | AgentWorkspace::Clone { path, .. } => path.clone(),
        };
        // It has no part that JSON can't hold.
        let made = serde_json::to_string(&about.made).unwrap_or_default();
        let mut labels = self.of(&about.id);
        labels.extend(
            [
                (SESSION_NAME, SESSION.to_owned()),
                (PROVIDER, about.tool.clone()),
                (CREATED_AT, about.created_at_ms.to_string()),
                (KIND, "agent".to_owned()),
                (WORKSPACE, workspace),
                (BRANCH, format!("agent/{}", about.id)),
                (IMAGE, about.image_id.clone()),
                (MADE, made),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        labels
    }

    /// What they say. `id` is the one that the container's or volume's name has: the engine has one of
    /// that name, so that no other can pass for it.
    pub(crate) fn read(
        &self,
        id: Option<AgentId>,
        labels: &HashMap<String, String>,
    ) -> Result<About, Odd> {
        let get = |name: &str| {
            let value = labels.get(name).map(String::as_str);
            value.filter(|value| value.len() <= MOST_LABEL_BYTES)
        };
        let id = id.ok_or(Odd("its name isn't an agent's"))?;
        if get(AGENT_ID) != Some(id.as_str()) {
            return Err(Odd("its label with the id is another one"));
        }
        if get(INSTANCE).unwrap_or_default() != self.instance {
            return Err(Odd("it is another installation's"));
        }
        if get(SESSION_NAME) != Some(SESSION) {
            return Err(Odd("its label with the session is another one"));
        }
        let created = get(CREATED_AT).and_then(|text| text.parse().ok());
        let made = get(MADE).and_then(|text| serde_json::from_str(text).ok());
        let tool = get(PROVIDER).ok_or(Odd("its label with the tool is missing"))?;
        Ok(About {
            id,
            tool: agent_status::shown(tool, 64),
            created_at_ms: created.ok_or(Odd("its label with the time can't be read"))?,
            image_id: get(IMAGE).unwrap_or_default().to_owned(),
            made: made.ok_or(Odd("its label with how it was made can't be read"))?,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn about() -> About {
        About {
            id: "a1".parse().unwrap(),
            tool: "claude".into(),
            created_at_ms: 1_764_500_000_000,
            image_id: "sha256:1".into(),
            made: Made {
                image: "ai-claude:latest".into(),
                workspace: AgentWorkspace::Volume,
                limits: AgentLimits::default(),
                networks: Vec::new(),
                host_access: false,
                mounts: Vec::new(),
                keys: vec!["ANTHROPIC_API_KEY".into()],
                title: Some("Fix it".into()),
                mode: None,
                gpu: false,
            },
        }
    }

    fn labels() -> Labels {
        Labels {
            instance: String::new(),
        }
    }

    fn written() -> HashMap<String, String> {
        labels().write(&about()).into_iter().collect()
    }

    #[test]
    fn labels_say_all_that_the_contract_names_and_are_read_again() {
        let written = written();
        for (name, value) in [
            ("tmux-agents", "true"),
            ("tmux-agents.agent-id", "a1"),
            ("tmux-agents.session-name", "agent"),
            ("tmux-agents.ai-provider", "claude"),
            ("tmux-agents.created-at", "1764500000000"),
            ("vivarium.branch", "agent/a1"),
        ] {
            assert_eq!(written[name], value);
        }
        let read = labels().read("a1".parse().ok(), &written);
        assert_eq!(read, Ok(about()));
    }

    #[test]
    fn missing_and_hostile_labels_are_odd() {
        let changes: [(&str, Option<&str>); 9] = [
            (AGENT_ID, None),
            (AGENT_ID, Some("a2")),
            (AGENT_ID, Some("../a1")),
            (INSTANCE, Some("other")),
            (SESSION_NAME, Some("agent; rm -rf /")),
            (CREATED_AT, Some("-1")),
            (PROVIDER, None),
            (MADE, Some("{\"image\":\"x\",\"privileged\":true}")),
            (MADE, None),
        ];
        for (name, value) in changes {
            let mut labels_of_it = written();
            match value {
                Some(value) => labels_of_it.insert(name.into(), value.into()),
                None => labels_of_it.remove(name),
            };
            let read = labels().read("a1".parse().ok(), &labels_of_it);
            assert!(read.is_err(), "{name} = {value:?}");
        }
        assert!(labels().read(None, &written()).is_err());
        let long = format!("{{{}", " ".repeat(MOST_LABEL_BYTES));
        let mut labels_of_it = written();
        labels_of_it.insert(MADE.into(), long);
        assert!(labels().read("a1".parse().ok(), &labels_of_it).is_err());
    }

    #[test]
    fn two_installations_share_nothing() {
        let other = Labels {
            instance: "other".into(),
        };
        assert_ne!(other.network(), labels().network());
        assert!(other.read("a1".parse().ok(), &written()).is_err());
    }
}
