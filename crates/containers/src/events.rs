//! What happens to containers and images at the engine, whoever does it.

use std::{
    collections::HashMap,
    time::{SystemTime, UNIX_EPOCH},
};

use bollard::{
    models::{EventMessage, EventMessageTypeEnum},
    query_parameters::EventsOptionsBuilder,
};
use futures_util::{Stream, StreamExt};

use crate::{connect::Engine, error::EngineError};

/// How far back the stream begins.
const MOMENT_S: u64 = 2;

/// Something happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineEvent {
    /// To a container.
    Container {
        /// Its name.
        name: String,
        /// What.
        action: ContainerAction,
    },
    /// To an image: its name was set, went to another one, or it was removed.
    Image {
        /// What the engine calls it: a name with its tag, or an id.
        name: String,
    },
}

/// What happened to a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerAction {
    /// It is there now.
    Created,
    /// Its process runs.
    Started,
    /// Its process ended.
    Ended {
        /// How; 128 + the signal where one ended it.
        exit_code: i64,
    },
    /// It is gone.
    Removed,
    /// Its health check says something else than before.
    Health {
        /// Whether it is well.
        healthy: bool,
    },
    /// Paused, goes on, or has another name.
    Changed,
}

impl Engine {
    /// Events of all containers and images, from a moment ago on, so that nothing is lost between
    /// this call and the engine's hearing of it. The stream ends, or fails, where the engine goes
    /// away; dropping it is enough to end it.
    pub fn events(&self) -> impl Stream<Item = Result<EngineEvent, EngineError>> + Send + use<> {
        let list = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        // Not by action: Podman's names for them are others in a filter than in an event.
        let filters: HashMap<&str, Vec<String>> =
            HashMap::from([("type", list(&["container", "image"]))]);
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let since_s = now.unwrap_or_default().as_secs().saturating_sub(MOMENT_S);
        let options = EventsOptionsBuilder::new()
            .filters(&filters)
            .since(&since_s.to_string())
            .build();
        let events = self.docker.events(Some(options));
        events.filter_map(|message| async move {
            match message {
                Ok(message) => read(message).map(Ok),
                Err(error) => Some(Err(EngineError::from_bollard(
                    "read the engine's events",
                    error,
                ))),
            }
        })
    }
}

fn read(message: EventMessage) -> Option<EngineEvent> {
    let actor = message.actor?;
    let attributes = actor.attributes.unwrap_or_default();
    let name = attributes.get("name").cloned();
    let action = message.action?;
    match message.typ? {
        EventMessageTypeEnum::CONTAINER => Some(EngineEvent::Container {
            name: name?,
            action: match action.as_str() {
                "create" => ContainerAction::Created,
                "start" => ContainerAction::Started,
                "die" | "died" => ContainerAction::Ended {
                    exit_code: attributes
                        .get("exitCode")
                        .or_else(|| attributes.get("containerExitCode"))
                        .and_then(|code| code.parse().ok())
                        .unwrap_or_default(),
                },
                "destroy" | "remove" => ContainerAction::Removed,
                health if health.starts_with("health_status") => ContainerAction::Health {
                    healthy: health.ends_with(": healthy"),
                },
                "pause" | "unpause" | "rename" => ContainerAction::Changed,
                // Each health check is an `exec` too.
                _ => return None,
            },
        }),
        EventMessageTypeEnum::IMAGE => Some(EngineEvent::Image {
            name: name.or(actor.id)?,
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bollard::models::EventActor;

    fn message(typ: EventMessageTypeEnum, action: &str, pairs: &[(&str, &str)]) -> EventMessage {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        EventMessage {
            typ: Some(typ),
            action: Some(action.into()),
            actor: Some(EventActor {
                id: Some("sha256:1".into()),
                attributes: Some(pairs.iter().map(owned).collect()),
            }),
            ..Default::default()
        }
    }

    #[test]
    fn containers_are_told_by_name() {
        let action = |action: &str, pairs: &[(&str, &str)]| {
            let mut all = vec![("name", "os-host")];
            all.extend(pairs);
            match read(message(EventMessageTypeEnum::CONTAINER, action, &all)) {
                Some(EngineEvent::Container { name, action }) if name == "os-host" => action,
                other => panic!("{other:?}"),
            }
        };
        let ended = ContainerAction::Ended { exit_code: 137 };
        assert_eq!(action("die", &[("exitCode", "137")]), ended);
        assert_eq!(action("died", &[("containerExitCode", "137")]), ended);
        let ill = ContainerAction::Health { healthy: false };
        assert_eq!(action("health_status: unhealthy", &[]), ill);
        assert_eq!(action("pause", &[]), ContainerAction::Changed);
        let exec = message(
            EventMessageTypeEnum::CONTAINER,
            "exec_start: true",
            &[("name", "a")],
        );
        assert_eq!(read(exec), None);
    }

    #[test]
    fn an_image_without_a_name_has_its_id() {
        let name = |pairs: &[(&str, &str)]| {
            let read = read(message(EventMessageTypeEnum::IMAGE, "untag", pairs));
            match read {
                Some(EngineEvent::Image { name }) => name,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(name(&[("name", "os:latest")]), "os:latest");
        assert_eq!(name(&[]), "sha256:1");
    }
}
